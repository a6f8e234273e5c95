"""Integer pixel geometry: windows, the lattice of windows over a scene, its chunks.

Rows before columns, always. No I/O and no arrays of pixels here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

CHUNK_BLOCK = 512
"""Chunks are multiples of the output's block size (px), so that no block is written twice."""


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A rectangle of whole pixels.

    Raises:
        ValueError: if the size is not positive or the origin is negative.
    """

    row: int
    """First row (px)."""
    col: int
    """First column (px)."""
    height: int
    """Rows (px), at least 1."""
    width: int
    """Columns (px), at least 1."""

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1 or self.row < 0 or self.col < 0:
            raise ValueError(f"not a window: {self.row, self.col, self.height, self.width}")

    @property
    def row_end(self) -> int:
        """First row after the window (px)."""
        return self.row + self.height

    @property
    def col_end(self) -> int:
        """First column after the window (px)."""
        return self.col + self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the window in an array (height, width) of the scene."""
        return slice(self.row, self.row_end), slice(self.col, self.col_end)

    def relative_to(self, outer: "Window") -> tuple[slice, slice]:
        """Index of this window in an array of ``outer``, which must contain it.

        Law: ``scene[outer.slices][w.relative_to(outer)] == scene[w.slices]``.

        Raises:
            ValueError: if ``outer`` does not contain the window.
        """
        if not outer.contains(self):
            raise ValueError(f"{self} is not inside {outer}")
        row, col = self.row - outer.row, self.col - outer.col
        return slice(row, row + self.height), slice(col, col + self.width)

    def contains(self, other: "Window") -> bool:
        """Whether every pixel of ``other`` is in this window."""
        return (
            self.row <= other.row
            and self.col <= other.col
            and other.row_end <= self.row_end
            and other.col_end <= self.col_end
        )

    def intersection(self, other: "Window") -> "Window | None":
        """The pixels of both windows, or None where they share none."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        height = min(self.row_end, other.row_end) - row
        width = min(self.col_end, other.col_end) - col
        return Window(row, col, height, width) if height > 0 and width > 0 else None

    def __str__(self) -> str:
        return f"rows {self.row}-{self.row_end - 1}, columns {self.col}-{self.col_end - 1}"


def starts(length: int, size: int, stride: int) -> list[int]:
    """First pixels of the windows along one axis of ``length`` px.

    Multiples of the stride; the last window is pulled back to end on the edge. An axis shorter
    than one window has one, which starts at 0 and ends beyond the edge.

    >>> starts(300, 128, 96)
    [0, 96, 172]
    >>> starts(100, 128, 96)
    [0]
    """
    last = max(length - size, 0)
    return [*range(0, last, stride), last]


@dataclass(frozen=True, slots=True)
class WindowGrid:
    """All windows over a scene: the same whatever part of the scene is looked at.

    Raises:
        ValueError: if the stride is not in 1..size, or the scene is empty.
    """

    height: int
    """Rows of the scene (px)."""
    width: int
    """Columns of the scene (px)."""
    size: int
    """Side of a window (px)."""
    stride: int
    """Distance between windows (px); size minus overlap."""

    def __post_init__(self) -> None:
        if not 1 <= self.stride <= self.size:
            raise ValueError(f"stride {self.stride} is not in 1..{self.size}")
        if self.height < 1 or self.width < 1:
            raise ValueError(f"empty scene: {self.height} x {self.width}")

    @property
    def rows(self) -> list[int]:
        """First rows of the windows (px)."""
        return starts(self.height, self.size, self.stride)

    @property
    def cols(self) -> list[int]:
        """First columns of the windows (px)."""
        return starts(self.width, self.size, self.stride)

    def __len__(self) -> int:
        return len(self.rows) * len(self.cols)

    def windows(self, area: Window) -> list[Window]:
        """The windows that share a pixel with ``area``, in row-major order.

        The order is that of the whole lattice, so sums over windows do not depend on ``area``.
        """
        rows, cols = self._touching(area)
        return [Window(r, c, self.size, self.size) for r in rows for c in cols]

    def count(self, area: Window) -> int:
        """Number of `windows` of an area."""
        rows, cols = self._touching(area)
        return len(rows) * len(cols)

    def _touching(self, area: Window) -> tuple[list[int], list[int]]:
        rows = [r for r in self.rows if r < area.row_end and r + self.size > area.row]
        return rows, [c for c in self.cols if c < area.col_end and c + self.size > area.col]


def bounds(windows: list[Window]) -> Window:
    """The smallest window that contains all of ``windows`` (at least one)."""
    row, col = min(w.row for w in windows), min(w.col for w in windows)
    row_end, col_end = max(w.row_end for w in windows), max(w.col_end for w in windows)
    return Window(row, col, row_end - row, col_end - col)


def chunks(height: int, width: int, size: int, area: Window | None = None) -> Iterator[Window]:
    """Partition of a scene into chunks of ``size`` px a side, row-major, smaller at the end.

    Args:
        height: rows of the scene (px).
        width: its columns (px).
        size: side of a chunk (px).
        area: only the chunks that share a pixel with it; all if None.

    Raises:
        ValueError: if ``size`` is not a positive multiple of 512.
    """
    if size < 1 or size % CHUNK_BLOCK:
        raise ValueError(f"chunk size {size} is not a positive multiple of {CHUNK_BLOCK}")
    rows, cols = (0, height), (0, width)
    if area is not None:
        rows = area.row // size * size, min(area.row_end, height)
        cols = area.col // size * size, min(area.col_end, width)
    for row in range(*rows, size):
        for col in range(*cols, size):
            yield Window(row, col, min(size, height - row), min(size, width - col))
