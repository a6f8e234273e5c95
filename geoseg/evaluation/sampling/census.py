"""Pixels drawn at random within each class of a map, in bounded memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.evaluation.block_counts import VALUES, BlockComparison
from geoseg.grid import Window
from geoseg.labels import LabelSource

_ROWS = 256
"""Rows read together."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassCensus:
    """Pixels of each class by row, and the ground they cover."""

    pixels: NDArray[np.int64]
    """(height, classes)."""
    cells: NDArray[np.float64]
    """(height,) m² of a pixel in each row."""

    @property
    def total(self) -> NDArray[np.int64]:
        """(classes,) pixels."""
        return np.asarray(self.pixels.sum(0))

    @property
    def area(self) -> NDArray[np.float64]:
        """(classes,) m²."""
        return np.asarray(self.pixels.T @ self.cells)

    def draw(self, number: int, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw different pixels of a class, each with the same chance by its area.

        Args:
            number: of the class.
            size: how many, at most all.
            rng: what chance comes from.

        Returns:
            (size, 2): row, and place among the pixels of the class in the row.
        """
        pixels = self.pixels[:, number]
        if size == pixels.sum():
            rows = np.repeat(np.arange(len(pixels)), pixels)
            return np.stack([rows, _rank_pixels(pixels)], axis=1)
        ends = np.cumsum(pixels * self.cells)
        found: dict[tuple[int, int], None] = {}
        while len(found) < size:
            at = rng.random(size - len(found)) * ends[-1]
            rows = np.searchsorted(ends, at, side="right").clip(max=len(ends) - 1)
            before = ends[rows] - pixels[rows] * self.cells[rows]
            places = ((at - before) / self.cells[rows]).astype(np.int64)
            places = places.clip(0, pixels[rows] - 1)
            found |= dict.fromkeys(zip(rows.tolist(), places.tolist(), strict=True))
        return np.array(list(found), np.int64).reshape(-1, 2)


def count_classes(comparison: BlockComparison, values: NDArray[np.int64]) -> ClassCensus:
    """Count the pixels of each value in each row of a map.

    Raises:
        GeosegError: if the map cannot be read.
    """
    pixels = np.zeros((comparison.scene.height, len(values)), np.int64)
    for window in comparison.windows():
        mapped = comparison.mapped.read(window)
        codes = mapped + VALUES * np.arange(window.height, dtype=np.int32)[:, None]
        counts = np.bincount(codes.reshape(-1), minlength=VALUES * window.height)
        pixels[window.slices[0]] += counts.reshape(-1, VALUES)[:, values]
    return ClassCensus(pixels, comparison.cells)


def locate_columns(
    labels: LabelSource, width: int, value: int, drawn: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Columns (n,) of drawn pixels of one value.

    Args:
        labels: the map.
        width: of the map (px).
        value: of the class.
        drawn: (n, 2) as `Census.draw` has it.
    """
    found = np.zeros(len(drawn), np.int64)
    for block in np.unique(drawn[:, 0] // _ROWS):
        some = np.flatnonzero(drawn[:, 0] // _ROWS == block)
        first, last = int(drawn[some, 0].min()), int(drawn[some, 0].max())
        mapped = labels.read(Window(first, 0, last - first + 1, width))
        for place in some:
            row, rank = drawn[place]
            found[place] = np.flatnonzero(mapped[row - first] == value)[rank]
    return found


def _rank_pixels(pixels: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, ... within each row."""
    first = np.repeat(np.cumsum(pixels) - pixels, pixels)
    return np.asarray(np.arange(int(pixels.sum())) - first)
