"""A raster or polygons as the reference: all pixels labelled in both are compared."""

import numpy as np

from geoseg.errors import EvaluateError
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
from geoseg.evaluation.report.evaluation_report import EvaluationReport
from geoseg.evaluation.thumbnails import Thumbnails, image_thumbnail
from geoseg.evaluation.window_counts import WindowComparison, count_all
from geoseg.labels import LabelSource, was_warped
from geoseg.legend import NODATA
from geoseg.metrics import by_map_class
from geoseg.raster import Scene

_DEFAULT_DISTANCE = 3
"""Distance to an outline within which boundary IoU counts pixels (px)."""


def assess_pixels(assessment: Assessment, reference: LabelSource) -> EvaluationReport:
    """Compare map and reference pixel by pixel.

    Args:
        assessment: the map, and how to compare.
        reference: on the grid of the map, in the values of its legend.

    Raises:
        EvaluateError: if no pixel is labelled in both, or the settings do not fit.
        LabelError: if map or reference has a class that its legend does not name.
        SceneError: if a raster cannot be read.
    """
    settings, scene, values = assessment.settings, assessment.scene, assessment.values
    if settings.strata is not None:
        raise EvaluateError(
            f"strata are for points, and reference {assessment.reference} has none, leave the "
            "strata out (--strata)"
        )
    distance, distance_text = _boundary_distance(scene, settings.boundary)
    comparison = WindowComparison(
        scene, assessment.labels, reference, open_confidence(assessment), distance
    )
    totals, thumbnails = count_all(comparison, assessment.workers, assessment.progress)
    pairs = totals.pairs
    counts = pairs[np.ix_(values, values)]
    if not counts.sum():
        raise no_overlap_error(assessment)
    notes = []
    if was_warped(reference):
        notes.append(
            "The reference is on another grid than the map: each pixel of the map was compared "
            "with the nearest pixel of the reference"
        )
    reliability = reliability_of(totals.hits_by_confidence)
    if settings.confidence is not None and reliability is None:
        notes.append(NO_CONFIDENCE_NOTE)
    area_ha = totals.area_m2[values] / HECTARE_M2
    sample = estimate = None
    if settings.sampled:
        sample = StratifiedSample(assessment.legend.names, by_map_class(counts), area_ha)
        estimate, limits = sample.estimate()
        notes += limits
    image = image_thumbnail(settings.image, assessment.path, scene)
    return EvaluationReport(
        title=assessment.title,
        legend=assessment.legend,
        counts=counts,
        unit="pixels",
        area_ha=area_ha,
        left_out={
            "no class in the map": int(pairs[NODATA, :NODATA].sum()),
            "no class in the reference": int(pairs[:NODATA, NODATA].sum()),
            "no class in either": int(pairs[NODATA, NODATA]),
        },
        boundary_iou=totals.boundary.iou[values],
        boundary_distance=distance_text,
        sample=sample,
        estimate=estimate,
        reliability=reliability,
        notes=tuple(notes),
        thumbnails=Thumbnails(thumbnails[0], thumbnails[1], image),
        provenance=provenance_of(assessment),
    )


def _boundary_distance(scene: Scene, metres: float | None) -> tuple[int, str]:
    """Return the distance for boundary IoU in pixels, and as a text in pixels and metres."""
    size, distance = scene.pixel_size, _DEFAULT_DISTANCE
    if metres is not None:
        if size is None:
            raise EvaluateError(
                f"map {scene.path} has no CRS, so {metres:g} m cannot be converted to pixels, "
                "assign it with gdal_edit -a_srs or leave out --boundary"
            )
        distance = max(1, round(metres / size))
    in_metres = "" if size is None else f", {distance * size:.3g} m"
    return distance, f"{distance} px{in_metres}"
