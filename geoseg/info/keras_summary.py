"""Print the layer table as Keras' ``model.summary()`` does."""

from collections.abc import Sequence
from typing import Any

_HEADER = ("Layer (type)", "Output Shape", "Param #", "Connected to")
_MIN_WIDTHS = (0, 17, 0, 0)
"""Smallest width of each column (characters): "(None, 8, 8, 128)" fits on a line."""
_RIGHT_ALIGNED = 2
"""Number of the column that is right-aligned."""
_WIDTH = 80
"""Width of the table (characters). Longer names make it wider."""

TableCell = list[list[str]]
"""Paragraphs of words. Lines are wrapped between words."""


def layer_lines(layers: Sequence[dict[str, Any]], trainable: int) -> list[str]:
    """Return the lines of the title, the table and the totals.

    Args:
        layers: name, kind, shape (height, width, channels), parameters and inputs of each layer.
        trainable: number of trainable parameters.
    """
    rows = [_cells(layer) for layer in layers]
    widths = _widths(rows)
    head = [
        f" {text:{'>' if i == _RIGHT_ALIGNED else '<'}{widths[i]}} "
        for i, text in enumerate(_HEADER)
    ]
    lines = ['Model: "functional"', _rule("┏━┳┓", widths), f"┃{'┃'.join(head)}┃"]
    lines.append(_rule("┡━╇┩", widths))
    for number, row in enumerate(rows):
        if number:
            lines.append(_rule("├─┼┤", widths))
        lines += _row(row, widths)
    lines.append(_rule("└─┴┘", widths))
    total = sum(layer["parameters"] for layer in layers)
    counts = (("Total", total), ("Trainable", trainable), ("Non-trainable", total - trainable))
    return lines + [f" {name} params: {n:,} ({format_bytes(4 * n)})" for name, n in counts]


def format_bytes(size: int) -> str:
    """Format a size in bytes as Keras does.

    >>> format_bytes(4 * 1_941_190), format_bytes(0)
    ('7.41 MB', '0.00 B')
    """
    value, units = float(size), ["B", "KB", "MB", "GB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.2f} {units[0]}"


def _cells(layer: dict[str, Any]) -> list[TableCell]:
    *leading, last = ("None", *map(str, layer["shape"]))
    inputs = [f"{name}[0][0]" for name in layer["inputs"]] or ["-"]
    return [
        [[layer["name"], f"({layer['kind']})"]],
        [[f"({', '.join(leading)},", f"{last})"]],
        [[f"{layer['parameters']:,}"]],
        [[f"{text}{',' if text != inputs[-1] else ''}"] for text in inputs],
    ]


def _widths(rows: list[list[TableCell]]) -> list[int]:
    """Return the width of each column: its longest word; the first one fills the table."""
    words = [[w for row in rows for line in row[i] for w in line] for i in range(len(_HEADER))]
    widths = [
        max(minimum, *(len(word) for word in [title, *column]))
        for minimum, title, column in zip(_MIN_WIDTHS, _HEADER, words, strict=True)
    ]
    frame = 3 * len(_HEADER) + 1
    return [widths[0] + max(0, _WIDTH - frame - sum(widths)), *widths[1:]]


def _row(cells: list[TableCell], widths: list[int]) -> list[str]:
    columns = [_wrap(cell, width) for cell, width in zip(cells, widths, strict=True)]
    height = max(map(len, columns))
    padded = [column + [""] * (height - len(column)) for column in columns]
    return [
        f"│{'│'.join(_pad(i, text, widths[i]) for i, text in enumerate(line))}│"
        for line in zip(*padded, strict=True)
    ]


def _pad(column: int, text: str, width: int) -> str:
    return f" {text:>{width}} " if column == _RIGHT_ALIGNED else f" {text:<{width}} "


def _wrap(cell: TableCell, width: int) -> list[str]:
    lines = []
    for paragraph in cell:
        line = paragraph[0]
        for word in paragraph[1:]:
            if len(line) + 1 + len(word) <= width:
                line += f" {word}"
            else:
                lines.append(line)
                line = word
        lines.append(line)
    return lines


def _rule(ends: str, widths: list[int]) -> str:
    left, line, cross, right = tuple(ends)
    return left + cross.join(line * (width + 2) for width in widths) + right
