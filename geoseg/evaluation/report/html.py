"""What the HTML pages share: the template engine, numbers as text, the cells of a matrix."""

import math
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from geoseg.errors import count_of
from geoseg.metrics import accuracy

_NOT_A_NUMBER = Markup('<span class="none" title="not a number">&ndash;</span>')
LEAST_AREA = 1e-6
"""Smallest area (ha) that is not shown as 0.00; 0.01 m². Sums of areas have errors of rounding."""
_CORRECT, _WRONG = (23, 105, 137), (190, 65, 40)
"""Colours of a cell of the matrix that has all of its row, on and off the diagonal."""
_DARK = 0.82
"""Strength of a colour from which white text is easier to read than black text."""


def render_template(name: str, **values: Any) -> str:  # noqa: ANN401 - what the template names
    """Return a template of this folder as HTML, filled in with values."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        loader=FunctionLoader(_read),
    )  # fmt: skip
    environment.filters |= {
        "percent": percent, "decimal": decimal, "whole": "{:,}".format, "hectares": hectares,
        "hex": _hex_color, "sentence": _sentence, "value": _value_text, "count_of": count_of,
    }  # fmt: skip
    environment.tests["finite"] = lambda value: value is not None and math.isfinite(value)
    css = Markup(_read("page.css"))  # noqa: S704 - our own file
    return environment.get_template(name).render(css=css, **values)


def _read(name: str) -> str:
    return (files("geoseg.evaluation.report") / name).read_text(encoding="utf-8")


def decimal(value: float, digits: int = 3) -> str:
    """Return a number with this many digits after the point, or a dash if it is not defined."""
    return f"{value:,.{digits}f}" if math.isfinite(value) else _NOT_A_NUMBER


def percent(share: float, digits: int = 1) -> str:
    """Return a share in percent."""
    return decimal(100 * share, digits)


def hectares(area: float) -> str:
    """Return hectares with three significant digits, or as a whole number."""
    size = abs(area)
    known = math.isfinite(size) and size >= LEAST_AREA
    return decimal(area, max(0, 2 - math.floor(math.log10(size))) if known else 2)


def _hex_color(color: Sequence[int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:]}.".replace("`", "")


def _value_text(value: Any) -> str:  # noqa: ANN401 - plain data
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def matrix_cells(counts: NDArray[np.int64]) -> list[list[dict[str, Any]]]:
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


def facts(provenance: Mapping[str, Any]) -> Iterator[tuple[str, str, list[tuple[str, Any]]]]:
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
