"""Areas of change, estimated from a stratified sample of change.tif."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.evaluation.comparison.changes import ChangeTable, pair_name
from geoseg.evaluation.comparison.compared_points import ComparedPoints
from geoseg.evaluation.estimation import StratifiedSample
from geoseg.legend import NODATA, Legend
from geoseg.metrics import Estimate, by_map_class, estimate


@dataclass(frozen=True, slots=True, eq=False)
class ChangeAreas:
    """Areas of the true changes; changes that occur only in the reference come last."""

    names: tuple[str, ...]
    """(n,) names of the changes."""
    is_change: NDArray[np.bool_]
    """(n,) whether the class differs."""
    sample: StratifiedSample
    """The points by mapped change, which is the stratum, and true change; areas in ha."""
    estimate: Estimate
    """Estimates of each change; areas in ha."""
    changed: Estimate
    """Estimates of two classes, "unchanged" and "changed", in this order; areas in ha."""
    notes: tuple[str, ...]
    """Limits of the numbers."""

    @property
    def counts(self) -> NDArray[np.int64]:
        """(n, n) points by mapped (rows) and true change."""
        return np.asarray(self.sample.counts.sum(0))


def estimate_changes(
    points: ComparedPoints, table: ChangeTable, area_ha: NDArray[np.float64], legend: Legend
) -> ChangeAreas:
    """Estimate the area of each true change with the stratified estimator of `estimate`.

    Args:
        points: the sample, with true classes at both dates.
        table: the changes between the maps, which are the strata.
        area_ha: (changes,) their areas (ha).
        legend: the classes of the maps.

    Raises:
        EvaluateError: if a change of the maps has an area but no point, or areas are not known.
    """
    pairs = list(zip(points.before.tolist(), points.after.tolist(), strict=True))
    only_true = sorted({pair for pair in pairs if table.codes[pair] == NODATA})
    index_of = {pair: index for index, c in enumerate(table.changes) for pair in c.pairs}
    index_of |= {pair: index for index, pair in enumerate(only_true, len(table.changes))}
    columns = np.array([index_of[pair] for pair in pairs])
    names = *(c.name for c in table.changes), *(pair_name(legend, pair) for pair in only_true)
    is_change = np.concatenate(
        [table.is_change, np.array([before != after for before, after in only_true], bool)]
    )
    counts = np.zeros((len(names), len(names)), np.int64)
    np.add.at(counts, (points.strata, columns), 1)
    areas = np.concatenate([area_ha, np.zeros(len(only_true))])
    sample = StratifiedSample(names, by_map_class(counts), areas)
    estimated, notes = sample.estimate(
        "draw points there too, with `geoseg sample` from a change.tif without --changed-only"
    )
    return ChangeAreas(
        names, is_change, sample, estimated, _estimate_changed(counts, is_change, areas),
        tuple(notes),
    )  # fmt: skip


def _estimate_changed(
    counts: NDArray[np.int64], is_change: NDArray[np.bool_], areas: NDArray[np.float64]
) -> Estimate:
    """Estimate accuracy and areas of "unchanged" and "changed", in the same strata."""
    two_classes = np.zeros((len(counts), 2, 2), np.int64)
    of_stratum = np.arange(len(counts)), is_change.astype(np.int64)
    for true in (0, 1):
        two_classes[*of_stratum, true] = counts[:, is_change == bool(true)].sum(1)
    return estimate(two_classes, areas)
