"""The charts of the page, in HTML and SVG: no script, no font, no file beside them."""

import numpy as np

from geoseg.evaluation.report.format import (
    area_text,
    class_label,
    decimal,
    interval,
    is_number,
    percent,
    whole,
)
from geoseg.evaluation.report.results import AssessmentResult
from geoseg.metrics import Z95, Reliability
from geoseg.metrics import accuracy as agreement

_SIDE, _LEFT, _TOP, _BELOW = 280, 44, 12, 70
"""Of the reliability diagram (px): its square, the axis beside it, the room above and below."""


def area_chart(findings: AssessmentResult) -> str:
    """Mapped and estimated area of each class, with intervals; or its share on both sides."""
    found, hectares = findings.estimate, findings.hectares
    if found is None or hectares is None:
        return _area_shares(findings)
    within = Z95 * found.area_se
    most = float(np.nanmax(np.concatenate([hectares, found.area + np.nan_to_num(within)])))
    rows = "".join(
        f'<tr><th scope="row">{class_label(c)}</th><td class="wide"><div class="pair">'
        f"{_bar(found.area[i], within[i], most, c.color)}{_whisker(hectares[i], most)}</div></td>"
        f'<td class="num" data-label="estimated">'
        f"{interval(area_text(found.area[i]), area_text(within[i]))}"
        f'</td><td class="num" data-label="mapped">{area_text(hectares[i])}</td></tr>'
        for i, c in enumerate(findings.legend.classes)
    )
    return _area_table(rows, "Estimated, ha", "Mapped, ha")


def _area_shares(findings: AssessmentResult) -> str:
    counts = findings.counts
    mapped, target = (agreement.ratio(counts.sum(axis), counts.sum()) for axis in (1, 0))
    most = float(max(mapped.max(), target.max()))
    rows = "".join(
        f'<tr><th scope="row">{class_label(c)}</th><td class="wide"><div class="pair">'
        f"{_bar(target[i], np.nan, most, c.color)}{_whisker(mapped[i], most)}</div></td>"
        f'<td class="num" data-label="reference">{percent(target[i])}</td>'
        f'<td class="num" data-label="mapped">{percent(mapped[i])}</td></tr>'
        for i, c in enumerate(findings.legend.classes)
    )
    return _area_table(rows, "Reference, %", "Mapped, %")


def _area_table(rows: str, first: str, second: str) -> str:
    return (
        f'<table class="areas"><thead><tr><th scope="col">Class</th><th></th>'
        f'<th scope="col" class="num">{first}</th><th scope="col" class="num">{second}</th></tr>'
        f"</thead><tbody>{rows}</tbody></table>"
    )


def _bar(value: float, within: float, most: float, color: str) -> str:
    whisker = ""
    if is_number(within):
        low, high = max(0.0, value - within), value + within
        place = f"left:{low / most:.2%};width:{(high - low) / most:.2%}"
        whisker = f'<i class="whisker" style="{place}"></i>'
    bar = f'<i class="bar" style="width:{value / most:.2%};background:{color}"></i>'
    return f'<div class="track">{bar}{whisker}</div>'


def _whisker(value: float, most: float) -> str:
    return f'<div class="track thin"><i class="bar" style="width:{value / most:.2%}"></i></div>'


def disagreement_chart(findings: AssessmentResult) -> str:
    """One bar: the correct share, and the kinds of disagreement."""
    found = agreement.disagreement(findings.matrix)
    parts = (
        ("right", agreement.overall_accuracy(findings.matrix), "correct"),
        ("quantity", found.quantity, "quantity: classes too large or too small"),
        ("exchange", found.exchange, "exchange: two classes for each other"),
        ("shift", found.shift, "shift: among three or more classes"),
    )
    bar = "".join(f'<i class="{kind}" style="width:{share:.3%}"></i>' for kind, share, _ in parts)
    key = "".join(
        f'<li><i class="swatch {kind}"></i><b>{percent(share)} %</b> {words}</li>'
        for kind, share, words in parts
    )
    return f'<div class="stack">{bar}</div><ul class="key">{key}</ul>'


def calibration_chart(found: Reliability) -> str:
    """Share that is right by confidence, against the diagonal, and how many there are."""
    bins, step = len(found.counts), _SIDE / len(found.counts)
    most = max(int(found.counts.max()), 1)
    columns = []
    for number in range(bins):
        x, right, said = (
            _LEFT + number * step, found.accuracy[number], found.confidence[number],
        )  # fmt: skip
        tall = 44 * found.counts[number] / most
        columns.append(
            f'<rect class="many" x="{x + 1:.1f}" width="{step - 2:.1f}" '
            f'y="{_TOP + _SIDE + 60 - tall:.1f}" height="{tall:.1f}"/>'
        )
        if is_number(right):
            low, high = sorted((float(right), float(said)))
            title = (
                f"<title>{whole(found.counts[number])} with a confidence of {percent(said)} %: "
                f"{percent(right)} % correct</title>"
            )
            columns.append(
                f'<g>{title}<rect class="right" x="{x + 1:.1f}" width="{step - 2:.1f}" '
                f'y="{_TOP + _SIDE * (1 - right):.1f}" height="{_SIDE * right:.1f}"/>'
                f'<rect class="gap" x="{x + 1:.1f}" width="{step - 2:.1f}" '
                f'y="{_TOP + _SIDE * (1 - high):.1f}" height="{_SIDE * (high - low):.1f}"/></g>'
            )
    ticks = "".join(
        f'<line class="grid" x1="{_LEFT}" x2="{_LEFT + _SIDE}" y1="{y}" y2="{y}"/>'
        f'<text x="{_LEFT - 7}" y="{y + 4}" text-anchor="end">{share}</text>'
        f'<text x="{_LEFT + _SIDE * share / 100}" y="{_TOP + _SIDE + 84}" '
        f'text-anchor="middle">{share}</text>'
        for share in (0, 25, 50, 75, 100)
        for y in (_TOP + round(_SIDE * (1 - share / 100)),)
    )
    width, height = _LEFT + _SIDE + 14, _TOP + _SIDE + _BELOW + 32
    ideal = f"M{_LEFT} {_TOP + _SIDE}L{_LEFT + _SIDE} {_TOP}"
    middle = _LEFT + _SIDE / 2
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f"""<figure class="reliability"><svg {size} role="img"
aria-label="Reliability diagram, expected calibration error {decimal(found.expected_error)}">
{ticks}{"".join(columns)}<path class="ideal" d="{ideal}"/>
<text x="{middle}" y="{height - 2}" text-anchor="middle">confidence, %</text>
<text transform="translate(11 {_TOP + _SIDE / 2}) rotate(-90)" text-anchor="middle">correct,
%</text>
</svg></figure>"""
