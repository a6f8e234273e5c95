"""The report as one HTML page that needs no network, no script and no other file."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from geoseg.errors import count_of
from geoseg.evaluation.report.evaluation_report import EvaluationReport
from geoseg.evaluation.report.html import facts, matrix_cells, percent, render_template
from geoseg.evaluation.report.pictures import build_pictures, cut_to_reference, difference_color
from geoseg.metrics import Z95, Reliability, accuracy

_DIAGRAM_SIDE = 280
"""Side of the reliability diagram (px)."""
_COUNTS_HEIGHT = 44
"""Height of the largest bar of counts below the reliability diagram (px)."""


def render_page(report: EvaluationReport) -> str:
    """Return the report as HTML."""
    thumbnails = report.thumbnails
    cut = None if thumbnails is None else cut_to_reference(thumbnails)
    return render_template(
        "report.html.j2",
        report=report,
        accuracy=accuracy,
        summary=list(_summary(report)),
        pictures=[] if cut is None else list(build_pictures(cut, report.legend)),
        is_cut=cut is not thumbnails,
        difference_color=difference_color(report.legend),
        scores=_scores(report),
        z95=Z95,
        areas=_area_bars(report),
        cells=matrix_cells(report.counts),
        disagreement=accuracy.disagreement(report.matrix),
        bars=[] if report.reliability is None else list(_reliability_bars(report.reliability)),
        side=_DIAGRAM_SIDE,
        facts=list(facts(report.provenance)),
    )


def _scores(report: EvaluationReport) -> dict[str, NDArray[np.float64]]:
    """Return the scores (classes,) without intervals, by their name on the page."""
    scores = {"F1": accuracy.f1(report.matrix), "IoU": accuracy.iou(report.matrix)}
    if report.boundary_iou is not None:
        scores["Boundary IoU"] = report.boundary_iou
    return scores


def _summary(report: EvaluationReport) -> Iterator[str]:
    """Yield the sentences at the top of the page."""
    estimate, counted = report.estimate, report.unit.removesuffix("s")
    total = count_of(report.total, counted)
    if estimate is None:
        share = percent(accuracy.overall_accuracy(report.counts))
        yield (
            f"Map and reference have the same class in {share} % of the {total} with a class in "
            "both."
        )
    else:
        half_width = Z95 * estimate.overall_accuracy_se
        interval = ""
        if math.isfinite(half_width):
            interval = f" (± {percent(half_width)} percentage points)"
        yield (
            f"{percent(estimate.overall_accuracy)} %{interval} of the area of the map is correct, "
            f"as estimated from {total}."
        )
    yield from _weakest_classes(report)
    only_mapped = report.selected_names(accuracy.only_in_map(report.matrix))
    if only_mapped:
        verb, them = ("are", "them") if len(only_mapped) > 1 else ("is", "it")
        yield _italic(only_mapped) + (
            f" {verb} mapped, but the reference has no {counted} of {them}."
        )


def _weakest_classes(report: EvaluationReport) -> Iterator[str]:
    """Yield a sentence on the class of the reference with the lowest F1."""
    matrix = report.matrix
    in_reference = accuracy.in_reference(matrix)
    never_mapped = report.selected_names(in_reference & (matrix.sum(1) == 0))
    if never_mapped:
        several = len(never_mapped) > 1
        yield Markup("The weakest class{} {}: {} never mapped where the reference has a class, so "
            "nothing of {} was detected.").format(
            "es are" if several else " is", _italic(never_mapped),
            "they were" if several else "it was", "them" if several else "it",
        )  # fmt: skip
    elif in_reference.sum() > 1 and accuracy.overall_accuracy(matrix) < 1:
        weakest = int(np.nanargmin(np.where(in_reference, accuracy.f1(matrix), np.nan)))
        users = percent(accuracy.users_accuracy(matrix)[weakest], 0)
        producers = percent(accuracy.producers_accuracy(matrix)[weakest], 0)
        yield Markup(
            "The weakest class is {}: {} % of what is mapped as this class is correct, and {} % of "
            "this class in the reference was detected."
        ).format(_italic([report.names[weakest]]), users, producers)


def _italic(names: Sequence[str]) -> Markup:
    return Markup(", ").join(Markup("<i>{}</i>").format(name) for name in names)


def _area_bars(report: EvaluationReport) -> dict[str, Any]:
    """Return the bars of the area chart.

    Returns:
        Keys thick and thin: (classes,) areas (ha), or shares of the compared pixels if nothing is
        estimated; half_width: (classes,) of the intervals of thick, or None; top: the largest.
    """
    if report.estimate is None or report.area_ha is None:
        thin, thick = (
            accuracy.ratio(report.counts.sum(axis), report.counts.sum()) for axis in (1, 0)
        )
        half_width, ends = None, thick
    else:
        thin, thick = report.area_ha, report.estimate.area
        half_width = Z95 * report.estimate.area_se
        ends = thick + np.nan_to_num(half_width)
    top = float(np.nanmax([thin, ends]))
    return {"thick": thick, "thin": thin, "half_width": half_width, "top": top}


def _reliability_bars(reliability: Reliability) -> Iterator[dict[str, Any]]:
    """Yield the bars of the reliability diagram: numbers, and positions (px)."""
    step = _DIAGRAM_SIDE / len(reliability.counts)
    largest = float(reliability.counts.max())
    columns = zip(reliability.counts, reliability.accuracy, reliability.confidence, strict=True)
    for index, (count, correct, confidence) in enumerate(columns):
        yield {
            "x": index * step + 1, "width": step - 2, "count": count,
            "count_height": _COUNTS_HEIGHT * count / largest,
            "correct": float(correct), "confidence": float(confidence),
        }  # fmt: skip
