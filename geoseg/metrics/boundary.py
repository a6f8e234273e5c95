"""Boundary IoU: agreement near the outlines of classes (Cheng et al. 2021, arXiv:2103.16562).

The authors have no unlabelled pixels. Here only pixels with a class in map and reference count and
make outlines. The edge of the raster is an outline in both, as in the authors' code.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.metrics.accuracy import Floats, ratio
from geoseg.metrics.counts import VALUES, count_pairs

_PIXELS_PER_BATCH = 1 << 20
"""Pixels compared together: few enough to stay in the processor's cache."""


@dataclass(frozen=True, slots=True, eq=False)
class BoundaryCounts:
    """Pixels of each value near an outline of it, by default 0; counts of windows add up."""

    both: NDArray[np.int64] = field(default_factory=lambda: np.zeros(VALUES, np.int64))
    """(256,) near an outline of the value in the map and in the reference."""
    either: NDArray[np.int64] = field(default_factory=lambda: np.zeros(VALUES, np.int64))
    """(256,) near an outline of the value in one of them or both."""
    in_reference: int = 0
    """Pixels near an outline in the reference; 0 if it only has patches far apart."""

    def __add__(self, other: "BoundaryCounts") -> "BoundaryCounts":
        return BoundaryCounts(
            self.both + other.both,
            self.either + other.either,
            self.in_reference + other.in_reference,
        )

    @property
    def iou(self) -> Floats:
        """Boundary IoU of each value, (256,).

        NaN for a value without an outline, and for all where the reference shows no outline.
        """
        return ratio(self.both, self.either if self.in_reference else np.zeros_like(self.either))


def count_boundaries(
    mapped: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    distance: int,
    ignore: int,
    inside: tuple[slice, slice] = (slice(None), slice(None)),
) -> BoundaryCounts:
    """Count the pixels near outlines.

    A pixel without a class in the map or in the reference is not counted and makes no outline.
    Counts of windows add up to those of the raster, if the arrays of each window have a halo of
    ``distance`` px inside the raster.

    Args:
        mapped: (height, width) class values.
        reference: (height, width) class values.
        distance: largest distance to an outline that counts as near (px).
        ignore: value of unlabelled pixels.
        inside: rows and columns to count; the rest is the halo.
    """
    height, width = mapped.shape
    first, end, _ = inside[0].indices(height)
    step = max(distance, _PIXELS_PER_BATCH // width, 1)
    pairs = np.zeros((VALUES, VALUES), np.int64)
    for row in range(first, end, step):
        above, below = max(row - distance, 0), min(row + step + distance, height)
        batch = slice(row - above, min(row + step, end) - above), inside[1]
        rasters = mapped[above:below], reference[above:below]
        unlabelled = (rasters[0] == ignore) | (rasters[1] == ignore)
        near_values = []
        for raster in rasters:
            values = np.where(unlabelled, np.uint8(ignore), raster)
            near = near_outline(values, distance, ignore)[batch]
            near_values.append(np.where(near, values[batch], np.uint8(ignore)))
        pairs += count_pairs(*near_values)
    both = np.diag(pairs).copy()
    either = pairs.sum(0) + pairs.sum(1) - both
    both[ignore] = either[ignore] = 0
    return BoundaryCounts(both, either, int(pairs.sum() - pairs[:, ignore].sum()))


def near_outline(values: NDArray[np.uint8], distance: int, ignore: int) -> NDArray[np.bool_]:
    """Return where another value, or the end of the array, is at most ``distance`` px away.

    The distance is that of a square around the pixel: these are the pixels that ``distance``
    erosions by 3 x 3 px remove from a class.

    Args:
        values: (height, width).
        distance: px, at least 1.
        ignore: value that makes no outline.
    """
    if 2 * distance >= min(values.shape):  # the end of the array is near all pixels
        return np.ones(values.shape, bool)
    hidden = values == ignore
    low = np.pad(np.where(hidden, np.uint8(VALUES - 1), values), distance, constant_values=0)
    high = np.pad(np.where(hidden, np.uint8(0), values), distance, constant_values=VALUES - 1)
    size = 2 * distance + 1
    for axis in (0, 1):
        low = _sliding_extreme(np.minimum, low, size, axis)
        high = _sliding_extreme(np.maximum, high, size, axis)
    return np.asarray(low != high)


def _sliding_extreme(
    pick: Callable[..., NDArray[Any]], values: NDArray[np.uint8], size: int, axis: int
) -> NDArray[np.uint8]:
    """Return the minimum or maximum over ``size`` neighbours along an axis, by doubling."""
    values = np.moveaxis(values, axis, 0)
    end, width = len(values) - size + 1, 1
    while 2 * width <= size:
        values = pick(values[:-width], values[width:])
        width *= 2
    return np.moveaxis(pick(values[:end], values[size - width : size - width + end]), 0, axis)
