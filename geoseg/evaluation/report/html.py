"""The report as one page that needs nothing else: no network, no script, no file beside it."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np

from geoseg.errors import count_of
from geoseg.evaluation.report import charts, tables
from geoseg.evaluation.report.figures import build_figures
from geoseg.evaluation.report.format import decimal, is_number, percent, to_html, whole
from geoseg.evaluation.report.results import AssessmentResult
from geoseg.metrics import Z95
from geoseg.metrics import accuracy as agreement

_MATRIX = (
    "Rows are the classes of the map, columns the classes of the reference. Each cell shows its "
    "share of the row in percent and the number of {unit}. The diagonal is correct."
)


def render_page(findings: AssessmentResult) -> str:
    """The report as HTML."""
    css = (files("geoseg.evaluation") / "page.css").read_text(encoding="utf-8")
    sections = [
        _section("Map and reference", "", build_figures(findings)),
        _section(_title(findings), _about_classes(findings), tables.class_table(findings)),
        _section(*_areas(findings)),
        _section(*_matrix(findings)),
        _two_columns(_disagreement_section(findings), _base(findings), _confidence(findings)),
        _section("Sources and settings", "", _fact_list(findings.provenance)),
    ]
    notes = "".join(f'<p class="note">{_sentence(note)}</p>' for note in findings.notes)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<link rel="icon" href="data:,"><title>Accuracy of {to_html(findings.title)}</title>
<style>{css}</style></head><body>
<header><p class="kicker">Accuracy assessment</p><h1>{to_html(findings.title)}</h1>
<p class="lead">{_summary(findings)}</p>{_figures(findings)}{notes}</header>
<main>{"".join(sections)}</main>
<footer>{_methods(findings)}</footer></body></html>
"""


def _sentence(note: str) -> str:
    return to_html(f"{note[0].upper()}{note[1:]}.".replace("`", ""))


def _section(title: str, about: str, body: str) -> str:
    if not body:
        return ""
    words = f'<p class="about">{about}</p>' if about else ""
    return f"<section><h2>{title}</h2>{words}{body}</section>"


def _summary(findings: AssessmentResult) -> str:
    """The result in two sentences."""
    found = findings.estimate
    total = count_of(findings.total, findings.unit.removesuffix("s"))
    if found is None:
        share = percent(agreement.overall_accuracy(findings.counts))
        return (
            f"Map and reference have the same class in {share} % of the {total} "
            f"with a class in both. {_weakest_classes(findings)}"
        ).rstrip()
    within = Z95 * found.overall_accuracy_se
    interval = f" (± {percent(within)} percentage points)" if is_number(within) else ""
    return (
        f"{percent(found.overall_accuracy)} %{interval} of the area of the map is correct, as "
        f"estimated from {total}. {_weakest_classes(findings)}"
    ).rstrip()


def _weakest_classes(findings: AssessmentResult) -> str:
    """The class of the reference with the lowest F1, and the classes that only the map has."""
    matrix = findings.matrix
    reference, only_mapped = agreement.in_reference(matrix), agreement.only_in_map(matrix)
    never_mapped = findings.named(reference & (matrix.sum(1) == 0))
    sentences = []
    if never_mapped:
        several = len(never_mapped) > 1
        sentences.append(
            f"The weakest class{'es are' if several else ' is'} {_listed_names(never_mapped)}: "
            f"{'they were' if several else 'it was'} never mapped where the reference has a class, "
            f"so nothing of {'them' if several else 'it'} was detected."
        )
    elif reference.sum() > 1 and agreement.overall_accuracy(matrix) < 1:
        worst = int(np.nanargmin(np.where(reference, agreement.f1(matrix), np.nan)))
        users = percent(agreement.users_accuracy(matrix)[worst], 0)
        producers = percent(agreement.producers_accuracy(matrix)[worst], 0)
        sentences.append(
            f"The weakest class is {_listed_names([findings.names[worst]])}: {users} % of what is "
            f"mapped as this class is correct, and {producers} % of this class in the reference "
            "was detected."
        )
    if only_mapped.any():
        names = findings.named(only_mapped)
        sentences.append(
            f"{_listed_names(names)} {'are' if len(names) > 1 else 'is'} mapped, but the reference "
            f"has no {findings.unit.removesuffix('s')} of {'them' if len(names) > 1 else 'it'}."
        )
    return " ".join(sentences)


def _listed_names(names: Sequence[str]) -> str:
    return ", ".join(f"<i>{to_html(name)}</i>" for name in names)


def _figures(findings: AssessmentResult) -> str:
    matrix, found = findings.matrix, findings.estimate
    accuracy = percent(agreement.overall_accuracy(matrix)) + "&nbsp;%"
    if found is not None:
        within = percent(Z95 * found.overall_accuracy_se)
        accuracy = f"{percent(found.overall_accuracy)}<small> ± {within}&nbsp;%</small>"
    of = "" if found is None else "<br>of the whole map"
    shown = {
        f"Overall accuracy{of}": accuracy,
        f"Mean IoU{of}": decimal(agreement.mean_iou(matrix)),
        f"Frequency-weighted IoU{of}": decimal(agreement.frequency_weighted_iou(matrix)),
    }
    if findings.boundary is not None:
        shown["Boundary IoU"] = decimal(agreement.reference_mean(findings.boundary, matrix))
    end = "compared" if found is None else "<br>compared"
    shown[f"{findings.unit.capitalize()} {end}"] = _short(findings.total)
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in shown.items())
    return f'<dl class="figures">{cells}</dl>'


def _short(count: int) -> str:
    return f"{count / 1e6:.1f}<small> million</small>" if count >= 10_000_000 else whole(count)


def _matrix(findings: AssessmentResult) -> tuple[str, str, str]:
    about, body = _MATRIX.format(unit=findings.unit), tables.matrix_table(findings)
    if findings.estimate is None:
        return "Error matrix", about, body
    return (
        "Error matrix: counts of samples",
        f"{about} These are counts of samples, not weighted by area. Do not cite their accuracies "
        "as those of the map: cite the accuracies for the whole map above.",
        body,
    )


def _title(findings: AssessmentResult) -> str:
    whole_map = "" if findings.estimate is None else ", for the whole map"
    return f"Accuracy of each class{whole_map}"


def _about_classes(findings: AssessmentResult) -> str:
    classes = len(findings.named(agreement.in_reference(findings.matrix)))
    means = f"Means are over the {count_of(classes, 'class')} of the reference"
    left_out = findings.named(agreement.only_in_map(findings.matrix))
    if left_out:
        listed = to_html(", ".join(left_out))
        several = len(left_out) > 1
        means += f"; left out, as the reference lacks {'them' if several else 'it'}: {listed}"
    if findings.estimate is None:
        return f"Counted over all {findings.unit} with a class in map and reference. {means}."
    return (
        "Estimated from the samples, each weighted by the area that it represents. These are the "
        f"numbers to cite. Whiskers are 95 % confidence intervals. {means}."
    )


def _areas(findings: AssessmentResult) -> tuple[str, str, str]:
    if findings.estimate is None:
        about = (
            f"Share of each class in the compared {findings.unit}: in the reference (thick bar) "
            "and in the map (thin bar)."
        )
        return "Share of each class", about, charts.area_chart(findings)
    about = (
        "Thick bars are the areas estimated from the samples, with 95 % confidence intervals: "
        "these are the numbers to cite. Thin bars are the areas in the map, which are biased: "
        "areas that are wrongly mapped as a class and areas of the class that are missed do not "
        "cancel out."
    )
    return "Area of each class, for the whole map", about, charts.area_chart(findings)


def _two_columns(first: str, second: str, tall: str) -> str:
    """Two sections side by side, or one over the other beside a tall one."""
    left, right = (first + second, tall) if tall else (first, second)
    return f'<div class="two"><div>{left}</div><div>{right}</div></div>'


def _disagreement_section(findings: AssessmentResult) -> str:
    about = (
        f"Kappa is {decimal(agreement.kappa(findings.matrix))}. Kappa does not show whether a "
        "class has the wrong size or is in the wrong place. Quantity disagreement is the share "
        "that is wrong because classes are too large or too small, allocation disagreement "
        "(exchange and shift) the share that is wrong because they are in the wrong place:"
    )
    return _section(
        "Quantity and allocation disagreement", about, charts.disagreement_chart(findings)
    )


def _confidence(findings: AssessmentResult) -> str:
    found = findings.reliability
    if found is None:
        return ""
    about = (
        f"The confidence is calibrated if 90 % of the {findings.unit} with a confidence of 90 % "
        "are correct, and so on: then all bars end on the diagonal. Light red is the difference. "
        f"Expected calibration error (ECE): {percent(found.expected_error)} percentage points; "
        f"largest difference: {percent(found.largest_error)} percentage points. The grey bars "
        f"below show how many {findings.unit} have each confidence."
    )
    return _section("Calibration of the confidence", about, charts.calibration_chart(found))


def _base(findings: AssessmentResult) -> str:
    body = tables.strata_table(findings)
    if findings.left_out:
        body = tables.left_out_table(findings) + (f"<br>{body}" if body else "")
    return _section("What was compared", "", body)


def _fact_list(about: Mapping[str, Any]) -> str:
    """Where map and reference come from, as a list of terms."""
    rows = []
    for what, found in about.items():
        if isinstance(found, Mapping) and "path" in found:
            rows.append((what, f"<b>{to_html(found['path'])}</b>{_file_list(found, _FILE_FIELDS)}"))
            rest = {k: v for k, v in found.items() if k not in ("path", *_FILE_FIELDS)}
            if rest:
                rows.append(("", _file_list(rest, tuple(rest)).removeprefix(", ")))
        elif isinstance(found, Mapping):
            rows.append((what, _file_list(found, tuple(found)).removeprefix(", ")))
        else:
            rows.append((what, to_html(found)))
    return f'<dl class="facts">{"".join(f"<dt>{k}</dt><dd>{v}</dd>" for k, v in rows if v)}</dl>'


_FILE_FIELDS = ("bytes", "modified")


def _file_list(found: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return "".join(
        f", {name.replace('_', ' ')}&nbsp;{to_html(_value_text(found[name]))}"
        for name in names
        if found.get(name) not in (None, "")
    )


def _value_text(value: Any) -> str:  # noqa: ANN401 - plain data
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def _methods(findings: AssessmentResult) -> str:
    sampled = (
        ""
        if findings.estimate is None
        else "<p>Accuracy and areas with 95 % intervals: stratified estimators of Olofsson et al. "
        "(2014, doi:10.1016/j.rse.2014.02.015) and Stehman (2014, "
        "doi:10.1080/01431161.2014.930207), 1.96 standard errors on each side. The error matrix "
        "has counts of samples.</p>"
    )
    bounds = (
        ""
        if findings.boundary is None
        else f"<p>Boundary IoU: Cheng et al. (2021, arXiv:2103.16562), of the pixels within "
        f"{findings.boundary_distance} of an outline. A pixel without a class in the map or in the "
        "reference is not counted and makes no outline; the edge of the map is an outline. "
        "&ndash; means that the reference shows no outline of any class, or that the class has no "
        "compared pixel near an outline.</p>"
    )
    calibration = (
        ""
        if findings.reliability is None
        else "<p>Calibration: Guo et al. (2017, arXiv:1706.04599), "
        f"{len(findings.reliability.counts)} bins of equal width.</p>"
    )
    return (
        f"{sampled}<p>Quantity and allocation disagreement: Pontius and Millones (2011, "
        f"doi:10.1080/01431161.2011.552923).</p>{bounds}{calibration}"
        "<p>All numbers: report.json, report.csv, matrix.csv.</p>"
    )
