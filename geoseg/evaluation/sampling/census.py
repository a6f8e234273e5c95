"""Pixels drawn at random within each class of a map, in bounded memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.evaluation.block_counts import BlockComparison
from geoseg.grid import Window
from geoseg.labels import LabelSource
from geoseg.metrics import class_row_counts

_ROWS_PER_WINDOW = 256
"""Rows that are read together."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassCensus:
    """Pixels of each class in each row of a map, and their areas."""

    pixels: NDArray[np.int64]
    """(height, classes)."""
    pixel_areas: NDArray[np.float64]
    """(height,) m² of a pixel in each row."""

    @property
    def total(self) -> NDArray[np.int64]:
        """(classes,) pixels."""
        return np.asarray(self.pixels.sum(0))

    @property
    def area_m2(self) -> NDArray[np.float64]:
        """(classes,) m²."""
        return np.asarray(self.pixels.T @ self.pixel_areas)

    def draw(self, index: int, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw different pixels of a class; the chance of a pixel is proportional to its area.

        Args:
            index: index of the class.
            size: number of pixels, at most all of the class.
            rng: random number generator.

        Returns:
            (size, 2): row of each pixel, and its rank among the pixels of the class in this row.
        """
        pixels = self.pixels[:, index]
        if size == pixels.sum():
            rows = np.repeat(np.arange(len(pixels)), pixels)
            first = np.repeat(np.cumsum(pixels) - pixels, pixels)
            return np.stack([rows, np.arange(len(rows)) - first], axis=1)
        ends = np.cumsum(pixels * self.pixel_areas)
        drawn: dict[tuple[int, int], None] = {}
        while len(drawn) < size:
            position = rng.random(size - len(drawn)) * ends[-1]
            rows = np.searchsorted(ends, position, side="right").clip(max=len(ends) - 1)
            before = ends[rows] - pixels[rows] * self.pixel_areas[rows]
            ranks = ((position - before) / self.pixel_areas[rows]).astype(np.int64)
            ranks = ranks.clip(0, pixels[rows] - 1)
            drawn |= dict.fromkeys(zip(rows.tolist(), ranks.tolist(), strict=True))
        return np.array(list(drawn), np.int64).reshape(-1, 2)


def count_classes(comparison: BlockComparison, values: NDArray[np.int64]) -> ClassCensus:
    """Count the pixels of each value in each row of a map.

    Raises:
        GeosegError: if the map cannot be read.
    """
    pixels = np.zeros((comparison.scene.height, len(values)), np.int64)
    for window in comparison.windows():
        mapped = comparison.mapped.read(window)
        pixels[window.slices[0]] += class_row_counts(mapped, values)
    return ClassCensus(pixels, comparison.row_pixel_areas)


def locate_columns(
    labels: LabelSource, width: int, value: int, drawn: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the columns (n,) of pixels of a class.

    Args:
        labels: the map.
        width: width of the map (px).
        value: value of the class.
        drawn: (n, 2) row and rank of each pixel, from `ClassCensus.draw`.
    """
    cols = np.zeros(len(drawn), np.int64)
    bands = drawn[:, 0] // _ROWS_PER_WINDOW
    for band in np.unique(bands):
        in_band = np.flatnonzero(bands == band)
        first, last = int(drawn[in_band, 0].min()), int(drawn[in_band, 0].max())
        mapped = labels.read(Window(first, 0, last - first + 1, width))
        for index in in_band:
            row, rank = drawn[index]
            cols[index] = np.flatnonzero(mapped[row - first] == value)[rank]
    return cols
