"""The size of a stratified random sample, and its allocation to strata."""

from bisect import bisect_left
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from geoseg.metrics.accuracy import Floats, ratio

Allocation = Literal["proportional", "equal", "mixed"]
ALLOCATIONS: tuple[Allocation, ...] = get_args(Allocation)


def allocate_for_error(
    standard_error: float,
    shares: Floats,
    accuracies: Floats,
    pixels: NDArray[np.int64],
    allocation: Allocation,
    minimum: int,
) -> NDArray[np.int64]:
    """Allocate the smallest sample that reaches a standard error of the overall accuracy.

    The variance of the overall accuracy is that of Olofsson et al. (2014,
    doi:10.1016/j.rse.2014.02.015), eq. 5, with the expected accuracies.

    Args:
        standard_error: 0.01 for one percentage point.
        shares: (strata,) as in `allocate`.
        accuracies: (strata,) expected user's accuracy, 0..1.
        pixels: (strata,) as in `allocate`.
        allocation: as in `allocate`.
        minimum: as in `allocate`.

    Returns:
        (strata,) number of points; all pixels if even these do not reach the standard error.
    """
    spread = shares**2 * accuracies * (1 - accuracies)

    def sizes(total: int) -> NDArray[np.int64]:
        return allocate(total, shares, pixels, allocation, minimum)

    def reaches_error(total: int) -> int:
        variances = ratio(spread, np.maximum(sizes(total) - 1.0, 0))  # NaN for a single point
        return int(variances[spread > 0].sum() <= standard_error**2)

    totals = range(1, int(pixels.sum()))
    return sizes(1 + bisect_left(totals, 1, key=reaches_error))


def allocate(
    total: int, shares: Floats, pixels: NDArray[np.int64], allocation: Allocation, minimum: int
) -> NDArray[np.int64]:
    """Allocate a sample to strata.

    No stratum gets fewer than ``minimum`` points or more points than it has pixels. Law: the
    sizes add up to ``total``, or to the nearest sum within these limits.

    Args:
        total: number of points.
        shares: (strata,) share of each stratum of the area of the map, above 0, sum 1.
        pixels: (strata,) number of pixels of each stratum.
        allocation: "proportional" to the shares; "equal"; "mixed", the mean of both.
        minimum: minimum number of points of a stratum; of a smaller one, all its pixels.

    Returns:
        (strata,) number of points.
    """
    equal = np.full(len(shares), 1 / len(shares))
    wanted = {"proportional": shares, "equal": equal, "mixed": (shares + equal) / 2}[allocation]
    low = np.minimum(min(minimum, int(pixels.max())), pixels)
    total = min(max(total, int(low.sum())), int(pixels.sum()))
    # The sum of the clipped sizes grows with the factor: halve the interval down to one float.
    below, above = 0.0, float((pixels / wanted).max())
    while below < (factor := (below + above) / 2) < above:
        if (factor * wanted).clip(low, pixels).sum() < total:
            below = factor
        else:
            above = factor
    return _round_to_total((above * wanted).clip(low, pixels), total)


def _round_to_total(sizes: Floats, total: int) -> NDArray[np.int64]:
    """Round sizes to whole numbers that add up to the total: the largest remainders go up."""
    down = np.floor(sizes).astype(np.int64)
    # Rounding makes equal remainders equal, so that rounding errors do not decide.
    order = np.argsort(-np.round(sizes - down, 6), kind="stable")
    down[order[: total - int(down.sum())]] += 1
    return down
