"""A reference that covers ground: all pixels are compared that are labelled on both sides."""

import numpy as np

from geoseg.errors import EvaluateError
from geoseg.evaluation.assessment import HECTARE_M2, Assessment, count_all, reliability_of
from geoseg.evaluation.block_counts import BlockComparison
from geoseg.evaluation.estimation import StratifiedSample
from geoseg.evaluation.provenance import provenance_of, thumbnail_of
from geoseg.evaluation.report.results import AssessmentResult, Thumbnails
from geoseg.labels import LabelSource, was_warped
from geoseg.legend import NODATA
from geoseg.metrics import by_map_class
from geoseg.raster import Scene

_MIN_DISTANCE = 3
"""Pixels from an outline that boundary IoU looks at, where nothing else is said."""


def assess_pixels(subject: Assessment, reference: LabelSource) -> AssessmentResult:
    """Compare pixel by pixel.

    Args:
        subject: the map, and how to compare.
        reference: on the map's grid, in the values of its legend.

    Raises:
        EvaluateError: if nothing is labelled on both sides, or the settings do not fit.
        LabelError: if a side has a class that its legend does not name.
        SceneError: if a raster cannot be read.
    """
    settings, scene, values = subject.settings, subject.scene, subject.values
    if settings.strata is not None:
        raise EvaluateError(
            f"strata are for points, and reference {subject.reference} has none, leave the strata "
            "out (--strata)"
        )
    distance, near = _boundary_distance(scene, settings.boundary)
    comparison = BlockComparison(
        scene, subject.labels, reference, subject.confidence, distance, subject.step
    )
    tally, mapped, target = count_all(subject, comparison)
    pairs = tally.pairs
    counts = pairs[np.ix_(values, values)]
    if not counts.sum():
        raise subject.nothing_shared
    notes = []
    if was_warped(reference):
        notes.append(
            "The reference is on another grid than the map: each pixel of the map was compared "
            "with the nearest pixel of the reference"
        )
    hectares = tally.areas[values] / HECTARE_M2
    sample = found = None
    if settings.sampled:
        sample = StratifiedSample(subject.legend.names, by_map_class(counts), hectares)
        found, more = sample.estimate()
        notes += more
    return AssessmentResult(
        title=subject.title,
        legend=subject.legend,
        counts=counts,
        unit="pixels",
        hectares=hectares,
        left_out={
            "no class in the map": int(pairs[NODATA, :NODATA].sum()),
            "no class in the reference": int(pairs[:NODATA, NODATA].sum()),
            "no class in either": int(pairs[NODATA, NODATA]),
        },
        boundary=tally.boundary.iou[values],
        boundary_distance=near,
        sample=sample,
        estimate=found,
        reliability=reliability_of(tally.levels),
        notes=tuple(notes),
        pictures=Thumbnails(mapped, target, thumbnail_of(subject)),
        provenance=provenance_of(subject),
    )


def _boundary_distance(scene: Scene, metres: float | None) -> tuple[int, str]:
    """How near to an outline boundary IoU looks: pixels, and in words."""
    size = scene.pixel_size
    if metres is not None and size is None:
        raise EvaluateError(
            f"map {scene.path} has no CRS, so {metres:g} m is no number of pixels, assign it with "
            "gdal_edit -a_srs or leave out --boundary"
        )
    distance = _MIN_DISTANCE if metres is None or size is None else max(1, round(metres / size))
    ground = "" if size is None else f", {distance * size:.3g} m"
    return distance, f"{distance} px{ground}"
