"""Print the layer table as Keras' ``model.summary()`` does."""

import textwrap
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

_HEADER = ("Layer (type)", "Output Shape", "Param #", "Connected to")
_MIN_WIDTHS = (0, 17, 0, 0)
"""Smallest width of each column (characters): "(None, 8, 8, 128)" fits on a line."""
_RIGHT_ALIGNED = 2
"""Number of the column that is right-aligned."""
_WIDTH = 80
"""Width of the table (characters). Longer names make it wider."""
_NO_BREAK = "\N{NO-BREAK SPACE}"
"""Space at which a line is not wrapped. It is printed as a space."""


def layer_lines(layers: Sequence[dict[str, Any]], trainable: int) -> list[str]:
    """Return the lines of the title, the table and the totals.

    Args:
        layers: name, kind, blocks, shape (height, width, channels), parameters and inputs of each
            layer.
        trainable: number of trainable parameters.
    """
    rows = [_cells(layer) for layer in layers]
    widths = _widths(rows)
    lines = ['Model: "functional"', _rule("┏━┳┓", widths), _line("┃", _HEADER, widths)]
    for number, row in enumerate(rows):
        lines.append(_rule("├─┼┤" if number else "┡━╇┩", widths))
        columns = [_wrap(cell, width) for cell, width in zip(row, widths, strict=True)]
        lines += [_line("│", texts, widths) for texts in zip_longest(*columns, fillvalue="")]
    lines.append(_rule("└─┴┘", widths))
    total = sum(layer["parameters"] for layer in layers)
    counts = (("Total", total), ("Trainable", trainable), ("Non-trainable", total - trainable))
    return lines + [f" {name} params: {n:,} ({_size(4 * n)})" for name, n in counts]


def _size(size: int) -> str:
    """Return a size in bytes as Keras writes it.

    >>> _size(4 * 1_941_190), _size(0)
    ('7.41 MB', '0.00 B')
    """
    value, units = float(size), ["B", "KB", "MB", "GB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.2f} {units[0]}"


def _cells(layer: dict[str, Any]) -> list[list[str]]:
    """Return the paragraphs of each cell of a row."""
    *leading, last = ("None", *map(str, layer["shape"]))
    inputs = ",\n".join(f"{name}[0][0]" for name in layer["inputs"]) or "-"
    blocks = f"{layer['blocks']}{_NO_BREAK}x{_NO_BREAK}" if layer["blocks"] > 1 else ""
    return [
        [f"{layer['name']} ({blocks}{layer['kind']})"],
        [f"({f',{_NO_BREAK}'.join(leading)}, {last})"],
        [f"{layer['parameters']:,}"],
        inputs.split("\n"),
    ]


def _widths(rows: list[list[list[str]]]) -> list[int]:
    """Return the width of each column: its longest word; the first one fills the table."""
    words = [
        " ".join(text for cell in column for text in cell) for column in zip(*rows, strict=True)
    ]
    widths = [
        max(minimum, len(title), *map(len, text.split(" ")))
        for minimum, title, text in zip(_MIN_WIDTHS, _HEADER, words, strict=True)
    ]
    frame = 3 * len(_HEADER) + 1
    return [widths[0] + max(0, _WIDTH - frame - sum(widths)), *widths[1:]]


def _wrap(cell: list[str], width: int) -> list[str]:
    wrapper = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    return [line for paragraph in cell for line in wrapper.wrap(paragraph)]


def _line(edge: str, texts: Sequence[str], widths: list[int]) -> str:
    columns = enumerate(zip(texts, widths, strict=True))
    padded = [
        f"{text:{'>' if i == _RIGHT_ALIGNED else '<'}{width}}" for i, (text, width) in columns
    ]
    return f"{edge} {f' {edge} '.join(padded)} {edge}".replace(_NO_BREAK, " ")


def _rule(ends: str, widths: list[int]) -> str:
    left, line, cross, right = tuple(ends)
    return left + cross.join(line * (width + 2) for width in widths) + right
