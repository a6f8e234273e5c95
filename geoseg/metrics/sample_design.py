"""The size of a stratified random sample, and its allocation to strata."""

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from geoseg.metrics.accuracy import Floats

Allocation = Literal["proportional", "equal", "mixed"]
ALLOCATIONS: tuple[Allocation, ...] = get_args(Allocation)


def sample_size(shares: Floats, accuracies: Floats, standard_error: float) -> int:
    """Return the size for a standard error of the overall accuracy (Cochran 1977, eq. 5.25).

    Args:
        shares: (strata,) share of each stratum of the area of the map, sum 1.
        accuracies: (strata,) expected user's accuracy, 0..1.
        standard_error: standard error to reach, 0.01 for one percentage point.
    """
    spread = float((shares * np.sqrt(accuracies * (1 - accuracies))).sum())
    return math.ceil(round((spread / standard_error) ** 2, 9))


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
    low = np.minimum(minimum, pixels)
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
