"""Which of two maps of one date is better: a paired comparison on a sample where they differ."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import EvaluateError, count_of, short_list
from geoseg.evaluation.comparison.changes import ChangeTable
from geoseg.evaluation.comparison.compared_points import ComparedPoints
from geoseg.metrics import sign_test, stratified_mean


@dataclass(frozen=True, slots=True)
class BetterMap:
    """A paired comparison. Shares are shares of the area where both maps have a class, 0 to 1."""

    only_a: int
    """Number of points where only map A is right."""
    only_b: int
    """Number of points where only map B is right."""
    neither: int
    """Number of points where the maps differ and neither is right."""
    p_value: float
    """Of the exact two-sided test. Its null hypothesis: where exactly one map is right, it is A or
    B equally often."""
    differing: float
    """Share of the area where the maps differ."""
    share_a: float
    """Share of the area where only map A is right, estimated."""
    share_b: float
    """Share of the area where only map B is right, estimated."""
    share_a_se: float
    share_b_se: float
    difference: float
    """Overall accuracy of A minus that of B, for the whole area, estimated."""
    difference_se: float
    agreeing: int
    """Number of points where the maps agree; the difference does not depend on them."""
    notes: tuple[str, ...]
    """Limits of the numbers."""

    @property
    def points(self) -> int:
        """Number of points where the maps differ."""
        return self.only_a + self.only_b + self.neither


def find_better_map(
    points: ComparedPoints, table: ChangeTable, areas: NDArray[np.float64]
) -> BetterMap:
    """Compare the accuracy of two maps of one date on points where they differ.

    Where the maps agree, both are right or both are wrong. So the difference of their accuracies
    comes from the pixels where they differ, and is estimated from a sample of these alone.

    Args:
        points: the sample, with the true class.
        table: the differences of the maps, which are the strata.
        areas: (changes,) areas of the differences, in any unit.

    Raises:
        EvaluateError: if no point lies where the maps differ.
    """
    differs = points.mapped_a != points.mapped_b
    if not differs.any():
        raise EvaluateError(
            "no point lies where the maps differ, so the sample cannot tell which one is better, "
            "draw it from the change.tif that `geoseg compare --changed-only` writes"
        )
    right_a = (points.mapped_a == points.after)[differs]
    right_b = (points.mapped_b == points.after)[differs]
    shares = np.where(table.is_change, areas, 0) / areas.sum()
    strata, weights, notes = _strata(points.strata[differs], shares, table)
    share_a, share_a_se = stratified_mean(right_a.astype(np.float64), strata, weights)
    share_b, share_b_se = stratified_mean(right_b.astype(np.float64), strata, weights)
    differences = right_a.astype(np.float64) - right_b
    difference, difference_se = stratified_mean(differences, strata, weights)
    same = [s for s in np.unique(strata) if _all_equal(differences[strata == s])]
    if same:
        kinds = np.unique(points.strata[differs][np.isin(strata, same)])
        names = short_list([repr(table.changes[index].name) for index in kinds])
        notes.append(
            f"All points of {names} have the same result, so that their standard error is 0; of n "
            "points, up to 3 / n may still have another one (95 % confidence)"
        )
    only_a, only_b = int(right_a.sum()), int(right_b.sum())
    return BetterMap(
        only_a=only_a,
        only_b=only_b,
        neither=int(differs.sum()) - only_a - only_b,
        p_value=sign_test(only_a, only_b),
        differing=float(shares.sum()),
        share_a=share_a,
        share_b=share_b,
        share_a_se=share_a_se,
        share_b_se=share_b_se,
        difference=difference,
        difference_se=difference_se,
        agreeing=int((~differs).sum()),
        notes=tuple(notes),
    )


def _all_equal(values: NDArray[np.float64]) -> bool:
    """Return whether there are at least two values and all are equal."""
    return len(values) > 1 and bool((values == values[0]).all())


def _strata(
    indices: NDArray[np.int64], shares: NDArray[np.float64], table: ChangeTable
) -> tuple[NDArray[np.int64], NDArray[np.float64], list[str]]:
    """Return the stratum of each point, the weight of each stratum, and notes.

    If a sample is in proportion to the areas, small strata have one point or none. They are merged
    into one stratum with at least two points, so that its variance can be computed.
    """
    sizes = np.bincount(indices, minlength=len(shares))
    notes = []
    expected = shares / shares.sum() * sizes.sum()
    if (np.abs(sizes - expected) > 1).any():
        notes.append(
            "The points are not in proportion to the areas of the differences: the interval "
            "weights them by area, the exact test counts each point once, so rely on the interval"
        )
    present = np.flatnonzero(shares > 0)
    order = present[np.argsort(sizes[present], kind="stable")]
    small = int((sizes[order] < 2).sum())
    if not small:
        return indices, shares, notes
    while small < len(order) and sizes[order[:small]].sum() < 2:
        small += 1
    pooled = order[:small]
    names = [table.changes[index].name for index in pooled[:5]]
    more = ", ..." if len(pooled) > len(names) else ""
    notes.append(
        f"{count_of(len(pooled), 'kind')} of difference with too few points "
        f"({shares[pooled].sum():.2%} of the area) were counted together: {', '.join(names)}{more}"
    )
    common, strata, weights = pooled[0], indices.copy(), shares.copy()
    strata[np.isin(indices, pooled)] = common
    weights[pooled] = 0
    weights[common] = shares[pooled].sum()
    return strata, weights, notes
