"""The tables of the page: the error matrix as a heat map, and the classes one by one."""

import numpy as np
from numpy.typing import NDArray

from geoseg.evaluation.report.format import (
    NONE,
    class_label,
    color_swatch,
    decimal,
    interval,
    is_number,
    percent,
    to_html,
    whole,
)
from geoseg.evaluation.report.results import AssessmentResult
from geoseg.legend import LandCoverClass
from geoseg.metrics import Z95
from geoseg.metrics import accuracy as agreement

_RIGHT, _WRONG = (23, 105, 137), (190, 65, 40)
"""Colours of a cell that holds all of its row, on and off the diagonal."""
_MANY_CLASSES = 8
"""Classes that fit a narrow screen by name."""


def matrix_table(findings: AssessmentResult) -> str:
    """The error matrix: in each cell the share of its row, and the count."""
    counts, classes = findings.counts, findings.legend.classes
    shares = agreement.ratio(counts, counts.sum(1, keepdims=True))
    head = "".join(f'<th scope="col">{_vertical_header(c)}</th>' for c in classes)
    body = "".join(
        f'<tr><th scope="row">{class_label(c)}</th>'
        + "".join(_cell(counts[i, j], shares[i, j], right=i == j) for j in range(len(classes)))
        + f'<td class="sum">{whole(counts[i].sum())}</td>'
        f'<td class="acc">{percent(shares[i, i])}</td></tr>'
        for i, c in enumerate(classes)
    )
    sums = "".join(f'<td class="sum">{whole(n)}</td>' for n in counts.sum(0))
    found = "".join(
        f'<td class="acc">{percent(p)}</td>' for p in agreement.producers_accuracy(counts)
    )
    overall = percent(agreement.overall_accuracy(counts))
    many = " many" if len(classes) > _MANY_CLASSES else ""
    of, emphasis = ("", " all") if findings.estimate is None else (" of samples,", "")
    return f"""<div class="scroll"><table class="matrix{many}">
<thead><tr><th class="corner"><span>map ↓ reference →</span></th>{head}
<th scope="col" class="sum">mapped</th>
<th scope="col" class="acc">user&rsquo;s acc.{of}&nbsp;%</th></tr></thead>
<tbody>{body}</tbody>
<tfoot><tr class="sums"><th scope="row" class="sum">in the reference</th>{sums}
<td class="sum">{whole(findings.total)}</td><td></td></tr>
<tr><th scope="row" class="acc">producer&rsquo;s acc.{of}&nbsp;%</th>{found}<td class="sum"></td>
<td class="acc{emphasis}">{overall}</td></tr></tfoot></table></div>"""


def class_table(findings: AssessmentResult) -> str:
    """A row a class: user's and producer's accuracy as bars, with intervals where there are any."""
    found, matrix = findings.estimate, findings.matrix
    users, producers = agreement.users_accuracy(matrix), agreement.producers_accuracy(matrix)
    nothing = np.full(len(matrix), np.nan)
    errors = (
        (nothing, nothing)
        if found is None
        else (Z95 * found.users_accuracy_se, Z95 * found.producers_accuracy_se)
    )
    plain = {"F1": agreement.f1(matrix), "IoU": agreement.iou(matrix)}
    if findings.boundary is not None:
        plain["Boundary IoU"] = findings.boundary
    rows = "".join(
        f'<tr><th scope="row">{class_label(c)}</th>'
        + _bar("User&rsquo;s accuracy", c, users[i], errors[0][i], sampled=found is not None)
        + _bar(
            "Producer&rsquo;s accuracy", c, producers[i], errors[1][i], sampled=found is not None
        )
        + "".join(
            f'<td class="num" data-label="{name}">{decimal(values[i])}</td>'
            for name, values in plain.items()
        )
        + "</tr>"
        for i, c in enumerate(findings.legend.classes)
    )
    means = "".join(
        f'<td class="num" data-label="{name}">'
        f"{decimal(agreement.reference_mean(values, matrix))}</td>"
        for name, values in plain.items()
    )
    heads = "".join(f'<th scope="col" class="num">{name}</th>' for name in plain)
    return f"""<table class="classes">
<thead><tr><th scope="col">Class</th>
<th scope="col">User&rsquo;s accuracy&nbsp;%
<small>correct share of what is mapped as this class</small></th>
<th scope="col">Producer&rsquo;s accuracy&nbsp;%
<small>detected share of this class in the reference</small></th>
{heads}</tr></thead>
<tbody>{rows}</tbody>
<tfoot><tr><th scope="row">Mean</th>
<td class="wide"></td><td class="wide"></td>{means}</tr></tfoot>
</table>"""


def _vertical_header(c: LandCoverClass) -> str:
    return f'<span class="up">{color_swatch(c)}<span class="name">{to_html(c.name)}</span></span>'


def _cell(count: int, share: float, *, right: bool) -> str:
    if not is_number(share):
        return f"<td>{NONE}</td>"
    strength = share if right else min(1.0, 1.6 * share)
    color = _mix_with_white(_RIGHT if right else _WRONG, strength)
    dark = " dark" if strength > 0.55 else ""
    kind = "hit" if right else "miss" if count else "zero"
    shown = percent(share) if count else "0"
    return (
        f'<td class="{kind}{dark}" style="background:{color}"><b>{shown}</b>'
        f"<small>{whole(count)}</small></td>"
    )


def _mix_with_white(color: tuple[int, int, int], strength: float) -> str:
    """A colour thinned with white."""
    parts = (round(255 + (c - 255) * strength) for c in color)
    return "#{:02x}{:02x}{:02x}".format(*parts)


def _bar(label: str, c: LandCoverClass, value: float, within: float, *, sampled: bool) -> str:
    """A share as a bar from 0 to 100 %, a whisker for its interval, and the number."""
    head = f'<td class="wide" data-label="{label}"><div class="measure">'
    if not is_number(value):
        return f'{head}<div class="track"></div>{NONE}</div></td>'
    whisker, number = "", percent(value)
    if sampled:
        number = interval(number, percent(within))
    if is_number(within):
        low, high = max(0.0, value - within), min(1.0, value + within)
        whisker = f'<i class="whisker" style="left:{low:.2%};width:{high - low:.2%}"></i>'
    bar = f'<i class="bar" style="width:{value:.2%};background:{c.color}"></i>'
    return f'{head}<div class="track">{bar}{whisker}</div>{number}</div></td>'


def left_out_table(findings: AssessmentResult) -> str:
    """What was compared, and what not and why."""
    rows = [("compared", findings.total), *findings.left_out.items()]
    total = sum(n for _, n in rows)
    body = "".join(
        f'<tr><th scope="row">{to_html(what)}</th><td class="num">{whole(n)}</td>'
        f'<td class="num">{percent(n / total, 2)}&nbsp;%</td></tr>'
        for what, n in rows
    )
    return f'<table class="plain"><tbody>{body}</tbody></table>'


def strata_table(findings: AssessmentResult) -> str:
    """The sample by stratum; nothing where there is none."""
    sample = findings.sample
    if sample is None:
        return ""
    shares: NDArray[np.float64] = sample.hectares / sample.hectares.sum()
    body = "".join(
        f'<tr><th scope="row">{to_html(name)}</th><td class="num">{percent(share)}&nbsp;%</td>'
        f'<td class="num">{whole(n)}</td></tr>'
        for name, share, n in zip(sample.names, shares, sample.sampled, strict=True)
    )
    return (
        '<table class="plain"><thead><tr><th scope="col">stratum</th><th scope="col" class="num">'
        'of the map</th><th scope="col" class="num">samples</th></tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )
