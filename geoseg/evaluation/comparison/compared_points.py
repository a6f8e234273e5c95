"""The points of a sample by the change of the maps that they were drawn from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import EvaluateError, count_of
from geoseg.evaluation.comparison.changes import ChangeTable
from geoseg.evaluation.comparison.maps import MapPair
from geoseg.evaluation.comparison.reference import ReferencePoints
from geoseg.legend import NODATA, class_key

UNKNOWN_DESIGN_NOTE = (
    "Intervals are valid only if the points were drawn at random within each class of change.tif, "
    "as `geoseg sample` draws them, not if they were chosen by hand"
)
"""Note on points whose file does not say what they were drawn from."""


@dataclass(frozen=True, slots=True, eq=False)
class ComparedPoints:
    """Points with a class in both maps and in the reference."""

    mapped_a: NDArray[np.uint8]
    """(n,) class value in map A."""
    mapped_b: NDArray[np.uint8]
    """(n,) class value in map B."""
    before: NDArray[np.uint8]
    """(n,) true class value at the date of A."""
    after: NDArray[np.uint8]
    """(n,) true class value at the date of B."""
    strata: NDArray[np.int64]
    """(n,) index of the change of the maps, among those of the table."""
    left_out: dict[str, int]
    """Number of points that were not compared, by reason."""


def compare_points(points: ReferencePoints, maps: MapPair, table: ChangeTable) -> ComparedPoints:
    """Read both maps at the points.

    Raises:
        EvaluateError: if no point has a class in both maps, or the points were not drawn from
            the changes between these maps, or have a change that change.tif does not have.
        GeosegError: if a map cannot be read.
    """
    a, b = points.pixels.values(maps.a.read), points.pixels.values(maps.b.read)
    codes = table.codes[a, b]
    mapped, labelled = codes != NODATA, (points.before != NODATA) & (points.after != NODATA)
    kept = mapped & labelled
    if not kept.any():
        raise EvaluateError(
            f"no point of reference {points.path} lies where both maps have a class, see with "
            "`geoseg info` where points and maps lie"
        )
    _check_strata(points, table, codes, kept, maps)
    inside = points.pixels.inside
    before, after = _true_classes(points, table)
    return ComparedPoints(
        a[kept], b[kept], before[kept], after[kept],
        codes[kept].astype(np.int64) - table.changes[0].value,
        {
            "outside of the maps": int((~inside).sum()),
            "no class in one of the maps": int((inside & ~mapped).sum()),
            "no class in the reference": points.unlabelled + int((mapped & ~labelled).sum()),
        },
    )  # fmt: skip


def _true_classes(
    points: ReferencePoints, table: ChangeTable
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the true classes (n,) at both dates; of a merged change, those of any of its pairs.

    Any pair will do, because areas are estimated for the values of change.tif.
    """
    before, after = points.before.copy(), points.after.copy()
    pairs = {change.name: change.pairs[0] for change in table.changes}
    for name in np.unique(points.merged[points.merged != ""]).tolist():
        if name not in pairs:
            raise EvaluateError(
                f"reference {points.path} has {name!r}, which is no class of the change.tif of "
                "these maps, give the true classes of these points"
            )
        before[points.merged == name], after[points.merged == name] = pairs[name]
    return before, after


def _check_strata(
    points: ReferencePoints,
    table: ChangeTable,
    codes: NDArray[np.uint8],
    kept: NDArray[np.bool_],
    maps: MapPair,
) -> None:
    """Refuse points that were not drawn from the changes between these maps."""
    if points.strata is None:
        return
    values = {class_key(c.name): c.value for c in table.changes}
    drawn_from = np.array([values.get(class_key(name), NODATA) for name in points.strata])
    misplaced = int((drawn_from != codes)[kept].sum())
    if misplaced:
        raise EvaluateError(
            f"{misplaced:,} of {count_of(int(kept.sum()), 'point')} of reference {points.path} do "
            f"not lie in the class of change.tif that their field stratum names, so they were not "
            f"drawn from the changes between {maps.path_a} and {maps.path_b}, draw them with "
            "`geoseg sample` from the change.tif of these maps"
        )
