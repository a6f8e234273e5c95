"""Map and reference compared window by window, in bounded memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from geoseg.grid import Window
from geoseg.labels import LabelSource
from geoseg.legend import NODATA
from geoseg.metrics import BoundaryCounts, count_boundaries, count_pairs
from geoseg.polygons import pixel_areas
from geoseg.raster import Scene, read_metadata, read_window

Thumbnail = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Every n-th pixel of a window of the map, and of the reference."""
Reader = Callable[[Window], NDArray[np.uint8]]
"""Reads values (height, width) of a window."""

VALUES = 256
_PIXELS = 1 << 23
"""Of a window, about: whole rows of blocks of the file, which are read but once."""


@dataclass(frozen=True, slots=True, eq=False)
class ComparisonCounts:
    """What is counted; tallies of parts add up."""

    pairs: NDArray[np.int64]
    """(256, 256) pixels by value in the map and in the reference, 255 for none."""
    areas: NDArray[np.float64]
    """(256,) m² of each value of the map; NaN where the CRS is unknown."""
    boundary: BoundaryCounts
    levels: NDArray[np.int64]
    """(2, 256) pixels by confidence: mapped wrong, and right."""

    @classmethod
    def zero(cls) -> "ComparisonCounts":
        """Nothing counted."""
        none = np.zeros(VALUES, np.int64)
        return cls(
            np.zeros((VALUES, VALUES), np.int64), np.zeros(VALUES), BoundaryCounts(none, none, 0),
            np.zeros((2, VALUES), np.int64),
        )  # fmt: skip

    def __add__(self, other: "ComparisonCounts") -> "ComparisonCounts":
        return ComparisonCounts(
            self.pairs + other.pairs, self.areas + other.areas, self.boundary + other.boundary,
            self.levels + other.levels,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class BlockComparison:
    """What to compare with what, and how."""

    scene: Scene
    """The map's grid."""
    mapped: LabelSource
    reference: LabelSource | None
    """On the same grid; None to look at the map alone."""
    confidence: Scene | None = None
    """On the same grid."""
    distance: int = 0
    """How near to an outline boundary IoU looks (px); 0 to leave it out."""
    step: int = 1
    """Thumbnails have every n-th pixel."""

    @cached_property
    def cells(self) -> NDArray[np.float64]:
        """(height,) m² of a pixel in each row."""
        rows = np.arange(self.scene.height)
        return pixel_areas(self.scene.affine, self.scene.crs, rows)

    def windows(self) -> Iterator[Window]:
        """A partition of the map into windows of whole blocks of its file."""
        height, width = (max(1, side) for side in read_metadata(self.scene.path).block)
        cols = self.scene.width
        if height * cols > _PIXELS:
            cols = max(1, _PIXELS // (height * width)) * width
        rows = max(1, _PIXELS // (height * cols)) * height
        for row in range(0, self.scene.height, rows):
            for col in range(0, self.scene.width, cols):
                size = min(rows, self.scene.height - row), min(cols, self.scene.width - col)
                yield Window(row, col, *size)

    def count(self, window: Window) -> tuple[ComparisonCounts, Thumbnail]:
        """Count the pixels of a window.

        Raises:
            GeosegError: if a side cannot be read, or has a class that its legend does not name.
        """
        area = _expand(window, self.distance, self.scene.window)
        inside = window.relative_to(area)
        mapped = self.mapped.read(area)
        reference = (
            np.full(mapped.shape, NODATA, np.uint8)
            if self.reference is None
            else self.reference.read(area)
        )
        boundary = ComparisonCounts.zero().boundary
        if self.distance:
            boundary = count_boundaries(mapped, reference, self.distance, NODATA, inside)
        mapped, reference = mapped[inside], reference[inside]
        pairs = count_pairs(mapped, reference)
        ground = self._ground(mapped, pairs, window)
        levels = self._levels(mapped, reference, window)
        rows, cols = (
            slice(_first_multiple(at, self.step), None, self.step)
            for at in (window.row, window.col)
        )
        thumbnail = mapped[rows, cols].copy(), reference[rows, cols].copy()
        return ComparisonCounts(pairs, ground, boundary, levels), thumbnail

    def _ground(
        self, mapped: NDArray[np.uint8], pairs: NDArray[np.int64], window: Window
    ) -> NDArray[np.float64]:
        cells = self.cells[window.slices[0]]
        if (cells == cells[0]).all():
            return np.asarray(pairs.sum(1) * cells[0])
        ground = np.zeros(VALUES)
        for row, cell in zip(mapped, cells, strict=True):
            ground += np.bincount(row, minlength=VALUES) * cell
        return ground

    def _levels(
        self, mapped: NDArray[np.uint8], reference: NDArray[np.uint8], window: Window
    ) -> NDArray[np.int64]:
        if self.confidence is None:
            return np.zeros((2, VALUES), np.int64)
        pixels, valid = read_window(self.confidence, window)
        known = valid & (pixels[0] > 0) & (mapped != NODATA) & (reference != NODATA)
        right = np.where(known, mapped == reference, 2).astype(np.uint8)
        return count_pairs(right, pixels[0])[:2]


def thumbnails(
    comparison: BlockComparison, windows: Sequence[Window], parts: Sequence[Thumbnail]
) -> Thumbnail:
    """Map and reference at reduced size, (rows, cols), from those of all windows."""
    step, scene = comparison.step, comparison.scene
    shape = tuple(len(range(step // 2, side, step)) for side in (scene.height, scene.width))
    whole = np.full((2, *shape), NODATA, np.uint8)
    for window, part in zip(windows, parts, strict=True):
        row, col = ((at + _first_multiple(at, step)) // step for at in (window.row, window.col))
        height, width = part[0].shape
        whole[:, row : row + height, col : col + width] = part
    return whole[0], whole[1]


def values_at(
    read_window: Reader, rows: NDArray[np.int64], cols: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Values (n,) of single pixels, read block by block."""
    found = np.full(len(rows), NODATA, np.uint8)
    blocks = np.stack([rows // 512, cols // 512], axis=1)
    for block in np.unique(blocks, axis=0):
        some = np.flatnonzero((blocks == block).all(1))
        row, col = int(rows[some].min()), int(cols[some].min())
        height, width = int(rows[some].max()) - row + 1, int(cols[some].max()) - col + 1
        window = Window(row, col, height, width)
        found[some] = read_window(window)[rows[some] - row, cols[some] - col]
    return found


def _first_multiple(start: int, step: int) -> int:
    """Offset from the start of a window to its first pixel in the middle of n pixels."""
    return (step // 2 - start) % step


def _expand(window: Window, distance: int, bounds: Window) -> Window:
    """The window with its surroundings, as far as there are any."""
    row, col = max(window.row - distance, 0), max(window.col - distance, 0)
    row_end = min(window.row_end + distance, bounds.row_end)
    col_end = min(window.col_end + distance, bounds.col_end)
    return Window(row, col, row_end - row, col_end - col)
