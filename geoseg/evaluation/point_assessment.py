"""A reference of points: a sample, from which the whole map is judged."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import EvaluateError
from geoseg.evaluation.assessment import HECTARE_M2, Assessment, count_all, reliability_of
from geoseg.evaluation.block_counts import VALUES, BlockComparison, values_at
from geoseg.evaluation.estimation import StratifiedSample
from geoseg.evaluation.points import Points, check_strata, locate_points
from geoseg.evaluation.provenance import provenance_of, thumbnail_of
from geoseg.evaluation.report.results import AssessmentResult, Thumbnails
from geoseg.evaluation.strata import open_strata
from geoseg.labels import VectorLabelFile, recode_labels, recode_table
from geoseg.legend import NODATA, as_legend
from geoseg.metrics import Estimate, by_map_class, count_pairs
from geoseg.raster import read_window


@dataclass(frozen=True, slots=True, eq=False)
class _PointValues:
    """What was seen at each point."""

    mapped: NDArray[np.uint8]
    """(n,) value in the map, 255 for none."""
    classes: NDArray[np.uint8]
    """(n,) value on the ground, 255 where ignored."""
    inside: NDArray[np.bool_]
    """(n,) whether it lies on the map's grid."""

    @property
    def known(self) -> NDArray[np.bool_]:
        """(n,) whether there are both."""
        return np.asarray((self.mapped != NODATA) & (self.classes != NODATA))

    def counts(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """(classes, classes) points by map and ground."""
        pairs = count_pairs(self.mapped[self.known], self.classes[self.known])
        return pairs[np.ix_(values, values)]


def assess_points(subject: Assessment, file: VectorLabelFile) -> AssessmentResult:
    """Compare the map with points, and estimate what they tell of all of it.

    Args:
        subject: the map, and how to compare.
        file: points with a class.

    Raises:
        EvaluateError: if no point lies on the map, or the strata that were asked for do not fit.
        LabelError: if a side has a class that its legend does not name.
        SceneError: if a raster cannot be read.
    """
    scene, settings, values = subject.scene, subject.settings, subject.values
    points = locate_points(file, scene)
    known_as = recode_labels(
        file.on_grid_of(scene), subject.labels.legend, subject.reference, settings.ignore
    )
    mapped, inside = points.values(subject.labels.read, scene)
    looked = _PointValues(mapped, recode_table(known_as)[points.classes], inside)
    if not looked.known.any():
        raise subject.nothing_shared
    tally, picture, _ = count_all(
        subject, BlockComparison(scene, subject.labels, None, step=subject.step)
    )
    hectares = tally.areas[values] / HECTARE_M2
    sample, found, notes, beside = _add_estimates(subject, file, points, looked, hectares)
    spots = np.stack([points.rows + 0.5, points.cols + 0.5, looked.mapped, looked.classes], axis=1)
    return AssessmentResult(
        title=subject.title,
        legend=subject.legend,
        counts=looked.counts(values),
        unit="samples",
        hectares=hectares,
        left_out={
            "outside of the map": int((~inside).sum()),
            "no class in the map": int((inside & (mapped == NODATA)).sum()),
            "no class in the reference": file.unlabelled + int((looked.classes == NODATA).sum()),
            "outside of the strata": beside,
        },
        sample=sample,
        estimate=found,
        reliability=reliability_of(_hits_by_confidence(subject, points, looked)),
        notes=tuple(notes),
        pictures=Thumbnails(
            picture, None, thumbnail_of(subject),
            spots[looked.known] / [scene.height, scene.width, 1, 1],
        ),
        provenance=provenance_of(subject),
    )  # fmt: skip


def _add_estimates(
    subject: Assessment,
    file: VectorLabelFile,
    points: Points,
    looked: _PointValues,
    hectares: NDArray[np.float64],
) -> tuple[StratifiedSample | None, Estimate | None, list[str], int]:
    """The sample, what it says of the whole map, notes, and points outside of the strata."""
    drawn = subject.settings.strata is not None or points.strata is not None
    try:
        sample, beside = _stratified_sample(subject, file, points, looked, hectares)
        found, notes = sample.estimate()
    except EvaluateError as error:
        if drawn:
            raise
        return None, None, [f"Nothing was estimated for the whole map: {error}"], 0
    if not drawn:
        notes.append(
            "Intervals hold if the points were drawn at random within each mapped class, as "
            "`geoseg sample` draws them; where they were chosen by hand, they do not"
        )
    return sample, found, notes, beside


def _stratified_sample(
    subject: Assessment,
    file: VectorLabelFile,
    points: Points,
    looked: _PointValues,
    hectares: NDArray[np.float64],
) -> tuple[StratifiedSample, int]:
    """The points by stratum, and how many lie outside of the strata."""
    path, values = subject.settings.strata, subject.values
    if path is None:
        check_strata(points, looked.mapped, subject.labels.legend, subject.path)
        counts = by_map_class(looked.counts(values))
        return StratifiedSample(subject.legend.names, counts, hectares), 0
    own_legend = as_legend(subject.settings.strata_legend)
    scene, strata = open_strata(str(path), subject.labels.legend, own_legend)
    placed = locate_points(file, scene)
    found, _ = placed.values(strata.read, scene)
    check_strata(placed, found, strata.legend, str(path))
    areas = count_all(subject, BlockComparison(scene, strata, None))[0].areas
    known = looked.known & (found != NODATA)
    numbers = np.array(strata.legend.values)
    counts = np.zeros((len(numbers), len(values), len(values)), np.int64)
    stratum = np.searchsorted(numbers, found[known])
    mapped, classes = (np.searchsorted(values, v[known]) for v in (looked.mapped, looked.classes))
    np.add.at(counts, (stratum, mapped, classes), 1)
    beside = int((looked.known & (found == NODATA)).sum())
    return StratifiedSample(strata.legend.names, counts, areas[numbers] / HECTARE_M2), beside


def _hits_by_confidence(
    subject: Assessment, points: Points, looked: _PointValues
) -> NDArray[np.int64]:
    """(2, 256) points by confidence: mapped wrong, and right."""
    confidence, known = subject.confidence, looked.known
    if confidence is None:
        return np.zeros((2, VALUES), np.int64)
    found = values_at(
        lambda w: read_window(confidence, w)[0][0], points.rows[known], points.cols[known]
    )
    right = (looked.mapped == looked.classes)[known].astype(np.uint8)
    levels = count_pairs(right, found)[:2]
    levels[:, 0] = 0  # no data
    return levels
