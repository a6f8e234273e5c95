"""The map and the reference, read in the values of one legend."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import LabelError, count_of
from geoseg.grid import Window, chunks
from geoseg.labels.open import LabelOpener, LabelSource
from geoseg.labels.raster_labels import RasterLabels
from geoseg.legend import NODATA, LandCoverClass, Legend, read_legend
from geoseg.raster import Scene, open_scene, read_categories, read_palette, read_window
from geoseg.vectors import SUFFIXES

_MAX_BLOCK = 1024
"""Side of the blocks in which a raster of floats is checked (px)."""


@dataclass(frozen=True, slots=True, eq=False)
class RecodedLabels:
    """Labels in the values of another legend, matched by name."""

    labels: LabelSource
    legend: Legend
    table: NDArray[np.uint8]
    """(256,) value in ``legend`` of each value of ``labels``."""

    def near(self, window: Window) -> "RecodedLabels":
        """The same labels, with no more than what reading inside this window needs."""
        return RecodedLabels(self.labels.near(window), self.legend, self.table)

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class values (height, width), 255 where there are none."""
        values: NDArray[np.uint8] = self.table[self.labels.read(window)]
        return values


def is_vector(path: str) -> bool:
    """Whether a path is a file of polygons or points, by its name."""
    return Path(path).suffix.lower() in SUFFIXES


def as_legend(legend: Legend | str | Path | None) -> Legend | None:
    """A legend, or the one in a file.

    Raises:
        LabelError: if the file is no legend.
    """
    return read_legend(legend) if isinstance(legend, str | Path) else legend


def open_map(
    path: str, legend: Legend | None, ignore: tuple[str, ...]
) -> tuple[Scene, LabelSource]:
    """A label map, with its own classes where no legend is given.

    Raises:
        LabelError: if it is not a class raster, or there is no legend.
        SceneError: if it cannot be opened.
    """
    scene = open_scene(path)
    check_class_raster(scene)
    labels = _open_raster(path, scene, legend or _legend_of_names(path), ignore)
    return scene, recode(labels, labels.legend, path, ignore)


def open_reference(
    path: str, scene: Scene, legend: Legend, own: Legend | None, ignore: tuple[str, ...]
) -> LabelSource:
    """A reference raster on the map's grid, in the values of the map's legend.

    Args:
        path: of the raster.
        scene: the map.
        legend: of the map.
        own: legend of the reference; None for the names in its file, or else the map's.
        ignore: classes of either side that mean "not labelled".

    Raises:
        LabelError: if it is not a class raster, its classes are not the map's, it does not fit the
            map, or a class to be ignored is unknown.
        SceneError: if it cannot be opened.
    """
    check_class_raster(open_scene(path))
    if own is None and not (read_palette(path) and read_categories(path)):
        own = _legend_of_names(path) or legend
    labels = _open_raster(path, scene, own, ignore)
    names = {name.casefold() for name in (*legend.names, *labels.legend.names)}
    for text in ignore:
        if not (_is_color_code(text) or text.strip().casefold() in names):
            raise LabelError(
                f"{text!r} is to be ignored, but is no class of the map ({', '.join(legend.names)})"
                f" nor of reference {path} ({', '.join(labels.legend.names)}), correct it "
                "(--ignore)"
            )
    return recode(labels, legend, path, ignore)


def check_class_raster(raster: Scene) -> None:
    """Refuse a raster that cannot hold classes: an image, or numbers that are not whole.

    Of a raster of floats the first block with valid pixels is looked at.

    Args:
        raster: on its own grid.

    Raises:
        LabelError: if it is not a class raster.
        SceneError: if it cannot be read.
    """
    bands = len(raster.bands)
    if bands != 1 and (bands, raster.dtype) != (3, "uint8"):
        raise LabelError(
            f"{raster.path} is not a class raster: it has {count_of(bands, 'band')} of "
            f"{raster.dtype}, a class raster has 1 band, a colour mask 3 bands of uint8; give a "
            "map as `geoseg classify` writes it"
        )
    if np.issubdtype(np.dtype(raster.dtype), np.integer):
        return
    for block in chunks(raster.height, raster.width, _MAX_BLOCK):
        pixels, valid = read_window(raster, block)
        values = pixels[0][valid]
        fractions = values[values != np.round(values)]
        if fractions.size:
            raise LabelError(
                f"{raster.path} is not a class raster: it has values that are not whole numbers, "
                f"such as {fractions[0]:.6g}; give a map as `geoseg classify` writes it"
            )
        if values.size:
            return


def recode_table(labels: LabelSource) -> NDArray[np.uint8]:
    """(256,) the value in the common legend of each value in a file."""
    if isinstance(labels, RecodedLabels):
        return labels.table
    return np.arange(NODATA + 1, dtype=np.uint8)


def recode(
    labels: LabelSource, legend: Legend, path: str, ignore: tuple[str, ...] = ()
) -> LabelSource:
    """Labels in the values of a legend, by the names of their own; what is ignored is 255.

    Raises:
        LabelError: if a class of theirs that is not ignored is not in the legend.
    """
    own, kept = _kept_classes(labels.legend, ignore), _kept_classes(legend, ignore)
    names = {name.casefold() for name in legend.names}
    unknown = [c.name for c in own if c.name.casefold() not in names]
    if unknown:
        raise LabelError(
            f"reference {path} has the classes {', '.join(labels.legend.names)}, of which "
            f"{', '.join(unknown)} are not among the map's ({', '.join(legend.names)}), give "
            "legends with the same names (--legend, --reference-legend) or ignore these classes "
            "(--ignore)"
        )
    if labels.legend == legend and len(kept) == len(legend):
        return labels
    values = {c.name.casefold(): c.value for c in kept}
    table = np.full(NODATA + 1, NODATA, np.uint8)
    for c in own:
        table[c.value] = values.get(c.name.casefold(), NODATA)
    return RecodedLabels(labels, legend, table)


def without_ignored(legend: Legend, ignore: tuple[str, ...]) -> Legend:
    """The classes that are not ignored.

    Raises:
        LabelError: if none is left.
    """
    kept = _kept_classes(legend, ignore)
    if not kept:
        raise LabelError("all classes are ignored, leave one")
    return Legend(kept)


def _kept_classes(legend: Legend, ignore: tuple[str, ...]) -> tuple[LandCoverClass, ...]:
    """The classes that are not ignored by name, value or colour."""
    dropped = {text.strip().casefold() for text in ignore}
    return tuple(
        c for c in legend.classes if not {c.name.casefold(), str(c.value), c.color} & dropped
    )


def was_warped(labels: LabelSource) -> bool:
    """Whether labels of a raster came from another grid."""
    inner = labels.labels if isinstance(labels, RecodedLabels) else labels
    return isinstance(inner, RasterLabels) and inner.raster.warped


def _open_raster(
    path: str, scene: Scene, legend: Legend | None, ignore: tuple[str, ...]
) -> LabelSource:
    labels = LabelOpener(legend).open(path, scene)
    names = {name.casefold() for name in labels.legend.names}
    known = tuple(
        text for text in ignore if _is_color_code(text) or text.strip().casefold() in names
    )
    return LabelOpener(legend, ignore=known).open(path, scene) if known else labels


def _is_color_code(text: str) -> bool:
    """Whether what is to be ignored is a colour or a value, not a name."""
    return text.startswith("#") or text.lstrip("-").isdigit()


def _legend_of_names(path: str) -> Legend | None:
    """The classes that a raster without a palette names; None if it has a palette or no names."""
    names = {v: name for v, name in read_categories(path).items() if v != NODATA}
    if not names or read_palette(path):
        return None
    classes = zip(names, Legend.from_names(list(names.values())).classes, strict=True)
    return Legend(tuple(replace(c, value=value) for value, c in classes))
