"""Integer pixel geometry: windows, the grid of windows over a scene, its chunks.

Rows come before columns. No I/O and no arrays of pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
        if self.intersection(outer) != self:
            raise ValueError(f"{self} is not inside {outer}")
        row, col = self.row - outer.row, self.col - outer.col
        return slice(row, row + self.height), slice(col, col + self.width)

    def intersection(self, window: "Window") -> "Window | None":
        """Return the pixels of both windows, None if they share none."""
        row, col = max(self.row, window.row), max(self.col, window.col)
        height = min(self.row_end, window.row_end) - row
        width = min(self.col_end, window.col_end) - col
        return Window(row, col, height, width) if height > 0 and width > 0 else None

    def expanded(self, margin: int, outer: "Window") -> "Window":
        """Return the window with ``margin`` px more on each side, as far as ``outer`` reaches."""
        row, col = max(self.row - margin, outer.row), max(self.col - margin, outer.col)
        row_end = min(self.row_end + margin, outer.row_end)
        col_end = min(self.col_end + margin, outer.col_end)
        return Window(row, col, row_end - row, col_end - col)

    def __str__(self) -> str:
        return f"rows {self.row}-{self.row_end - 1}, columns {self.col}-{self.col_end - 1}"


def starts(length: int, size: int, stride: int) -> list[int]:
    """First pixels of the windows along one axis of ``length`` px.

    They are multiples of the stride; the last window is pulled back to end on the edge. An axis
    shorter than a window has one window, which starts at 0 and ends beyond the edge.

    >>> starts(300, 128, 96)
    [0, 96, 172]
    >>> starts(100, 128, 96)
    [0]
    """
    last = max(length - size, 0)
    return [*range(0, last, stride), last]


@dataclass(frozen=True, slots=True)
class WindowGrid:
    """All sliding windows over a scene: a lattice whose steps are the stride.

    The last window of each axis is pulled back to end on the edge of the scene. The windows do not
    depend on the chunk that is computed, so chunks do not show in the result.

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

    def windows(self, chunk: Window) -> list[Window]:
        """Return the windows that share a pixel with ``chunk``, in row-major order.

        The order is that of the whole grid, so sums over windows do not depend on ``chunk``.
        """
        rows, cols = self._touching(chunk)
        return [Window(r, c, self.size, self.size) for r in rows for c in cols]

    def count(self, chunk: Window) -> int:
        """Return the number of windows that share a pixel with ``chunk``."""
        rows, cols = self._touching(chunk)
        return len(rows) * len(cols)

    def _touching(self, chunk: Window) -> tuple[list[int], list[int]]:
        rows = [r for r in self.rows if r < chunk.row_end and r + self.size > chunk.row]
        return rows, [c for c in self.cols if c < chunk.col_end and c + self.size > chunk.col]


@dataclass(frozen=True, slots=True)
class MapGrid:
    """How the pixels of a map lie on the pixels that the network reads, its input.

    The map is a part of a raster that covers the same extent as the input, in pixels of the same
    or another size. A pixel of the map has the value of the input pixel in which its centre lies.

    Raises:
        ValueError: if the part is not inside of the raster.
    """

    part: Window
    """The map, in pixels of the raster."""
    raster: tuple[int, int]
    """Rows and columns of the raster (px)."""
    input: tuple[int, int]
    """Rows and columns of the input (px)."""

    def __post_init__(self) -> None:
        if self.part.intersection(Window(0, 0, *self.raster)) != self.part:
            raise ValueError(f"{self.part} is not inside of {self.raster}")

    @property
    def same_pixels(self) -> bool:
        """Whether pixels of the map and of the input have the same size."""
        return self.raster == self.input

    @property
    def input_part(self) -> Window:
        """The input pixels that the map has its values from."""
        return self.input_window(Window(0, 0, self.part.height, self.part.width))

    @property
    def input_pixels(self) -> float:
        """Number of input pixels along a side of a map pixel; the larger one of both axes."""
        return max(self.input[0] / self.raster[0], self.input[1] / self.raster[1])

    def input_window(self, window: Window) -> Window:
        """Return the input pixels that the pixels of a window of the map have their values from."""
        rows, cols = self._indices(window)
        height, width = rows[-1] + 1 - rows[0], cols[-1] + 1 - cols[0]
        return Window(int(rows[0]), int(cols[0]), int(height), int(width))

    def nearest(self, window: Window) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the input pixel of each pixel of a window of the map.

        Returns:
            Rows (height,) and columns (width,), counted from the first of `input_window`.
        """
        rows, cols = self._indices(window)
        return rows - rows[0], cols - cols[0]

    def _indices(self, window: Window) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column in the input of each row and column of a window of the map."""
        rows = np.arange(window.row, window.row_end) + self.part.row
        cols = np.arange(window.col, window.col_end) + self.part.col
        return (
            (2 * rows + 1) * self.input[0] // (2 * self.raster[0]),
            (2 * cols + 1) * self.input[1] // (2 * self.raster[1]),
        )


def bounds(windows: list[Window]) -> Window:
    """Return the smallest window that contains all ``windows``, at least one."""
    row, col = min(w.row for w in windows), min(w.col for w in windows)
    row_end, col_end = max(w.row_end for w in windows), max(w.col_end for w in windows)
    return Window(row, col, row_end - row, col_end - col)


def chunks(height: int, width: int, size: int, window: Window | None = None) -> Iterator[Window]:
    """Partition a scene into chunks of ``size`` px a side, row-major, smaller at the end.

    Args:
        height: rows of the scene (px).
        width: columns of the scene (px).
        size: side of a chunk (px), a multiple of 512.
        window: yield only the chunks that share a pixel with it; None for all.

    Raises:
        ValueError: if ``size`` is not a positive multiple of 512.
    """
    if size < 1 or size % CHUNK_BLOCK:
        raise ValueError(f"chunk size {size} is not a positive multiple of {CHUNK_BLOCK}")
    rows, cols = (0, height), (0, width)
    if window is not None:
        rows = window.row // size * size, min(window.row_end, height)
        cols = window.col // size * size, min(window.col_end, width)
    for row in range(*rows, size):
        for col in range(*cols, size):
            yield Window(row, col, min(size, height - row), min(size, width - col))
