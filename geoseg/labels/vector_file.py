"""A vector file whose features have their class in a field."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import LabelError, short_list
from geoseg.labels.background import add_background, check_not_points
from geoseg.labels.covered_polygons import warn_of_covered
from geoseg.labels.ignore import IgnoreSpec, class_text
from geoseg.labels.vector_labels import VectorLabels
from geoseg.legend import NODATA, Legend, class_key
from geoseg.raster import Scene
from geoseg.vectors import Reprojector, read_vector

_LATER_WINS = (
    "of overlapping polygons the later one in the file wins, so move background polygons to the "
    "start of the file"
)


class VectorLabelFile:
    """A vector file for many scenes: read once, and reprojected once into each of their CRS.

    Where features overlap, the later one in the file wins; one without a class hides no other, but
    what it covers is no background. A warning counts the polygons that a later polygon of another
    class covers completely.

    Args:
        path: anything that GeoPandas reads.
        class_field: field of class names or values.
        legend: the classes; None for those that occur.
        ignore: names, values or colours of classes that mean "not labelled". A text is compared
            with the classes as the field has them, then with ``legend``. A text that occurs in
            neither is no error, see `LabelOpener.check_ignored`.
        layer: name of the layer; None for the first one with geometries.
        background: class of what no feature covers, see `add_background`; None for "not labelled".

    Raises:
        VectorError: if the file or the layer cannot be read.
        LabelError: if the field does not exist or holds neither names nor whole numbers, no
            feature has a class, the legend lacks a class, or the background does not fit.
    """

    def __init__(
        self,
        path: str,
        class_field: str | None,
        legend: Legend | None,
        ignore: tuple[str, ...],
        layer: str | None = None,
        background: str | None = None,
    ) -> None:
        spec, features = IgnoreSpec.parse(ignore), read_vector(path, layer)
        field = _checked_field(path, features, class_field)
        drawn, has_class = _with_geometry(path, features, field)
        self._frame = drawn[has_class]
        self.unlabelled = len(features) - len(self._frame)
        """Features without a class or a geometry."""
        classes = self._frame[field].tolist()
        _check_types(path, field, classes)
        kept = [c for c in classes if class_text(c) not in spec.texts]
        own = legend or _legend_of(path, field, kept)
        value_of = _class_values(path, own, list(dict.fromkeys(kept)))
        self._values = np.array([value_of.get(c, NODATA) for c in classes], np.uint8)
        if legend is not None:
            texts = {class_text(c) for c in classes}
            others = IgnoreSpec(tuple(text for text in spec.texts if text not in texts))
            self._values[np.isin(self._values, list(others.values_in(legend)))] = NODATA
        self._legend, self._outside = add_background(own, background, spec)
        warn_of_covered(
            path, self._frame.geometry.to_numpy(), self._values, self._legend, _LATER_WINS
        )
        if background is not None:
            check_not_points(path, drawn.geometry.to_numpy())
            self._frame = drawn.iloc[np.argsort(has_class, kind="stable")]  # without class first
            without_class = np.full(np.count_nonzero(~has_class), NODATA, np.uint8)
            self._values = np.concatenate([without_class, self._values])
        self._reprojector = Reprojector(self._frame, path)
        self._path, self._spec, self._texts = path, spec, dict.fromkeys(map(class_text, classes))

    def check_ignored(self, legend: Legend, own: Legend | None) -> None:
        """Refuse a name to be ignored that occurs neither in the field nor in a legend.

        Args:
            legend: of the map.
            own: legend of this file; None if it has none.

        Raises:
            LabelError: if there is one.
        """
        classes: dict[str, Legend | Collection[str]] = {"the map": legend}
        if own is not None:
            classes[f"the legend of reference {self._path}"] = own
        self._spec.check_names({**classes, f"reference {self._path}": self._texts})

    @property
    def class_texts(self) -> Collection[str]:
        """Classes in the field, ignored ones too, in the form of `class_text`."""
        return self._texts

    def column(self, name: str) -> list[Any] | None:
        """Return a field of the features that `on_grid_of` returns; None if it does not exist."""
        return self._frame[name].tolist() if name in self._frame else None

    def on_grid_of(self, scene: Scene) -> VectorLabels:
        """Return the labels on the grid of a scene.

        Raises:
            VectorError: if only one of file and scene has a CRS, or the two CRS are unrelated.
        """
        geometries, extents = self._reprojector.onto(scene)
        return VectorLabels(scene, self._legend, geometries, extents, self._values, self._outside)


def _checked_field(path: str, frame: Any, class_field: str | None) -> str:  # noqa: ANN401
    """The name of the class field, which the features (a GeoDataFrame) have."""
    fields = [str(c) for c in frame.columns if c != frame.geometry.name]
    if class_field in fields:
        return str(class_field)
    if not fields:
        raise LabelError(f"{path} has no fields, add one with the class of each feature")
    listed = short_list(fields)
    if class_field is None:
        raise LabelError(f"{path} needs a class field (--class-field), one of: {listed}")
    raise LabelError(
        f"{path} has no field {class_field!r}, choose the class field (--class-field) "
        f"from: {listed}"
    )


def _with_geometry(
    path: str,
    frame: Any,  # noqa: ANN401 - a GeoDataFrame
    class_field: str,
) -> tuple[Any, NDArray[np.bool_]]:
    """The features with a geometry, and which of them have a class; at least one has."""
    drawn = frame[frame.geometry.notna() & ~frame.geometry.is_empty]
    classes = drawn[class_field]
    has_class = (classes.notna() & (classes.astype(str).str.strip() != "")).to_numpy(bool)
    if not has_class.any():
        raise LabelError(
            f"{path} has no feature with a {class_field}, fill it in or choose "
            "another class field (--class-field)"
        )
    return drawn, has_class


def _check_types(path: str, class_field: str, classes: Sequence[Any]) -> None:
    """Refuse a field of anything but names or numbers."""
    kinds = sorted({_kind(value) for value in classes})
    if kinds in (["numbers"], ["text"]):
        return
    raise LabelError(
        f"field {class_field!r} of {path} holds {' and '.join(kinds)}, but classes are "
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


def _legend_of(path: str, class_field: str, classes: list[Any]) -> Legend:
    """Numbers are class values; names are numbered in alphabetical order."""
    if not classes:
        raise LabelError(f"all features of {path} are of ignored classes, keep at least one class")
    if isinstance(classes[0], str):
        return _legend_of_names(path, class_field, classes)
    fraction = next((c for c in classes if not float(c).is_integer()), None)
    if fraction is not None:
        raise LabelError(
            f"field {class_field!r} of {path} holds {fraction}, but class values are whole "
            "numbers, choose another class field (--class-field) or round the values"
        )
    values = sorted({int(c) for c in classes})
    wrong = [value for value in values if not 0 <= value < NODATA]
    if wrong:
        raise LabelError(
            f"field {class_field!r} of {path} holds {wrong[0]}, but class values are from 0 "
            "to 254, renumber the classes"
        )
    named = Legend.from_names([str(v) for v in values]).classes
    return Legend(tuple(replace(c, value=v) for v, c in zip(values, named, strict=True)))


def _legend_of_names(path: str, class_field: str, names: list[str]) -> Legend:
    spellings: dict[str, str] = {}
    for name in sorted({name.strip() for name in names}):
        other = spellings.setdefault(class_key(name), name)
        if other != name:
            raise LabelError(
                f"field {class_field!r} of {path} holds {other!r} and {name!r}, which are "
                "one class, spell it in one way or give a legend (--legend)"
            )
    if len(spellings) > NODATA:
        raise LabelError(
            f"field {class_field!r} of {path} holds {len(spellings):,} names, but there are at "
            f"most {NODATA} classes, choose another class field (--class-field)"
        )
    return Legend.from_names(list(spellings.values()))


def _class_values(path: str, legend: Legend, classes: list[Any]) -> dict[Any, int]:
    """Value in the legend of each class of the field, a name or a value, also as a text."""
    value_of: dict[Any, int] = {value: value for value in legend.values}
    value_of |= {str(value): value for value in legend.values}
    value_of |= {class_key(c.name): c.value for c in legend.classes}
    keys = {c: class_key(c) if isinstance(c, str) else c for c in classes}
    unknown = [c for c, key in keys.items() if key not in value_of]
    if not unknown:
        return {c: value_of[key] for c, key in keys.items()}
    several = len(unknown) > 1
    wrong, known = (short_list(list(map(repr, names))) for names in (unknown, classes))
    raise LabelError(
        f"class{'es' * several} {wrong} of {path} "
        f"(which has {known}) {'are' if several else 'is'} not in the legend "
        f"({', '.join(legend.names)}), add what is missing to the legend, or give --ignore if it "
        "means not labelled"
    )
