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
    provenance_of,
    reliability_of,
)
from geoseg.evaluation.estimation import StratifiedSample
from geoseg.evaluation.points import Points, locate_points
from geoseg.evaluation.report.evaluation_report import EvaluationReport
from geoseg.evaluation.strata import check_strata, open_strata
from geoseg.evaluation.thumbnails import Thumbnails, image_thumbnail
from geoseg.evaluation.window_counts import WindowComparison, count_all
from geoseg.labels import IgnoreSpec, VectorLabelFile, recode_labels, recode_table
from geoseg.legend import NODATA, as_legend
from geoseg.metrics import VALUES, Estimate, by_map_class, count_pairs
from geoseg.raster import read_window


@dataclass(frozen=True, slots=True, eq=False)
class _SampledPoints:
    """Reference points, and their classes in map and reference."""

    assessment: Assessment
    file: VectorLabelFile
    points: Points
    mapped: NDArray[np.uint8]
    """(n,) class value in the map, 255 for none."""
    reference: NDArray[np.uint8]
    """(n,) class value in the reference, 255 if ignored."""

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(n,) True for a point with a class in map and reference."""
        return np.asarray((self.mapped != NODATA) & (self.reference != NODATA))

    @property
    def counts(self) -> NDArray[np.int64]:
        """(classes, classes) points by class of the map and of the reference."""
        pairs = count_pairs(self.mapped[self.labelled], self.reference[self.labelled])
        values = self.assessment.values
        return pairs[np.ix_(values, values)]


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
    scene, labels, settings = assessment.scene, assessment.labels, assessment.settings
    points = locate_points(file, scene)
    recoded = recode_labels(
        file.on_grid_of(scene), labels.legend, assessment.reference, settings.ignore
    )
    mapped = points.pixels.values(labels.read)
    reference = recode_table(recoded)[points.classes]
    sampled = _SampledPoints(assessment, file, points, mapped, reference)
    if not sampled.labelled.any():
        raise no_overlap_error(assessment)
    comparison = WindowComparison(scene, labels)
    totals, thumbnails = count_all(comparison, assessment.workers, assessment.progress)
    area_ha = totals.area_m2[assessment.values] / HECTARE_M2
    sample, estimate, notes, outside_strata = _estimate_map(sampled, area_ha)
    x, y = (points.pixels.cols + 0.5) / scene.width, (points.pixels.rows + 0.5) / scene.height
    markers = np.stack([y, x, mapped, reference], axis=1)[sampled.labelled]
    image = image_thumbnail(settings.image, assessment.path, scene)
    return EvaluationReport(
        title=assessment.title,
        legend=assessment.legend,
        counts=sampled.counts if sample is None else sample.counts.sum(0),
        unit="points",
        area_ha=area_ha,
        left_out={
            "outside of the map": int((~points.pixels.inside).sum()),
            "no class in the map": int((points.pixels.inside & (mapped == NODATA)).sum()),
            "no class in the reference": file.unlabelled
            + int(((mapped != NODATA) & (reference == NODATA)).sum()),
            "outside of the strata": outside_strata,
        },
        sample=sample,
        estimate=estimate,
        reliability=reliability_of(_hits_by_confidence(sampled)),
        notes=tuple(notes),
        thumbnails=Thumbnails(thumbnails[0], None, image, markers),
        provenance=provenance_of(assessment),
    )


def _estimate_map(
    sampled: _SampledPoints, area_ha: NDArray[np.float64]
) -> tuple[StratifiedSample | None, Estimate | None, list[str], int]:
    """Return the sample, the estimates, notes, and the number of points outside of the strata."""
    has_strata = sampled.assessment.settings.strata is not None or sampled.points.strata is not None
    try:
        sample, outside = _stratified_sample(sampled, area_ha)
        estimate, notes = sample.estimate()
    except EvaluateError as error:
        if has_strata:
            raise
        return None, None, [f"Nothing was estimated for the whole map: {error}"], 0
    if not has_strata:
        notes.append(
            "Intervals are valid only if the points were drawn at random within each mapped class, "
            "as `geoseg sample` draws them, not if they were chosen by hand"
        )
    return sample, estimate, notes, outside


def _stratified_sample(
    sampled: _SampledPoints, area_ha: NDArray[np.float64]
) -> tuple[StratifiedSample, int]:
    """Return the points by stratum, and the number of points outside of the strata."""
    assessment, labels = sampled.assessment, sampled.assessment.labels
    path, values = assessment.settings.strata, assessment.values
    if path is None:
        ignored = IgnoreSpec.parse(assessment.settings.ignore).values_in(labels.legend)
        check_strata(sampled.points, sampled.mapped, labels.legend, assessment.path, ignored)
        counts = by_map_class(sampled.counts)
        return StratifiedSample(assessment.legend.names, counts, area_ha), 0
    own_legend = as_legend(assessment.settings.strata_legend)
    scene, strata = open_strata(str(path), labels.legend, own_legend)
    points = locate_points(sampled.file, scene)
    point_strata = points.pixels.values(strata.read)
    check_strata(points, point_strata, strata.legend, str(path))
    comparison = WindowComparison(scene, strata)
    totals, _ = count_all(comparison, assessment.workers, assessment.progress)
    strata_values = np.array(strata.legend.values)
    labelled = sampled.labelled & (point_strata != NODATA)
    indices = (
        np.searchsorted(strata_values, point_strata[labelled]),
        np.searchsorted(values, sampled.mapped[labelled]),
        np.searchsorted(values, sampled.reference[labelled]),
    )
    counts = np.zeros((len(strata_values), len(values), len(values)), np.int64)
    np.add.at(counts, indices, 1)
    strata_ha = totals.area_m2[strata_values] / HECTARE_M2
    outside = sampled.labelled & (point_strata == NODATA)
    return StratifiedSample(strata.legend.names, counts, strata_ha), int(outside.sum())


def _hits_by_confidence(sampled: _SampledPoints) -> NDArray[np.int64]:
    """Return the wrong and correct points (2, 256) by value of the confidence."""
    confidence, labelled = open_confidence(sampled.assessment), sampled.labelled
    if confidence is None:
        return np.zeros((2, VALUES), np.int64)
    values = sampled.points.pixels.values(lambda window: read_window(confidence, window)[0][0])
    correct = (sampled.mapped == sampled.reference).astype(np.uint8)
    hits = count_pairs(correct[labelled], values[labelled])[:2]
    hits[:, 0] = 0  # nodata
    return hits
