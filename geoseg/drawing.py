"""A sheet of paper measured in pixels from its top left: pictures, words and a legend on it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

MARGIN = 24
"""Distance of things from the edge and from each other (px)."""
_DPI = 100
_KEY = 30
"""Height of a line of the legend (px)."""
_SWATCH = (16, 24)
"""Height and width of a colour in the legend (px)."""
_FRAME = "#888888"

Classes = Sequence[tuple[str, str]]
"""Name and #rrggbb of each class."""


def new_canvas(width: int, height: int) -> Figure:
    """An empty white sheet of this many px."""
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def add_axes(figure: Figure, left: float, top: float, size: tuple[float, float]) -> Axes:
    """Axes without frame at px from the top left, size (height, width) px."""
    width, height = figure.get_size_inches() * _DPI
    axes = figure.add_axes(
        (left / width, 1 - (top + size[0]) / height, size[1] / width, size[0] / height)
    )
    axes.axis("off")
    return axes


def add_image(
    figure: Figure, picture: NDArray[np.uint8], left: float, top: float, size: tuple[int, int]
) -> None:
    """Put a picture on the sheet, in a thin frame.

    Args:
        figure: the sheet.
        picture: (height, width, 4) red, green, blue and opacity.
        left: px from the left of the sheet.
        top: px from its top.
        size: height and width on the sheet (px).
    """
    axes = add_axes(figure, left, top, size)
    axes.imshow(picture, interpolation="nearest", aspect="auto")
    frame = Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, edgecolor=_FRAME)
    axes.add_patch(frame)


def add_swatch(
    figure: Figure, left: float, top: float, color: str, size: tuple[float, float] = _SWATCH
) -> None:
    """A rectangle of one colour, ``size`` (height, width) px, at px from the top left."""
    axes = add_axes(figure, left, top, size)
    axes.add_patch(
        Rectangle((0, 0), 1, 1, transform=axes.transAxes, facecolor=color, edgecolor=_FRAME)
    )


def add_text(
    figure: Figure, left: float, top: float, text: str, *, size: float = 10, bold: bool = False
) -> None:
    """Write a line of plain text, its middle at ``top`` (px), ``size`` points high."""
    width, height = figure.get_size_inches() * _DPI
    figure.text(
        left / width, 1 - top / height, text, fontsize=size, va="center",
        fontweight="bold" if bold else "normal", parse_math=False,
    )  # fmt: skip


def _columns(classes: Classes, width: int) -> int:
    """How many entries of the legend go side by side."""
    longest = max((len(name) for name, _ in classes), default=0)
    return max(1, (width - MARGIN) // (60 + 8 * min(longest, 40)))


def legend_height(classes: Classes, width: int) -> int:
    """Room that a legend takes on a sheet of this width (px); 0 without classes."""
    if not classes:
        return 0
    return _KEY * -(-len(classes) // _columns(classes, width)) + MARGIN // 2


def draw_legend(figure: Figure, classes: Classes, top: float, width: int) -> None:
    """The legend in rows from ``top`` (px)."""
    columns = _columns(classes, width)
    step = (width - MARGIN) / columns
    for number, (name, color) in enumerate(classes):
        row, col = divmod(number, columns)
        left, upper = MARGIN + col * step, top + row * _KEY
        add_swatch(figure, left, upper, color)
        add_text(figure, left + _SWATCH[1] + 8, upper + _SWATCH[0] / 2 + 1, shorten(name, 40))


def shorten(text: str, length: int) -> str:
    """The text, or its beginning with an ellipsis, in at most ``length`` characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def shorten_start(text: str, length: int) -> str:
    """The text, or its end after an ellipsis, in at most ``length`` characters."""
    return text if len(text) <= length else f"…{text[len(text) - length + 1 :]}"


def to_rgba(colors: NDArray[np.uint8], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Colours (height, width, 3), transparent where not valid."""
    return np.dstack([colors, np.where(valid, 255, 0).astype(np.uint8)])
