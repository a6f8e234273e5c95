"""Pictures, text and a legend on a canvas whose coordinates are pixels from its top left."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

MARGIN = 24
"""Distance between elements, and from the edge (px)."""
_DPI = 100
_LINE = 30
"""Height of a line of the legend (px)."""
_SWATCH = (16, 24)
"""Height and width of a colour in the legend (px)."""
_ENTRY_LENGTH = 40
"""Maximum number of characters of a class name in the legend."""
_FRAME = "#888888"

Classes = Sequence[tuple[str, str]]
"""Name and #rrggbb of each class."""


def new_canvas(width: int, height: int) -> Figure:
    """Make an empty white canvas (px)."""
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def add_axes(figure: Figure, left: float, top: float, size: tuple[float, float]) -> Axes:
    """Add axes without a frame, at (left, top) and of ``size`` (height, width), in px."""
    width, height = figure.get_size_inches() * _DPI
    axes = figure.add_axes(
        (left / width, 1 - (top + size[0]) / height, size[1] / width, size[0] / height)
    )
    axes.axis("off")
    return axes


def add_image(
    figure: Figure, image: NDArray[np.uint8], left: float, top: float, size: tuple[int, int]
) -> None:
    """Add an image in a thin frame, at (left, top) and of ``size`` (height, width), in px.

    The image is (height, width, 4): red, green, blue and opacity, 0 to 255.
    """
    axes = add_axes(figure, left, top, size)
    axes.imshow(image, interpolation="nearest", aspect="auto")
    axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, edgecolor=_FRAME))


def add_swatch(
    figure: Figure, left: float, top: float, color: str, size: tuple[float, float] = _SWATCH
) -> None:
    """Add a rectangle of one colour at (left, top) and of ``size`` (height, width), in px."""
    axes = add_axes(figure, left, top, size)
    axes.add_patch(
        Rectangle((0, 0), 1, 1, transform=axes.transAxes, facecolor=color, edgecolor=_FRAME)
    )


def add_text(
    figure: Figure, left: float, top: float, text: str, *, size: float = 10, bold: bool = False
) -> None:
    """Add a line of plain text, vertically centred at ``top`` (px), ``size`` points high."""
    width, height = figure.get_size_inches() * _DPI
    figure.text(
        left / width, 1 - top / height, text, fontsize=size, va="center",
        fontweight="bold" if bold else "normal", parse_math=False,
    )  # fmt: skip


def add_entry(
    figure: Figure, left: float, top: float, color: str, text: str, *,
    size: float = 10, bold: bool = False,
) -> None:  # fmt: skip
    """Add a colour at (left, top) in px, and a text on its right."""
    add_swatch(figure, left, top, color)
    add_text(figure, left + _SWATCH[1] + 8, top + _SWATCH[0] / 2 + 1, text, size=size, bold=bold)


def _columns(classes: Classes, width: int) -> int:
    """Number of columns of a legend on a canvas of this width (px)."""
    longest = max((len(name) for name, _ in classes), default=0)
    return max(1, (width - MARGIN) // (60 + 8 * min(longest, _ENTRY_LENGTH)))


def legend_height(classes: Classes, width: int) -> int:
    """Height of a legend on a canvas of this width (px); 0 without classes."""
    if not classes:
        return 0
    return _LINE * -(-len(classes) // _columns(classes, width)) + MARGIN // 2


def draw_legend(figure: Figure, classes: Classes, top: float, width: int) -> None:
    """Draw a legend in rows, on a canvas of this width, from ``top`` (px)."""
    columns = _columns(classes, width)
    step = (width - MARGIN) / columns
    for number, (name, color) in enumerate(classes):
        row, col = divmod(number, columns)
        left = MARGIN + col * step
        add_entry(figure, left, top + row * _LINE, color, shorten(name, _ENTRY_LENGTH))


def shorten(text: str, length: int) -> str:
    """Return a text, or its beginning and an ellipsis, in at most ``length`` characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def shorten_start(text: str, length: int) -> str:
    """Return a text, or an ellipsis and its end, in at most ``length`` characters."""
    return text if len(text) <= length else f"…{text[len(text) - length + 1 :]}"


def to_rgba(colors: NDArray[np.uint8], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Add opacity to colours (height, width, 3): transparent where not valid."""
    return np.dstack([colors, np.where(valid, 255, 0).astype(np.uint8)])
