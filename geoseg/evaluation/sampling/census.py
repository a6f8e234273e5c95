"""Pixels drawn at random within each class of a map, in bounded memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.evaluation.window_counts import WindowComparison
from geoseg.grid import Window
from geoseg.metrics import class_row_counts

_ROWS_PER_WINDOW = 256
"""Rows that are read together."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassCensus:
    """The pixels of each class in each row of a map."""

    comparison: WindowComparison
    """The map alone."""
    values: NDArray[np.int64]
    """(classes,) values of the classes."""
    pixels: NDArray[np.int64]
    """(height, classes)."""

    @property
    def total(self) -> NDArray[np.int64]:
        """(classes,) pixels."""
        return np.asarray(self.pixels.sum(0))

    @property
    def area_m2(self) -> NDArray[np.float64]:
        """(classes,) m²."""
        return np.asarray(self.pixels.T @ self.comparison.row_pixel_areas)

    def draw(self, index: int, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw different pixels of a class; the chance of a pixel is proportional to its area.

        Args:
            index: index of the class.
            size: number of pixels, at most all of the class.
            rng: random number generator.

        Returns:
            (2, size) rows and columns.
        """
        rows, ranks = self._draw_ranks(index, size, rng).T
        cols = np.zeros_like(rows)
        for strip in np.unique(rows // _ROWS_PER_WINDOW):
            in_strip = np.flatnonzero(rows // _ROWS_PER_WINDOW == strip)
            first, height = int(rows[in_strip].min()), int(np.ptp(rows[in_strip])) + 1
            window = Window(first, 0, height, self.comparison.scene.width)
            in_class = self.comparison.mapped.read(window) == self.values[index]
            for i in in_strip:
                cols[i] = np.flatnonzero(in_class[rows[i] - first])[ranks[i]]
        return np.stack([rows, cols])

    def _draw_ranks(self, index: int, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return (size, 2): row of each pixel, and its rank in the row among those of the class."""
        pixels, areas = self.pixels[:, index], self.comparison.row_pixel_areas
        if size == pixels.sum():
            rows = np.repeat(np.arange(len(pixels)), pixels)
            first = np.repeat(np.cumsum(pixels) - pixels, pixels)
            return np.stack([rows, np.arange(len(rows)) - first], axis=1)
        ends = np.cumsum(pixels * areas)
        drawn: dict[tuple[int, int], None] = {}
        while len(drawn) < size:
            position = rng.random(size - len(drawn)) * ends[-1]
            rows = np.searchsorted(ends, position, side="right").clip(max=len(ends) - 1)
            before = ends[rows] - pixels[rows] * areas[rows]
            ranks = ((position - before) / areas[rows]).astype(np.int64)
            ranks = ranks.clip(0, pixels[rows] - 1)
            drawn |= dict.fromkeys(zip(rows.tolist(), ranks.tolist(), strict=True))
        return np.array(list(drawn), np.int64).reshape(-1, 2)


def count_classes(comparison: WindowComparison, values: NDArray[np.int64]) -> ClassCensus:
    """Count the pixels of each value in each row of a map.

    Raises:
        GeosegError: if the map cannot be read.
    """
    pixels = np.zeros((comparison.scene.height, len(values)), np.int64)
    for window in comparison.windows():
        mapped = comparison.mapped.read(window)
        pixels[window.slices[0]] += class_row_counts(mapped, values)
    return ClassCensus(comparison, values, pixels)
