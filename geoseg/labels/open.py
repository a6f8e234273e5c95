"""Labels of scenes, from class rasters, colour masks, palettes or vectors."""

import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import LabelError
from geoseg.grid import Window
from geoseg.labels.class_files import ClassFileLabels, ClassFiles
from geoseg.labels.class_raster import check_class_raster, describe_class_raster
from geoseg.labels.ignore import IgnoreSpec
from geoseg.labels.raster_labels import RasterLabels, as_raster_labels
from geoseg.labels.vector_file import VectorLabelFile
from geoseg.labels.vector_labels import VectorLabels
from geoseg.legend import Legend
from geoseg.raster import Scene, open_scene, same_grid, warped_to
from geoseg.vectors import is_vector_file

log = logging.getLogger(__name__)


class LabelSource(Protocol):
    """Labels on a scene's pixel grid."""

    @property
    def legend(self) -> Legend:
        """The classes that occur in `read`."""

    def clipped_to(self, window: Window) -> "LabelSource":
        """Return the same labels, with no more than what reading inside this window needs."""

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class values (height, width), 255 where a pixel is not labelled.

        Raises:
            LabelError: if a pixel has a class that the legend does not name.
            SceneError: if a raster cannot be read.
        """


LabelFiles = str | ClassFiles
"""The labels of a scene: the path of a class raster, a colour mask or a vector file, or vector
files of one class each."""


@dataclass(slots=True)
class LabelOpener:
    """Opens the labels of scenes, in any thread; a vector file of many scenes is read once."""

    legend: Legend | None = None
    """The classes; None to take them from the files, or the Dubai legend for colour masks."""
    class_field: str | None = None
    """Field of vector labels that holds the class; not for files of one class each."""
    ignore: tuple[str, ...] = ()
    """Names, values or colours of classes that mean "not labelled", see `IgnoreSpec`."""
    layer: str | None = None
    """Layer of vector labels, the same in each file; None for the first one with geometries."""
    background: str | None = None
    """Class of the pixels that no vector label covers, see `add_background`; None for none."""
    _vectors: dict[LabelFiles, VectorLabelFile | ClassFileLabels] = field(
        default_factory=dict, init=False
    )
    _lock: Lock = field(default_factory=Lock, init=False)

    def open(self, labels: LabelFiles, scene: Scene) -> LabelSource:
        """Open the labels of a scene from files of any supported kind.

        Args:
            labels: the files. A raster on another grid is warped onto the scene's, nearest pixel.
            scene: the scene on whose grid the labels are read.

        Raises:
            LabelError: if labels and scene, or labels and legend, do not fit, a name to ignore is
                no class of a raster, or the labels are a raster and there is a background. Names
                to ignore need not occur in a vector file, see `check_ignored`.
            VectorError: if a vector file cannot be read, or cannot be placed on the scene.
            SceneError: if a raster cannot be opened.
        """
        if isinstance(labels, str) and not is_vector_file(labels):
            return self._open_raster(labels, scene)
        with self._lock:
            if labels not in self._vectors:
                self._vectors[labels] = self._read_vectors(labels)
            burnable = self._vectors[labels].on_grid_of(scene).clipped_to(scene.window)
        self._warn_if_all_background(burnable, labels)
        return burnable

    def check_ignored(self) -> None:
        """Refuse a name to be ignored that no vector file and no legend has.

        To be called when all labels are open, because each file may have other classes. Names in
        rasters are checked as they are opened.

        Raises:
            LabelError: if there is one.
        """
        if not self._vectors:
            return
        texts = {text for labels in self._vectors.values() for text in labels.class_texts}
        files = ", ".join(map(str, self._vectors))
        known: dict[str, Legend | Collection[str]] = {f"labels {files}": sorted(texts)}
        if self.legend is not None:
            known["the legend"] = self.legend
        IgnoreSpec.parse(self.ignore).check_names(known)

    def _read_vectors(self, labels: LabelFiles) -> VectorLabelFile | ClassFileLabels:
        if isinstance(labels, str):
            return VectorLabelFile(
                labels, self.class_field, self.legend, self.ignore, self.layer, self.background
            )
        if self.class_field is not None:
            raise LabelError(
                f"labels {labels} are files of one class each, which need no class field, leave "
                f"--class-field {self.class_field} out or give the files without classes"
            )
        return ClassFileLabels(labels, self.legend, self.ignore, self.layer, self.background)

    def _warn_if_all_background(self, labels: VectorLabels, files: LabelFiles) -> None:
        if self.background is not None and not len(labels.values):
            log.warning(
                "no feature of %s lies on %s, so all of it is background (%s)",
                files, labels.scene.path, self.background,
            )  # fmt: skip

    def _open_raster(self, path: str, scene: Scene) -> RasterLabels:
        if self.background is not None:
            raise LabelError(
                f"labels {path} are a raster, but a background class (--background) is for vector "
                "labels only, leave it out"
            )
        spec = IgnoreSpec.parse(self.ignore)
        stored = open_scene(path)
        check_class_raster(stored, color_masks=True)
        raster = describe_class_raster(on_grid(stored, scene), self.legend, "error")
        labels = as_raster_labels(raster, spec)
        spec.check_names({f"labels {path}": labels.legend})
        return labels


def on_grid(raster: Scene, scene: Scene) -> Scene:
    """Return a raster on the grid of a scene, warped (nearest pixel) if it has another grid.

    Raises:
        LabelError: if the sizes or the coordinates differ and only one of them, or none, has a CRS.
    """
    if not scene.crs or not raster.crs:
        if (raster.height, raster.width) != (scene.height, scene.width):
            raise LabelError(
                f"labels {raster.path} are {raster.height} x {raster.width} px, scene "
                f"{scene.path} is {scene.height} x {scene.width}, and not both have a CRS by "
                "which to match them, assign it with gdal_edit -a_srs"
            )
        both_placed = not (raster.affine.is_identity or scene.affine.is_identity)
        if both_placed and not same_grid(raster, scene):
            raise LabelError(
                f"labels {raster.path} have other coordinates than scene {scene.path}, and not "
                "both have a CRS by which to match them, assign it with gdal_edit -a_srs, or "
                "remove wrong coordinates with gdal_edit -unsetgt"
            )
        return raster
    if same_grid(raster, scene):
        return raster
    log.info("%s is on another grid than %s: warped, nearest pixel", raster.path, scene.path)
    return warped_to(raster, scene)
