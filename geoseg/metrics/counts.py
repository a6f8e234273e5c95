"""Class values counted: in rows of a raster, and in pairs of map and reference."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

VALUES = 256
"""Number of values of uint8."""
_PIXELS_PER_BATCH = 1 << 17
"""Pixels counted together: few enough that the temporary arrays stay in the processor's cache."""


def count_pairs(mapped: NDArray[np.uint8], reference: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count how often each pair of values occurs in two arrays of the same shape.

    Returns:
        (256, 256): ``counts[i, j]`` pixels with i in the map and j in the reference.

    Raises:
        ValueError: if the shapes differ.
    """
    if mapped.shape != reference.shape:
        raise ValueError(f"a map of {mapped.shape} and a reference of {reference.shape} pixels")
    rows, cols = mapped.reshape(-1), reference.reshape(-1)
    counts = np.zeros(VALUES**2, np.int64)
    for first in range(0, rows.size, _PIXELS_PER_BATCH):
        batch = slice(first, first + _PIXELS_PER_BATCH)
        pairs = rows[batch].astype(np.uint16) << 8 | cols[batch]
        counts += np.bincount(pairs, minlength=VALUES**2)
    return counts.reshape(VALUES, VALUES)


def pair_areas(
    mapped: NDArray[np.uint8], reference: NDArray[np.uint8], row_areas: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Add up the areas of the pixels of each pair of values in two arrays of the same shape.

    Args:
        mapped: (height, width).
        reference: (height, width).
        row_areas: (height,) area of a pixel in each row; the unit of the result.

    Returns:
        (256, 256): area of the pixels with i in the map and j in the reference.
    """
    if (row_areas == row_areas[0]).all():
        return np.asarray(count_pairs(mapped, reference) * row_areas[0])
    areas = np.zeros(VALUES**2)
    rows = max(1, _PIXELS_PER_BATCH // mapped.shape[1])
    for first in range(0, len(mapped), rows):
        batch = slice(first, first + rows)
        pairs = mapped[batch].astype(np.uint16) << 8 | reference[batch]
        weights = np.broadcast_to(row_areas[batch, None], pairs.shape)
        areas += np.bincount(pairs.reshape(-1), weights.reshape(-1), minlength=VALUES**2)
    return areas.reshape(VALUES, VALUES)


def class_row_counts(
    labels: NDArray[np.uint8],
    values: ArrayLike = range(VALUES),
    valid: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Count the pixels of each class in each row.

    Args:
        labels: (height, width) class values.
        values: (classes,) the values to count.
        valid: (height, width) True for the pixels to count; None for all pixels.

    Returns:
        (height, classes) pixels.
    """
    columns = np.asarray(values)
    counts = np.zeros((len(labels), len(columns)), np.int64)
    for index, row in enumerate(labels):
        counted = row if valid is None else row[valid[index]]
        counts[index] = np.bincount(counted, minlength=VALUES)[columns]
    return counts
