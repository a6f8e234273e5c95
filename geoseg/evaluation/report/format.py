"""Numbers and HTML as the page writes them."""

import math
from html import escape

from geoseg.legend import LandCoverClass

NONE = '<span class="none" title="not a number">&ndash;</span>'


def to_html(value: object) -> str:
    """Anything as text that is safe inside HTML."""
    return escape(str(value))


def is_number(value: float | None) -> bool:
    """Whether a number is one."""
    return value is not None and math.isfinite(value)


def percent(value: float | None, digits: int = 1) -> str:
    """A share 0..1 as a percentage without its sign."""
    return f"{100 * value:.{digits}f}" if value is not None and is_number(value) else NONE


def decimal(value: float | None, digits: int = 3) -> str:
    """A number with this many decimals."""
    return f"{value:.{digits}f}" if value is not None and is_number(value) else NONE


def whole(value: float) -> str:
    """A count, with commas."""
    return f"{round(value):,}"


def area_text(value: float | None) -> str:
    """Hectares, to three digits or whole ones."""
    if value is None or not is_number(value):
        return NONE
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def interval(value: str, within: str) -> str:
    """A value and half of its interval, kept on one line."""
    return f'<span class="pm">{value}<span class="ci"> ± {within}</span></span>'


def color_swatch(c: LandCoverClass) -> str:
    """The colour of a class."""
    return f'<i class="swatch" style="background:{c.color}"></i>'


def class_label(c: LandCoverClass) -> str:
    """A class by its colour and name."""
    name = f'<span class="name">{to_html(c.name)}</span>'
    return f'<span class="class">{color_swatch(c)}{name}</span>'
