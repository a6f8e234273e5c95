"""Labels in vector files: polygons, lines or points with a field for the class."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from numbers import Real
from typing import Any

import numpy as np
import rasterio.features
import shapely
from numpy.typing import NDArray

from geoseg.errors import LabelError, count_of
from geoseg.grid import Window
from geoseg.labels.ignore import IgnoreSpec
from geoseg.legend import NODATA, Legend
from geoseg.raster import Scene
from geoseg.vectors import Reprojector, read_vector

log = logging.getLogger(__name__)

_MAX_LISTED = 20
"""Classes or fields that a message lists."""
_BATCH = 64
"""Polygons of one query of the spatial index."""
_MAX_PAIRS = 20_000_000
"""Maximum number of pairs of polygons with overlapping bounds to compare: about ten seconds."""


@dataclass(frozen=True, slots=True, eq=False)
class VectorLabels:
    """Geometries burnt onto a scene's grid; where they overlap, the later one counts."""

    scene: Scene
    legend: Legend
    geometries: NDArray[Any]
    """(n,) shapely geometries in the scene's CRS."""
    extents: NDArray[np.float64]
    """(n, 4) bounds of the geometries: left, bottom, right, top."""
    values: NDArray[np.uint8]
    """(n,) class value of each geometry, 255 for "not labelled"."""

    def clipped_to(self, window: Window) -> "VectorLabels":
        """Return the same labels, with only the geometries whose bounds touch a window."""
        cols, rows = (window.col, window.col_end), (window.row, window.row_end)
        x, y = np.transpose([self.scene.affine @ (col, row) for col in cols for row in rows])
        left, bottom, right, top = self.extents.T
        touching = (left <= x.max()) & (right >= x.min()) & (bottom <= y.max()) & (top >= y.min())
        return replace(
            self, geometries=self.geometries[touching], extents=self.extents[touching],
            values=self.values[touching],
        )  # fmt: skip

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class values (height, width) by pixel centre, 255 where no geometry covers it."""
        clipped = self.clipped_to(window)
        transform = self.scene.affine @ self.scene.affine.translation(window.col, window.row)
        if not len(clipped.values):
            return np.full((window.height, window.width), NODATA, np.uint8)
        burnt: NDArray[np.uint8] = rasterio.features.rasterize(
            zip(clipped.geometries, clipped.values.tolist(), strict=True),
            (window.height, window.width),
            fill=NODATA, transform=transform, dtype="uint8",
        )  # fmt: skip
        return burnt


class VectorLabelFile:
    """A vector file for many scenes: read once, and reprojected once into each of their CRS.

    Where features overlap, the later one in the file wins. A warning counts the polygons that a
    later polygon of another class covers completely.

    Args:
        path: anything that GeoPandas reads.
        class_field: field of class names or values.
        legend: the classes; None for those that occur.
        ignore: names, values or colours of classes that mean "not labelled". A text is compared
            with the classes as the field has them, then with ``legend``. A text that occurs in
            neither is no error.
        layer: name of the layer; None for the first one with geometries.

    Raises:
        VectorError: if the file or the layer cannot be read.
        LabelError: if the field does not exist or holds neither names nor whole numbers, no
            feature has a class, or the legend lacks a class.
    """

    def __init__(
        self,
        path: str,
        class_field: str | None,
        legend: Legend | None,
        ignore: tuple[str, ...],
        layer: str | None = None,
    ) -> None:
        spec, features = IgnoreSpec.parse(ignore), read_vector(path, layer)
        field = _checked_field(path, features, class_field)
        self._frame = _labelled(path, features, field)
        self.unlabelled = len(features) - len(self._frame)
        """Features without a class or a geometry."""
        classes = self._frame[field].tolist()
        _check_types(path, field, classes)
        kept = [c for c in classes if _text(c) not in spec.texts]
        self._legend = legend or _legend_of(path, field, kept)
        value_of = _class_values(path, self._legend, list(dict.fromkeys(kept)))
        self._values = np.array([value_of.get(c, NODATA) for c in classes], np.uint8)
        if legend is not None:
            own = {_text(c) for c in classes}
            others = IgnoreSpec(tuple(text for text in spec.texts if text not in own))
            self._values[np.isin(self._values, list(others.values_in(legend)))] = NODATA
        self._reprojector = Reprojector(self._frame, path)
        _warn_of_covered(path, self._frame.geometry.to_numpy(), self._values, self._legend)

    def column(self, name: str) -> list[Any] | None:
        """Return a field of the features that have a class; None if the field does not exist."""
        return self._frame[name].tolist() if name in self._frame else None

    def on_grid_of(self, scene: Scene) -> VectorLabels:
        """Return the labels on the grid of a scene.

        Raises:
            VectorError: if only one of file and scene has a CRS, or the two CRS are unrelated.
        """
        geometries, extents = self._reprojector.onto(scene)
        return VectorLabels(scene, self._legend, geometries, extents, self._values)


def _checked_field(path: str, frame: Any, class_field: str | None) -> str:  # noqa: ANN401
    """The name of the class field, which the features (a GeoDataFrame) have."""
    fields = [str(c) for c in frame.columns if c != frame.geometry.name]
    if class_field in fields:
        return str(class_field)
    if not fields:
        raise LabelError(f"labels {path} have no fields, add one with the class of each feature")
    listed = _value_list(fields, str)
    if class_field is None:
        raise LabelError(f"labels {path} need a class field (--class-field), one of: {listed}")
    raise LabelError(
        f"labels {path} have no field {class_field!r}, choose the class field (--class-field) "
        f"from: {listed}"
    )


def _labelled(path: str, frame: Any, class_field: str) -> Any:  # noqa: ANN401 - GeoDataFrames
    """The features with a class and a geometry."""
    has_geometry = frame.geometry.notna() & ~frame.geometry.is_empty
    has_class = frame[class_field].notna() & (frame[class_field].astype(str).str.strip() != "")
    frame = frame[has_class & has_geometry]
    if frame.empty:
        raise LabelError(
            f"labels {path} hold no feature with a {class_field}, fill it in or choose "
            "another class field (--class-field)"
        )
    return frame


def _check_types(path: str, class_field: str, classes: Sequence[Any]) -> None:
    """Refuse a field of anything but names or numbers."""
    kinds = sorted({_kind(value) for value in classes})
    if kinds in (["numbers"], ["text"]):
        return
    raise LabelError(
        f"field {class_field!r} of labels {path} holds {' and '.join(kinds)}, but classes are "
        "either names or whole numbers, choose another class field (--class-field) or write the "
        "classes into a new text field"
    )


def _kind(value: object) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, Real):
        return "numbers"
    if isinstance(value, date):
        return "dates"
    if isinstance(value, list | tuple | np.ndarray):
        return "lists"
    return f"values of the type {type(value).__name__}"


def _warn_of_covered(
    path: str, geometries: NDArray[Any], values: NDArray[np.uint8], legend: Legend
) -> None:
    """Warn of polygons that later polygons of another class cover completely."""
    covered, complete = _covered_polygons(geometries, values)
    if not covered.any():
        return
    numbers = np.bincount(values[covered], minlength=NODATA + 1)
    counts = [
        f"{count_of(int(numbers[c.value]), 'polygon')} of {c.name}"
        for c in legend.classes
        if numbers[c.value]
    ]
    log.warning(
        "%s: later polygons of another class completely cover %s%s; of overlapping polygons the "
        "later one in the file wins, so move background polygons to the start of the file",
        path, "" if complete else "at least ", ", ".join(counts),
    )  # fmt: skip


def _covered_polygons(
    geometries: NDArray[Any], values: NDArray[np.uint8]
) -> tuple[NDArray[np.bool_], bool]:
    """Find the polygons that a later polygon of another class covers completely.

    Unlabelled polygons, lines and points do not count. Returns which geometries (n,) are covered,
    and whether all pairs were compared.
    """
    covered = np.zeros(len(geometries), bool)
    indices = np.flatnonzero((shapely.get_dimensions(geometries) == 2) & (values != NODATA))
    if len(np.unique(values[indices])) < 2:
        return covered, True
    polygons, classes = geometries[indices], values[indices]
    bounds, tree, pairs = shapely.bounds(polygons), shapely.STRtree(polygons), 0
    for first in range(0, len(polygons), _BATCH):
        below, above = tree.query(polygons[first : first + _BATCH])
        pairs += len(below)
        below += first
        candidates = (above > below) & (classes[above] != classes[below])
        candidates &= (bounds[above, :2] <= bounds[below, :2]).all(axis=1)
        candidates &= (bounds[above, 2:] >= bounds[below, 2:]).all(axis=1)
        below, above = below[candidates], above[candidates]
        valid = shapely.is_valid(polygons[below]) & shapely.is_valid(polygons[above])
        below, above = below[valid], above[valid]
        shapely.prepare(polygons[above])
        covered[indices[below[shapely.covers(polygons[above], polygons[below])]]] = True
        if pairs > _MAX_PAIRS:
            return covered, False
    return covered, True


def _text(label: Any) -> str:  # noqa: ANN401 - a cell of any type
    """Return the class of a feature as a text in the form of `IgnoreSpec.texts`."""
    whole = isinstance(label, Real) and float(label).is_integer()
    return str(int(label) if whole else label).strip().casefold()


def _legend_of(path: str, class_field: str, classes: list[Any]) -> Legend:
    """Numbers are class values; names are numbered in alphabetical order."""
    if not classes:
        raise LabelError(
            f"all features of labels {path} are of ignored classes, keep at least one class"
        )
    if isinstance(classes[0], str):
        return Legend.from_names(sorted({c.strip() for c in classes}))
    fraction = next((c for c in classes if not float(c).is_integer()), None)
    if fraction is not None:
        raise LabelError(
            f"field {class_field!r} of labels {path} holds {fraction}, but class values are whole "
            "numbers, choose another class field (--class-field) or round the values"
        )
    values = sorted({int(c) for c in classes})
    named = Legend.from_names([str(v) for v in values]).classes
    return Legend(tuple(replace(c, value=v) for v, c in zip(values, named, strict=True)))


def _class_values(path: str, legend: Legend, classes: list[Any]) -> dict[Any, int]:
    """Value in the legend of each class of the field, a name or a value."""
    value_of: dict[Any, int] = {value: value for value in legend.values}
    value_of |= {c.name.casefold(): c.value for c in legend.classes}
    keys = {c: c.strip().casefold() if isinstance(c, str) else c for c in classes}
    unknown = [c for c, key in keys.items() if key not in value_of]
    if not unknown:
        return {c: value_of[key] for c, key in keys.items()}
    several = len(unknown) > 1
    raise LabelError(
        f"class{'es' * several} {_value_list(unknown)} of labels {path} "
        f"(which have {_value_list(classes)}) {'are' if several else 'is'} not in the legend "
        f"({', '.join(legend.names)}), add what is missing to the legend, or give --ignore if it "
        "means not labelled"
    )


def _value_list(labels: Sequence[Any], write: Callable[[Any], str] = repr) -> str:
    """The first labels as a list for a message."""
    more = ", ..." if len(labels) > _MAX_LISTED else ""
    return ", ".join(write(label) for label in labels[:_MAX_LISTED]) + more
