"""Points as the reference: a sample from which accuracy and areas of the map are estimated."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import EvaluateError
from geoseg.evaluation.assessment import (
    HECTARE_M2,
    Assessment,
    no_overlap_error,
    open_confidence,
    reliability_of,
)
from geoseg.evaluation.block_counts import BlockComparison, count_all, values_at
from geoseg.evaluation.estimation import StratifiedSample
from geoseg.evaluation.points import Points, locate_points
from geoseg.evaluation.provenance import provenance_of
from geoseg.evaluation.report.evaluation_report import EvaluationReport
from geoseg.evaluation.strata import check_strata, open_strata
from geoseg.evaluation.thumbnails import Thumbnails, image_thumbnail, thumbnail_step
from geoseg.labels.recode import as_legend, recode, recode_table
from geoseg.labels.vector_labels import VectorLabelFile
from geoseg.legend import NODATA
from geoseg.metrics import VALUES, Estimate, by_map_class, count_pairs
from geoseg.raster import read_window


@dataclass(frozen=True, slots=True, eq=False)
class _PointValues:
    """The classes at each point."""

    mapped: NDArray[np.uint8]
    """(n,) class value in the map, 255 for none."""
    reference: NDArray[np.uint8]
    """(n,) class value in the reference, 255 if ignored."""
    inside: NDArray[np.bool_]
    """(n,) True for a point on the grid of the map."""

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(n,) True for a point with a class in map and reference."""
        return np.asarray((self.mapped != NODATA) & (self.reference != NODATA))

    def counts(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the points (classes, classes) by class of the map and of the reference."""
        pairs = count_pairs(self.mapped[self.labelled], self.reference[self.labelled])
        return pairs[np.ix_(values, values)]


@dataclass(frozen=True, slots=True, eq=False)
class _MapEstimate:
    """What the points tell of the whole map."""

    sample: StratifiedSample | None = None
    estimate: Estimate | None = None
    notes: tuple[str, ...] = ()
    outside_strata: int = 0
    """Number of points outside of the strata."""


def assess_points(assessment: Assessment, file: VectorLabelFile) -> EvaluationReport:
    """Compare the map with points, and estimate accuracy and areas of the whole map.

    Args:
        assessment: the map, and how to compare.
        file: points with a class.

    Raises:
        EvaluateError: if no point lies on the map, or the strata in the settings do not fit.
        LabelError: if map or reference has a class that its legend does not name.
        SceneError: if a raster cannot be read.
    """
    scene, settings, values = assessment.scene, assessment.settings, assessment.values
    points = locate_points(file, scene)
    recoded = recode(
        file.on(scene), assessment.labels.legend, assessment.reference, settings.ignore
    )
    mapped, inside = points.values(assessment.labels.read, scene)
    point_values = _PointValues(mapped, recode_table(recoded)[points.classes], inside)
    labelled = point_values.labelled
    if not labelled.any():
        raise no_overlap_error(assessment)
    comparison = BlockComparison(scene, assessment.labels, None, step=thumbnail_step(scene))
    totals, (thumbnail, _) = count_all(comparison, assessment.workers, assessment.progress)
    area_ha = totals.area_m2[values] / HECTARE_M2
    result = _estimate_map(assessment, file, points, point_values, area_ha)
    markers = np.stack(
        [
            (points.rows + 0.5) / scene.height, (points.cols + 0.5) / scene.width,
            mapped, point_values.reference,
        ],
        axis=1,
    )  # fmt: skip
    image = image_thumbnail(settings.image, assessment.path, scene)
    return EvaluationReport(
        title=assessment.title,
        legend=assessment.legend,
        counts=point_values.counts(values),
        unit="samples",
        area_ha=area_ha,
        left_out={
            "outside of the map": int((~inside).sum()),
            "no class in the map": int((inside & (mapped == NODATA)).sum()),
            "no class in the reference": file.unlabelled
            + int((point_values.reference == NODATA).sum()),
            "outside of the strata": result.outside_strata,
        },
        sample=result.sample,
        estimate=result.estimate,
        reliability=reliability_of(_hits_by_confidence(assessment, points, point_values)),
        notes=result.notes,
        thumbnails=Thumbnails(thumbnail, None, image, markers[labelled]),
        provenance=provenance_of(assessment),
    )


def _estimate_map(
    assessment: Assessment,
    file: VectorLabelFile,
    points: Points,
    point_values: _PointValues,
    area_ha: NDArray[np.float64],
) -> _MapEstimate:
    """Estimate accuracy and areas of the whole map, if the points allow it."""
    has_strata = assessment.settings.strata is not None or points.strata is not None
    try:
        sample, outside = _stratified_sample(assessment, file, points, point_values, area_ha)
        estimate, notes = sample.estimate()
    except EvaluateError as error:
        if has_strata:
            raise
        return _MapEstimate(notes=(f"Nothing was estimated for the whole map: {error}",))
    if not has_strata:
        notes.append(
            "Intervals are valid only if the points were drawn at random within each mapped class, "
            "as `geoseg sample` draws them, not if they were chosen by hand"
        )
    return _MapEstimate(sample, estimate, tuple(notes), outside)


def _stratified_sample(
    assessment: Assessment,
    file: VectorLabelFile,
    points: Points,
    point_values: _PointValues,
    area_ha: NDArray[np.float64],
) -> tuple[StratifiedSample, int]:
    """Return the points by stratum, and the number of points outside of the strata."""
    path, values = assessment.settings.strata, assessment.values
    if path is None:
        check_strata(points, point_values.mapped, assessment.labels.legend, assessment.path)
        counts = by_map_class(point_values.counts(values))
        return StratifiedSample(assessment.legend.names, counts, area_ha), 0
    own_legend = as_legend(assessment.settings.strata_legend)
    scene, strata = open_strata(str(path), assessment.labels.legend, own_legend)
    points_on_strata = locate_points(file, scene)
    point_strata, _ = points_on_strata.values(strata.read, scene)
    check_strata(points_on_strata, point_strata, strata.legend, str(path))
    comparison = BlockComparison(scene, strata, None)
    totals, _ = count_all(comparison, assessment.workers, assessment.progress)
    strata_values = np.array(strata.legend.values)
    labelled = point_values.labelled & (point_strata != NODATA)
    indices = (
        np.searchsorted(strata_values, point_strata[labelled]),
        np.searchsorted(values, point_values.mapped[labelled]),
        np.searchsorted(values, point_values.reference[labelled]),
    )
    counts = np.zeros((len(strata_values), len(values), len(values)), np.int64)
    np.add.at(counts, indices, 1)
    sample = StratifiedSample(
        strata.legend.names, counts, totals.area_m2[strata_values] / HECTARE_M2
    )
    return sample, int((point_values.labelled & (point_strata == NODATA)).sum())


def _hits_by_confidence(
    assessment: Assessment, points: Points, point_values: _PointValues
) -> NDArray[np.int64]:
    """Return the wrong and correct points (2, 256) by value of the confidence."""
    confidence, labelled = open_confidence(assessment), point_values.labelled
    if confidence is None:
        return np.zeros((2, VALUES), np.int64)
    at_points = values_at(
        lambda window: read_window(confidence, window)[0][0],
        points.rows[labelled], points.cols[labelled],
    )  # fmt: skip
    correct = (point_values.mapped == point_values.reference)[labelled].astype(np.uint8)
    hits = count_pairs(correct, at_points)[:2]
    hits[:, 0] = 0  # nodata
    return hits
