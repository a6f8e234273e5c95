"""Points as the reference: a sample from which accuracy and areas of the map are estimated."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import EvaluateError, count_of
from geoseg.evaluation.assessment import (
    HECTARE_M2,
    NO_CONFIDENCE_NOTE,
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
from geoseg.evaluation.window_counts import ComparisonCounts, WindowComparison, count_all
from geoseg.grid import Window
from geoseg.labels import (
    IgnoreSpec,
    RasterLabels,
    VectorLabelFile,
    on_grid,
    recode_labels,
    recode_table,
)
from geoseg.legend import NODATA, as_legend
from geoseg.metrics import VALUES, Estimate, count_pairs
from geoseg.metrics.accuracy import ratio
from geoseg.raster import read_window

_UNKNOWN_DESIGN_NOTE = (
    "Intervals are valid only if the points were drawn at random within each mapped class, as "
    "`geoseg sample` draws them, not if they were chosen by hand"
)


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


@dataclass(frozen=True, slots=True, eq=False)
class _Strata:
    """The strata from which the points were drawn, where the map has a class."""

    names: tuple[str, ...]
    area_ha: NDArray[np.float64]
    """(strata,)."""
    of_points: NDArray[np.int64]
    """(n,) index of the stratum of each point, -1 for none."""
    notes: tuple[str, ...]
    is_given: bool
    """Whether the file of the points or the settings name the strata."""


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
    if settings.boundary is not None:
        raise EvaluateError(
            f"reference {assessment.reference} has points, which have no boundary IoU, leave the "
            "distance out (--boundary)"
        )
    points = locate_points(file, scene)
    recoded = recode_labels(
        file.on_grid_of(scene), labels.legend, assessment.reference, settings.ignore
    )
    mapped = points.pixels.values(labels.read)
    reference = recode_table(recoded)[points.classes]
    sampled = _SampledPoints(assessment, file, points, mapped, reference)
    if not sampled.labelled.any():
        raise no_overlap_error(assessment)
    raster = (
        None
        if settings.strata is None
        else open_strata(str(settings.strata), labels.legend, as_legend(settings.strata_legend))
    )
    on_map = None if raster is None else replace(raster, raster=on_grid(raster.raster, scene))
    comparison = WindowComparison(scene, labels, on_map, measures_pairs=raster is not None)
    totals, thumbnails = count_all(comparison, assessment.workers, assessment.progress)
    area_ha = totals.area_m2[assessment.values] / HECTARE_M2
    strata = (
        _strata_of_map(sampled, area_ha)
        if raster is None
        else _strata_of_raster(sampled, raster, totals)
    )
    sample, estimate, notes = _estimate(sampled, strata)
    reliability = reliability_of(_hits_by_confidence(sampled, strata, sample))
    if settings.confidence is not None and reliability is None:
        notes.append(NO_CONFIDENCE_NOTE)
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
            "outside of the strata": int((sampled.labelled & (strata.of_points < 0)).sum()),
        },
        sample=sample,
        estimate=estimate,
        reliability=reliability,
        notes=tuple(notes),
        thumbnails=Thumbnails(thumbnails[0], None, image, markers),
        provenance=provenance_of(assessment),
    )


def _strata_of_map(sampled: _SampledPoints, area_ha: NDArray[np.float64]) -> _Strata:
    """Return the classes of the map as strata; ``area_ha`` (classes,) are their areas."""
    assessment, legend = sampled.assessment, sampled.assessment.labels.legend
    ignored = IgnoreSpec.parse(assessment.settings.ignore).values_in(legend)
    is_named = check_strata(sampled.points, sampled.mapped, legend, assessment.path, ignored)
    of_points = np.searchsorted(assessment.values, sampled.mapped)
    of_points = np.where(sampled.mapped == NODATA, -1, of_points)
    notes = () if is_named else (_UNKNOWN_DESIGN_NOTE,)
    return _Strata(assessment.legend.names, area_ha, of_points, notes, is_named)


def _strata_of_raster(
    sampled: _SampledPoints, raster: RasterLabels, totals: ComparisonCounts
) -> _Strata:
    """Return the strata of a raster where the map has a class.

    Args:
        sampled: the points.
        raster: the strata, on their own grid.
        totals: areas of the pairs of classes of the map and strata.
    """
    path = raster.raster.path
    points = locate_points(sampled.file, raster.raster)
    values = points.pixels.values(raster.read)
    check_strata(points, values, raster.legend, path)
    strata_values = np.array(raster.legend.values)
    of_points = np.where(values == NODATA, -1, np.searchsorted(strata_values, values))
    areas_m2 = totals.pair_area_m2[sampled.assessment.values]
    covered, total = areas_m2[:, strata_values].sum(), areas_m2.sum()
    notes: tuple[str, ...] = ()
    if covered < total:
        notes = (
            f"The strata cover {covered / total:.1%} of the map: accuracy and areas are estimated "
            "for this part",
        )
    area_ha = areas_m2[:, strata_values].sum(0) / HECTARE_M2
    return _Strata(raster.legend.names, area_ha, of_points, notes, is_given=True)


def _estimate(
    sampled: _SampledPoints, strata: _Strata
) -> tuple[StratifiedSample | None, Estimate | None, list[str]]:
    """Return the sample, the estimates and notes; None and None where nothing can be estimated."""
    values, kept = sampled.assessment.values, sampled.labelled & (strata.of_points >= 0)
    indices = (
        strata.of_points[kept],
        np.searchsorted(values, sampled.mapped[kept]),
        np.searchsorted(values, sampled.reference[kept]),
    )
    counts = np.zeros((len(strata.names), len(values), len(values)), np.int64)
    np.add.at(counts, indices, 1)
    try:
        sample = StratifiedSample(strata.names, counts, strata.area_ha)
        estimate, notes = sample.estimate()
    except EvaluateError as error:
        if strata.is_given:
            raise
        return None, None, [f"Nothing was estimated for the whole map: {error}"]
    pixels = np.stack([sampled.points.pixels.rows, sampled.points.pixels.cols])[:, kept]
    repeated = kept.sum() - np.unique(pixels, axis=1).shape[1]
    if repeated:
        notes.append(
            f"{count_of(int(repeated), 'point')} in the pixel of another point: if points are in "
            "the file twice, intervals are too narrow, remove them"
        )
    return sample, estimate, [*notes, *strata.notes]


def _hits_by_confidence(
    sampled: _SampledPoints, strata: _Strata, sample: StratifiedSample | None
) -> NDArray[np.float64]:
    """Return the wrong and correct points (2, 256) by value of the confidence.

    Each point counts as the area (ha) for which it stands, or as 1 without a sample.
    """
    hits = np.zeros((2, VALUES))
    confidence = open_confidence(sampled.assessment)
    if confidence is None:
        return hits

    def read(window: Window) -> NDArray[np.uint8]:
        pixels, valid = read_window(confidence, window)
        return np.where(valid, pixels[0], 0).astype(np.uint8)

    values = sampled.points.pixels.values(read)
    kept = sampled.labelled & (strata.of_points >= 0) & (values > 0) & sampled.points.pixels.inside
    correct = (sampled.mapped == sampled.reference)[kept].astype(int)
    weights = np.ones(len(strata.names)) if sample is None else ratio(sample.area_ha, sample.sizes)
    np.add.at(hits, (correct, values[kept]), weights[strata.of_points[kept]])
    return hits
