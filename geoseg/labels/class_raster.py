"""A class raster: its values as labels, and its names and colours as a legend."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import LabelError, SceneError
from geoseg.grid import Window
from geoseg.legend import NODATA, LandCoverClass, Legend, read_legend
from geoseg.raster import Scene, open_scene, read_categories, read_palette, read_window

_LARGEST = 255


@dataclass(frozen=True, slots=True)
class ClassRaster:
    """One band of whole numbers, 0 to 255."""

    scene: Scene
    nodata: int | None
    """The label of pixels without data, None where all have data."""
    legend: Legend

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Labels (height, width) of a window.

        Raises:
            SceneError: if they cannot be read.
            LabelError: if a value is not in 0 to 255, or is that of pixels without data.
        """
        pixels, valid = read_window(self.scene, window)
        values = pixels[0]
        if values.dtype != np.uint8 and values[valid].size:
            low, high = values[valid].min(), values[valid].max()
            if low < 0 or high > _LARGEST:
                raise LabelError(
                    f"{self.scene.path} has the value {low if low < 0 else high} at {window}, but "
                    "classes are 0 to 255, renumber them (gdal_calc) or name it with --nodata"
                )
        labels: NDArray[np.uint8] = values.astype(np.uint8)
        if self.nodata is None or valid.all():
            return labels
        if (labels[valid] == self.nodata).any():
            raise LabelError(
                f"{self.scene.path} has a class {self.nodata} at {window} and masked pixels, "
                "which geoseg reads as this value, renumber the class (gdal_calc)"
            )
        return np.where(valid, labels, np.uint8(self.nodata))


def open_class_raster(
    path: str | Path, *, legend: str | Path | None = None, nodata: float | None = None
) -> ClassRaster:
    """Describe a class raster.

    Args:
        path: anything GDAL opens, with one band of integers.
        legend: file with names and colours; None for those in the raster and beside it.
        nodata: overrides the raster's own value.

    Raises:
        SceneError: if it is no such raster.
        LabelError: if the legend cannot be read.
    """
    scene = open_scene(path, nodata=nodata)
    if len(scene.bands) != 1:
        raise SceneError(
            f"{path} has {len(scene.bands)} bands, a class raster has one, "
            "choose it with gdal_translate -b"
        )
    if not np.issubdtype(np.dtype(scene.dtype), np.integer):
        raise SceneError(
            f"{path} has {scene.dtype} pixels, which are measurements and not classes, "
            "convert them with gdal_translate -ot Byte if they are classes"
        )
    missing = _nodata(scene)
    if legend is not None:
        return ClassRaster(scene, missing, read_legend(legend, nodata=missing))
    return ClassRaster(scene, missing, _legend(scene, missing))


def _nodata(scene: Scene) -> int | None:
    if scene.nodata is not None and scene.nodata in range(_LARGEST + 1):
        return int(scene.nodata)
    return NODATA if scene.nodata is not None or scene.masked else None


def _legend(scene: Scene, nodata: int | None) -> Legend:
    """Every value a class, named and coloured as far as the raster says so."""
    names, palette = read_categories(scene.path), read_palette(scene.path)
    values = [value for value in range(_LARGEST + 1) if value != nodata]
    spare = Legend.from_names([str(value) for value in range(_LARGEST)])
    colors = {value: spare.classes[value % len(spare)].color for value in values} | palette
    called = {value: names.get(value, f"class {value}") for value in values}
    folded = [name.casefold() for name in called.values()]
    return Legend(
        tuple(
            LandCoverClass(
                value,
                name if folded.count(name.casefold()) == 1 else f"{name} ({value})",
                colors[value],
            )
            for value, name in called.items()
        ),
        nodata,
    )
