"""The points of a sample, with the true classes at the dates of both maps or of one date."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.errors import EvaluateError, short_list
from geoseg.evaluation.comparison.changes import MAX_CHANGES, MERGED_NAMES, Pair, pairs_by_name
from geoseg.evaluation.comparison.maps import MapPair
from geoseg.evaluation.comparison.settings import CompareSettings
from geoseg.evaluation.points import (
    STRATUM_FIELD,
    SUGGESTED_FIELD,
    PointPixels,
    check_not_suggested,
    locate_geometries,
)
from geoseg.labels import IgnoreSpec, class_text
from geoseg.legend import NODATA
from geoseg.vectors import Reprojector, is_vector_file, read_vector

_BOTH_DATES = ("reference_a", "reference_b")
_ONE_FIELD = ("reference",)


@dataclass(frozen=True, slots=True, eq=False)
class ReferencePoints:
    """Points with the true classes, by the pixel of the maps in which they lie."""

    path: str
    pixels: PointPixels
    before: NDArray[np.uint8]
    """(n,) true class value at the date of map A, 255 if ignored."""
    after: NDArray[np.uint8]
    """(n,) the same at the date of map B; the same array if the maps are of one date."""
    merged: NDArray[np.str_]
    """(n,) "unchanged" or "other change" where the reference does not say more; else empty."""
    one_date: bool
    """Whether the maps are of one date, so that the points tell which map is better."""
    strata: list[str] | None
    """(n,) names of the changes that the points were drawn from; None if the file has none."""
    unlabelled: int
    """Number of features without a class or a geometry."""


def read_reference(path: str, maps: MapPair, settings: CompareSettings) -> ReferencePoints:
    """Read the points of a sample.

    Two fields have the class at both dates. One field has a change, such as "forest to crop", or a
    class: then the maps are of one date.

    Args:
        path: vector file of points.
        maps: the two maps.
        settings: names of layer, fields and classes to be ignored.

    Raises:
        EvaluateError: if the file does not hold points with such fields and classes, or is not a
            random sample.
        LabelError: if a class to be ignored is unknown.
        VectorError: if it cannot be read, or cannot be placed on the maps.
    """
    if not is_vector_file(path):
        raise EvaluateError(
            f"reference {path} is not a vector file, give the points of a sample with their "
            "reference, such as a .gpkg of `geoseg sample`"
        )
    frame = read_vector(path, settings.layer)
    fields = [str(c) for c in frame.columns if c != frame.geometry.name]
    if SUGGESTED_FIELD in fields:
        check_not_suggested(frame[SUGGESTED_FIELD].tolist(), path)
    wanted = _reference_fields(path, fields, settings.reference_fields)
    kept = (frame.geometry.notna() & ~frame.geometry.is_empty).to_numpy(bool)
    for name in wanted:
        texts = frame[name].astype(str).str.strip()
        kept = kept & (frame[name].notna() & (texts != "")).to_numpy(bool)
    labelled = frame[kept]
    if labelled.empty:
        raise EvaluateError(
            f"no point of reference {path} has a {' and a '.join(wanted)}, fill it in"
        )
    if (shapely.get_dimensions(labelled.geometry.to_numpy()) != 0).any():
        raise EvaluateError(
            f"reference {path} holds polygons or lines, give the points of a random sample (see "
            "`geoseg sample`)"
        )
    texts_of = [[class_text(value) for value in labelled[name]] for name in wanted]
    known = list(dict.fromkeys(c for column in texts_of for text in column for c in _names(text)))
    IgnoreSpec(maps.ignored_elsewhere).check_names(
        {"the maps": maps.legend, f"reference {path}": known}
    )
    pairs = _true_pairs(path, wanted, texts_of, maps, IgnoreSpec.parse(settings.ignore))
    geometries, _ = Reprojector(labelled, path).onto(maps.scene)
    pixels, feature = locate_geometries(geometries, maps.scene)
    strata = labelled[STRATUM_FIELD].tolist() if STRATUM_FIELD in fields else None
    before, after = np.array(pairs.values, np.uint8).T[:, feature]
    return ReferencePoints(
        path, pixels, before, after, np.array(pairs.merged)[feature], pairs.one_date,
        None if strata is None else [str(strata[i]).strip() for i in feature],
        int((~kept).sum()),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _TruePairs:
    values: list[Pair]
    """True class values at both dates."""
    merged: list[str]
    """See `ReferencePoints`."""
    one_date: bool


def _reference_fields(path: str, fields: list[str], wanted: Sequence[str]) -> Sequence[str]:
    """Return the names of the fields to read; the points have all of them."""
    if not wanted:
        wanted = _BOTH_DATES if set(_BOTH_DATES) <= set(fields) else _ONE_FIELD
        if not set(wanted) <= set(fields):
            raise EvaluateError(
                f"reference {path} has neither the field reference nor reference_a and "
                f"reference_b, name its fields (--reference-fields), from: {short_list(fields)}"
            )
    missing = [name for name in wanted if name not in fields]
    if missing:
        raise EvaluateError(
            f"reference {path} has no field {' nor '.join(map(repr, missing))}, choose "
            f"--reference-fields from: {short_list(fields)}"
        )
    return wanted


def _true_pairs(
    path: str, fields: Sequence[str], texts: list[list[str]], maps: MapPair, ignore: IgnoreSpec
) -> _TruePairs:
    """Return the classes that the texts of one or two fields name, 255 for ignored ones."""
    legend, ignored = maps.all_classes, ignore.values_in(maps.all_classes)

    def value_of(name: str) -> int | None:
        known = legend.find(name)
        if name in ignore.texts or (known and known.value in ignored):
            return NODATA
        return known.value if known else None

    values = {text: value_of(text) for column in texts for text in column}
    unknown = [text for text, value in values.items() if value is None]
    listed, no_merged = short_list(maps.legend.names), [""] * len(texts[0])
    if len(texts) == 2:
        if unknown:
            raise EvaluateError(
                f"fields {' and '.join(fields)} of reference {path} have {short_list(unknown)}, "
                f"which no map has as a class ({listed}), correct them or ignore them (--ignore)"
            )
        columns = ([values[text] or 0 for text in column] for column in texts)
        return _TruePairs(list(zip(*columns, strict=True)), no_merged, one_date=False)
    if not unknown:
        same = [(values[text] or 0, values[text] or 0) for text in texts[0]]
        return _TruePairs(same, no_merged, one_date=True)
    nothing = NODATA, NODATA
    pairs = {t: nothing for t in values if any(value_of(c) == NODATA for c in _names(t))}
    for name, pair in pairs_by_name(legend).items():
        pairs[name] = pair if ignored.isdisjoint(pair) else nothing
    merged = set(MERGED_NAMES) - set(pairs) if len(legend) ** 2 > MAX_CHANGES else set[str]()
    # Their classes follow from change.tif, see `compare_points`.
    pairs |= dict.fromkeys(merged, (legend.values[0], legend.values[0]))
    unknown = [text for text in values if text not in pairs]
    if unknown:
        first = maps.legend.names[0], maps.legend.names[-1]
        raise EvaluateError(
            f"field {fields[0]!r} of reference {path} has {short_list(unknown)}, and its values "
            f"are neither all classes ({listed}) nor all changes, such as "
            f"'{first[0]} to {first[1]}' or '{first[0]} unchanged', correct them"
        )
    names = [text if text in merged else "" for text in texts[0]]
    return _TruePairs([pairs[text] for text in texts[0]], names, one_date=False)


def _names(text: str) -> list[str]:
    """Return the text, and the classes if it names a change: "a to b" gives "a" and "b" too."""
    return [text, *text.split(" to ")]
