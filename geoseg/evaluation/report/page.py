"""The report as one HTML page that needs no network, no script and no other file."""

import math
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from geoseg.errors import count_of
from geoseg.evaluation.report.evaluation_report import EvaluationReport
from geoseg.evaluation.report.pictures import build_pictures, cut_to_reference, difference_color
from geoseg.metrics import Z95, Reliability, accuracy

_NOT_A_NUMBER = Markup('<span class="none" title="not a number">&ndash;</span>')
_CORRECT, _WRONG = (23, 105, 137), (190, 65, 40)
"""Colours of a cell of the matrix that has all of its row, on and off the diagonal."""
_DARK = 0.55
"""Strength of a colour from which its text is white."""
_DIAGRAM_SIDE = 280
"""Side of the reliability diagram (px)."""
_COUNTS_HEIGHT = 44
"""Height of the largest bar of counts below the reliability diagram (px)."""


def render_page(report: EvaluationReport) -> str:
    """Return the report as HTML."""
    folder = files("geoseg.evaluation.report")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "percent": _percent, "decimal": _decimal, "whole": "{:,}".format, "hectares": _hectares,
        "hex": _hex_color, "sentence": _sentence, "value": _value_text, "count_of": count_of,
    }  # fmt: skip
    environment.tests["finite"] = lambda value: value is not None and math.isfinite(value)
    template = environment.from_string((folder / "report.html.j2").read_text(encoding="utf-8"))
    thumbnails = report.thumbnails
    cut = None if thumbnails is None else cut_to_reference(thumbnails)
    return template.render(
        report=report,
        accuracy=accuracy,
        css=Markup((folder / "page.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
        summary=list(_summary(report)),
        pictures=[] if cut is None else list(build_pictures(cut, report.legend)),
        is_cut=cut is not thumbnails,
        difference_color=difference_color(report.legend),
        scores=_scores(report),
        z95=Z95,
        areas=_area_bars(report),
        cells=_matrix_cells(report.counts),
        disagreement=accuracy.disagreement(report.matrix),
        bars=[] if report.reliability is None else list(_reliability_bars(report.reliability)),
        side=_DIAGRAM_SIDE,
        facts=list(_facts(report.provenance)),
    )


def _decimal(value: float, digits: int = 3) -> str:
    return f"{value:,.{digits}f}" if math.isfinite(value) else _NOT_A_NUMBER


def _percent(share: float, digits: int = 1) -> str:
    return _decimal(100 * share, digits)


def _hectares(area: float) -> str:
    """Return hectares with three significant digits, or as a whole number."""
    return _decimal(area, 0 if abs(area) >= 100 else 1 if abs(area) >= 10 else 2)


def _hex_color(color: Sequence[int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:]}.".replace("`", "")


def _value_text(value: Any) -> str:  # noqa: ANN401 - plain data
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


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
        share = _percent(accuracy.overall_accuracy(report.counts))
        yield (
            f"Map and reference have the same class in {share} % of the {total} with a class in "
            "both."
        )
    else:
        half_width = Z95 * estimate.overall_accuracy_se
        interval = ""
        if math.isfinite(half_width):
            interval = f" (± {_percent(half_width)} percentage points)"
        yield (
            f"{_percent(estimate.overall_accuracy)} %{interval} of the area of the map is correct, "
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
        users = _percent(accuracy.users_accuracy(matrix)[weakest], 0)
        producers = _percent(accuracy.producers_accuracy(matrix)[weakest], 0)
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


def _matrix_cells(counts: NDArray[np.int64]) -> list[list[dict[str, Any]]]:
    """Return share, count, CSS class and colour of each cell of the matrix."""
    shares = accuracy.ratio(counts, counts.sum(1, keepdims=True))
    indices = range(len(counts))
    return [
        [_matrix_cell(int(counts[i, j]), float(shares[i, j]), diagonal=i == j) for j in indices]
        for i in indices
    ]


def _matrix_cell(count: int, share: float, *, diagonal: bool) -> dict[str, Any]:
    if not math.isfinite(share):
        return {"share": share}
    strength = share if diagonal else min(1.0, 1.6 * share)
    hue = _CORRECT if diagonal else _WRONG
    color = _hex_color([round(255 + (c - 255) * strength) for c in hue])
    kind = "hit" if diagonal else "miss" if count else "zero"
    if strength > _DARK:
        kind += " dark"
    return {"share": share, "count": count, "kind": kind, "color": color}


def _reliability_bars(reliability: Reliability) -> Iterator[dict[str, Any]]:
    """Yield the bars of the reliability diagram: numbers, and positions (px)."""
    step = _DIAGRAM_SIDE / len(reliability.counts)
    largest = max(int(reliability.counts.max()), 1)
    columns = zip(reliability.counts, reliability.accuracy, reliability.confidence, strict=True)
    for index, (count, correct, confidence) in enumerate(columns):
        yield {
            "x": index * step + 1, "width": step - 2, "count": count,
            "count_height": _COUNTS_HEIGHT * count / largest,
            "correct": float(correct), "confidence": float(confidence),
        }  # fmt: skip


def _facts(provenance: Mapping[str, Any]) -> Iterator[tuple[str, str, list[tuple[str, Any]]]]:
    """Yield the provenance as a term, a path, and named values."""
    for term, value in provenance.items():
        if not isinstance(value, Mapping):
            yield term, "", [("", value)]
            continue
        named = {k: v for k, v in value.items() if v not in (None, "")}
        path = named.pop("path", "")
        if path:
            file_facts = [(k, named.pop(k)) for k in ("bytes", "modified") if k in named]
            yield term, path, file_facts
            term = ""
        if named:
            yield term, "", list(named.items())
