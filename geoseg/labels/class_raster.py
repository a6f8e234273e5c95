"""A class raster: its values as labels, and its names and colours as a legend."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import LabelError, count_of
from geoseg.grid import Window, chunks
from geoseg.legend import DUBAI, DUBAI_MASKS, NODATA, LandCoverClass, Legend, as_legend, class_key
from geoseg.raster import Scene, open_scene, read_palette, read_window
from geoseg.styles.gdal_pam import read_categories

BLACK = "#000000"
"""Not annotated, in the masks of the Dubai legend; an unused entry, in palettes."""
_MAX_VALUE = 255
_WINDOW_SIZE = 1024
"""Side of the windows in which a raster of floats is checked (px)."""

OnMissing = Literal["number", "error"]


@dataclass(frozen=True, slots=True)
class ClassRaster:
    """A raster whose pixels are class values, or the colours of a mask.

    `read` returns the values as they are stored; `LabelOpener` and `open_map` return labels in the
    values of a legend, 255 where not labelled.
    """

    scene: Scene
    nodata: int | None
    """The label of pixels without data, None where all have data."""
    palette: Mapping[int, str]
    """Value to #rrggbb, as the raster stores it; empty where it has no colour table."""
    names: Mapping[int, str]
    """Value to class name, as the sidecar file of the raster has it; empty where it has none."""
    own_legend: Legend | None
    """The classes; None where each value is a class."""

    @property
    def legend(self) -> Legend:
        """The classes."""
        return self.own_legend or self._every_value()

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class values (height, width) of a window, ``nodata`` for pixels without data.

        Raises:
            SceneError: if they cannot be read.
            LabelError: if a value is not a whole number from 0 to 255, or a pixel with data has
                the value ``nodata``.
        """
        pixels, valid = read_window(self.scene, window)
        values = pixels[0]
        if values.dtype != np.uint8:
            _check_whole(self.scene, values[valid])
            outside = values[valid & ((values < 0) | (values > _MAX_VALUE))]
            if outside.size:
                raise LabelError(
                    f"{self.scene.path} has the value {float(outside[0]):.10g} at {window}, but "
                    "classes are 0 to 255, renumber them (gdal_calc) or name it with --nodata"
                )
            values = np.where(valid, values, 0)
        labels: NDArray[np.uint8] = values.astype(np.uint8)
        if self.nodata is None or valid.all():
            return labels
        if (labels[valid] == self.nodata).any():
            raise LabelError(
                f"{self.scene.path} has a class {self.nodata} at {window} and masked pixels, "
                "which geoseg reads as this value, renumber the class (gdal_calc)"
            )
        return np.where(valid, labels, np.uint8(self.nodata))

    def _every_value(self) -> Legend:
        """A legend in which every value is a class, with the stored names and colours."""
        values = [value for value in range(_MAX_VALUE + 1) if value != self.nodata]
        numbered = Legend.from_names([str(value) for value in range(_MAX_VALUE)])
        names = [self.names.get(value, f"class {value}") for value in values]
        # A name with its value may be that of another class, which then gets its own value too.
        while len(counts := Counter(map(class_key, names))) < len(names):
            names = [
                name if counts[class_key(name)] == 1 else f"{name} ({value})"
                for value, name in zip(values, names, strict=True)
            ]
        classes = [
            LandCoverClass(
                value, name, self.palette.get(value, numbered.classes[value % len(numbered)].color)
            )
            for value, name in zip(values, names, strict=True)
        ]
        return Legend(tuple(classes), self.nodata)


def open_class_raster(
    path: str | Path,
    *,
    legend: Legend | str | Path | None = None,
    nodata: float | None = None,
    on_missing: OnMissing = "number",
    color_masks: bool = False,
) -> ClassRaster:
    """Open a class raster: one band of whole numbers, of an integer dtype or of floats.

    Of floats, the first window with valid pixels is checked here, the others by
    `ClassRaster.read`.

    Args:
        path: anything GDAL opens.
        legend: the classes, or a file of them; None for those that the raster stores.
        nodata: value of pixels without data; None for the raster's own.
        on_missing: "number": where the raster stores no name, the class is called by its value
            ("class 7"), and each value is a class. "error": the classes are those that have a
            colour in the raster's palette, or else a name; a raster without both is refused.
        color_masks: whether to accept colours in place of values: 3 bands of uint8.

    Raises:
        SceneError: if it cannot be read.
        LabelError: if it is no class raster, has no class where ``on_missing`` is "error", or the
            legend cannot be read.
    """
    scene = open_scene(path, nodata=nodata)
    check_class_raster(scene, color_masks=color_masks)
    return describe_class_raster(scene, legend, on_missing)


def describe_class_raster(
    scene: Scene, legend: Legend | str | Path | None, on_missing: OnMissing
) -> ClassRaster:
    """Describe the classes of an open raster, which may be warped; see `open_class_raster`.

    Raises:
        LabelError: if it has no class where ``on_missing`` is "error", or the legend cannot be
            read.
    """
    palette, names = read_palette(scene.path), read_categories(scene.path)
    label = _nodata_label(scene)
    classes = as_legend(legend, nodata=label)
    if classes is None and on_missing == "error":
        classes = _stored_legend(scene, palette, names)
    return ClassRaster(scene, label, palette, names, classes)


def check_class_raster(scene: Scene, *, color_masks: bool) -> None:
    """Refuse rasters that are no class rasters, see `open_class_raster`.

    Raises:
        LabelError: if there is another number of bands, or a value is not a whole number.
        SceneError: if the pixels cannot be read.
    """
    bands = len(scene.bands)
    if bands != 1 and not (color_masks and (bands, scene.dtype) == (3, "uint8")):
        masks = ", a colour mask 3 bands of uint8" if color_masks else ""
        raise LabelError(
            f"{scene.path} is not a class raster: it has {count_of(bands, 'band')} of "
            f"{scene.dtype}, a class raster has 1 band{masks}; choose a band with "
            "gdal_translate -b"
        )
    if np.issubdtype(np.dtype(scene.dtype), np.integer):
        return
    for window in chunks(scene.height, scene.width, _WINDOW_SIZE):
        pixels, valid = read_window(scene, window)
        _check_whole(scene, pixels[0][valid])
        if valid.any():
            return


def _check_whole(scene: Scene, values: NDArray[Any]) -> None:
    """Refuse values that are not whole numbers."""
    fractions = values[values != np.round(values)]
    if fractions.size:
        raise LabelError(
            f"{scene.path} is not a class raster: it has values that are not whole numbers, such "
            f"as {fractions[0]:.6g}; if they are classes, round them with gdal_calc"
        )


def _nodata_label(scene: Scene) -> int | None:
    """The raster's own nodata value if it fits into a byte; else 255 where pixels may have none."""
    if scene.nodata is not None and scene.nodata in range(_MAX_VALUE + 1):
        return int(scene.nodata)
    may_be_nan = not np.issubdtype(np.dtype(scene.dtype), np.integer)
    return NODATA if scene.nodata is not None or scene.masked or may_be_nan else None


def _stored_legend(scene: Scene, palette: Mapping[int, str], names: Mapping[int, str]) -> Legend:
    """The classes of a palette, or else those with a name; colour masks have the Dubai legend."""
    if len(scene.bands) >= 3 or {c.color for c in DUBAI_MASKS.classes} & set(palette.values()):
        return DUBAI
    if palette:
        colored = (
            LandCoverClass(value, names.get(value, str(value)), color)
            for value, color in palette.items()
            if value < NODATA and value != scene.nodata and (color != BLACK or value in names)
        )
        return Legend(tuple(colored))
    named = {value: name for value, name in names.items() if value != NODATA}
    if not named:
        raise LabelError(
            f"class raster {scene.path} has neither a palette nor class names, name its classes "
            "with --legend (`compare`: --legend-a)"
        )
    classes = zip(named, Legend.from_names(list(named.values())).classes, strict=True)
    return Legend(tuple(replace(c, value=value) for value, c in classes))
