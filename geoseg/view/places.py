"""The least certain places of a map, from its confidence."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.grid import Window
from geoseg.raster import Scene, level_shape, read_level

_LONGEST = 4096
"""Longest side (px) of the level at which the confidence is read."""
_BLOCK = 32
"""Side of the blocks (px of that level) whose mean is compared."""
MOST_PLACES = 100
"""Places that are listed."""


def least_certain_places(confidence: Scene) -> list[dict[str, Any]]:
    """Return the blocks whose mean confidence is a local minimum, the lowest first.

    A block without data in most of its pixels is left out. No two places are neighbours.

    Args:
        confidence: one band, 1 to 255 where there is data.

    Returns:
        At most 100 places: row and col of the centre and size (px of the map), confidence 0..1.

    Raises:
        SceneError: if the confidence cannot be read.
    """
    level = 0
    while max(level_shape(confidence, level)) > _LONGEST:
        level += 1
    means = _block_means(confidence, level)
    rows, cols = np.nonzero(_is_local_minimum(means))
    order = np.argsort(means[rows, cols], kind="stable")[:MOST_PLACES]
    size = _BLOCK * 2**level
    return [
        {
            "row": min(int((row + 0.5) * size), confidence.height - 1),
            "col": min(int((col + 0.5) * size), confidence.width - 1),
            "size": size,
            "confidence": float(means[row, col] / 255),
        }
        for row, col in zip(rows[order], cols[order], strict=True)
    ]


def _block_means(confidence: Scene, level: int) -> NDArray[np.float64]:
    """Return the mean of the valid pixels of each block, infinite where most have no data."""
    height, width = level_shape(confidence, level)
    rows = []
    for row in range(0, height, _BLOCK):
        window = Window(row, 0, min(_BLOCK, height - row), width)
        pixels, valid = read_level(confidence, level, window)
        starts = np.arange(0, width, _BLOCK)
        counts = np.add.reduceat(valid.sum(axis=0), starts)
        sums = np.add.reduceat(np.where(valid, pixels[0], 0).sum(axis=0, dtype=np.int64), starts)
        sizes = window.height * np.diff(starts, append=width)
        means = np.where(2 * counts >= sizes, sums / np.maximum(counts, 1), np.inf)
        rows.append(means)
    return np.array(rows)


def _is_local_minimum(means: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where a value is lower than its eight neighbours; of equal ones, the first counts."""
    padded = np.pad(means, 1, constant_values=np.inf)
    height, width = means.shape
    lowest = np.isfinite(means)
    for row in range(3):
        for col in range(3):
            neighbour = padded[row : row + height, col : col + width]
            if (row, col) < (1, 1):
                lowest &= means < neighbour
            elif (row, col) > (1, 1):
                lowest &= means <= neighbour
    return lowest
