"""A reference that covers ground: all pixels are compared that are labelled on both sides."""

import numpy as np

from geoseg.errors import EvaluateError
from geoseg.evaluation.compare import Comparison
from geoseg.evaluation.findings import Findings, Pictures
from geoseg.evaluation.inference import Sample
from geoseg.evaluation.provenance import about, image_of
from geoseg.evaluation.sides import was_warped
from geoseg.evaluation.subject import HECTARE, Subject, reliability, survey
from geoseg.legend import NODATA
from geoseg.metrics import by_map_class
from geoseg.raster import Scene
from geoseg.tiles.labels import Labels

_NEAR = 3
"""Pixels from an outline that boundary IoU looks at, where nothing else is said."""


def compare_pixels(subject: Subject, reference: Labels) -> Findings:
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
    distance, near = _distance(scene, settings.boundary)
    comparison = Comparison(
        scene, subject.labels, reference, subject.confidence, distance, subject.step
    )
    tally, mapped, target = survey(subject, comparison)
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
    hectares = tally.areas[values] / HECTARE
    sample = found = None
    if settings.sampled:
        sample = Sample(subject.legend.names, by_map_class(counts), hectares)
        found, more = sample.estimate()
        notes += more
    return Findings(
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
        reliability=reliability(tally.levels),
        notes=tuple(notes),
        pictures=Pictures(mapped, target, image_of(subject)),
        provenance=about(subject),
    )


def _distance(scene: Scene, metres: float | None) -> tuple[int, str]:
    """How near to an outline boundary IoU looks: pixels, and in words."""
    size = scene.pixel_size
    if metres is not None and size is None:
        raise EvaluateError(
            f"map {scene.path} has no CRS, so {metres:g} m is no number of pixels, assign it with "
            "gdal_edit -a_srs or leave out --boundary"
        )
    distance = _NEAR if metres is None or size is None else max(1, round(metres / size))
    ground = "" if size is None else f", {distance * size:.3g} m"
    return distance, f"{distance} px{ground}"
