"""Where training labels come from: class rasters, colour masks, palettes, or vectors."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from pyproj.exceptions import ProjError

from geoseg.errors import LabelError
from geoseg.grid import Window
from geoseg.labels.raster_labels import open_raster_labels
from geoseg.labels.vector_labels import VectorLabelFile
from geoseg.legend import Legend
from geoseg.raster import Scene, open_scene, warped_to
from geoseg.vectors import SUFFIXES

log = logging.getLogger(__name__)


class LabelSource(Protocol):
    """Labels on a scene's pixel grid."""

    @property
    def legend(self) -> Legend:
        """The classes that occur in `read`."""

    def near(self, window: Window) -> "LabelSource":
        """The same labels, with no more than what reading inside this window needs."""

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class values (height, width), 255 where the ground is not labelled.

        Raises:
            LabelError: if there is a class that the legend does not name.
            SceneError: if a raster cannot be read.
        """


@dataclass(slots=True)
class LabelOpener:
    """Opens the labels of scenes, in any thread; a vector file of many scenes is read once."""

    legend: Legend | None = None
    """The classes; None to take them from the files, or the built-in Dubai legend for colour
    masks."""
    class_field: str | None = None
    """Field of vector labels that holds the class."""
    ignore: tuple[str, ...] = ()
    """Names, values or colours that mean "not labelled"."""
    layer: str | None = None
    """Layer of vector labels; None for the first one with geometries."""
    _vectors: dict[str, VectorLabelFile] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def open(self, path: str, scene: Scene) -> LabelSource:
        """The labels of a scene from a file of any supported kind.

        Args:
            path: class raster, colour mask or vector file. A raster of another grid is warped
                onto the scene's, nearest pixel.
            scene: the scene whose grid the labels are wanted on.

        Raises:
            LabelError: if labels and scene, or labels and legend, do not fit.
            VectorError: if a vector file cannot be read, or cannot be placed on the scene.
            SceneError: if a raster cannot be opened.
        """
        if Path(path).suffix.lower() in SUFFIXES:
            with self._lock:
                if path not in self._vectors:
                    self._vectors[path] = VectorLabelFile(
                        path, self.class_field, self.legend, self.ignore, self.layer
                    )
                return self._vectors[path].on(scene)
        return open_raster_labels(_on_grid(open_scene(path), scene), self.legend, self.ignore)


def _on_grid(raster: Scene, scene: Scene) -> Scene:
    """The raster, warped where it has another grid than the scene."""
    same_size = (raster.height, raster.width) == (scene.height, scene.width)
    if not scene.crs or not raster.crs:
        if not same_size:
            raise LabelError(
                f"labels {raster.path} are {raster.height} x {raster.width} px, scene "
                f"{scene.path} is {scene.height} x {scene.width}, and not both have a CRS by "
                "which to match them, assign it with gdal_edit -a_srs"
            )
        return raster
    if same_size and _same_place(scene, raster):
        return raster
    log.info("%s is on another grid than %s: warped, nearest pixel", raster.path, scene.path)
    return warped_to(raster, scene)


def _same_place(scene: Scene, raster: Scene) -> bool:
    """Whether the corners of two rasters of one size are less than a tenth of a pixel apart."""
    corners = [(0, 0), (scene.width, 0), (0, scene.height), (scene.width, scene.height)]
    x, y = np.transpose([raster.affine @ corner for corner in corners])
    try:
        if raster.crs != scene.crs:
            to_scene = Transformer.from_crs(raster.crs, scene.crs, always_xy=True)
            x, y = to_scene.transform(x, y, errcheck=True)
    except ProjError:
        return False
    found = [~scene.affine @ xy for xy in zip(x, y, strict=True)]
    return bool(np.abs(np.subtract(found, corners)).max() < 0.1)
