"""How large a stratified random sample is to be, and how it is divided over the strata."""

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from geoseg.metrics.accuracy import Floats

Allocation = Literal["proportional", "equal", "mixed"]
ALLOCATIONS: tuple[Allocation, ...] = get_args(Allocation)


def sample_size(shares: Floats, accuracies: Floats, standard_error: float) -> int:
    """Places needed for a standard error of the overall accuracy (Cochran 1977, eq. 5.25).

    Args:
        shares: (strata,) of the map, sum 1.
        accuracies: (strata,) user's accuracy that is expected, 0..1.
        standard_error: that is wanted, 0.01 for one percent.
    """
    spread = float((shares * np.sqrt(accuracies * (1 - accuracies))).sum())
    return math.ceil(round((spread / standard_error) ** 2, 9))


def allocate(
    total: int, shares: Floats, room: NDArray[np.int64], how: Allocation, least: int
) -> NDArray[np.int64]:
    """Divide a sample over strata.

    Sizes are proportional to what ``how`` says, but no stratum gets fewer than ``least`` places or
    more places than it has. Law: the sizes add up to ``total``, or to the nearest sum that these
    limits allow.

    Args:
        total: number of places.
        shares: (strata,) share of each stratum of the map, each above 0, sum 1.
        room: (strata,) number of places that each stratum has.
        how: "proportional" to the shares; "equal"; "mixed", the mean of both.
        least: smallest number of places of a stratum; all places of a stratum that has fewer.

    Returns:
        (strata,) number of places.
    """
    equal = np.full(len(shares), 1 / len(shares))
    wanted = {"proportional": shares, "equal": equal, "mixed": (shares + equal) / 2}[how]
    low = np.minimum(least, room)
    total = min(max(total, int(low.sum())), int(room.sum()))
    # The sum of the clipped sizes grows with the factor: halve the interval down to one float.
    below, above = 0.0, float((room / wanted).max())
    while below < (factor := (below + above) / 2) < above:
        if (factor * wanted).clip(low, room).sum() < total:
            below = factor
        else:
            above = factor
    return _whole((above * wanted).clip(low, room), total)


def _whole(sizes: Floats, total: int) -> NDArray[np.int64]:
    """Sizes rounded to whole numbers that add up to the total: largest remainders go up."""
    down = np.floor(sizes).astype(np.int64)
    # Rounding makes equal remainders equal, so that rounding errors do not decide.
    order = np.argsort(-np.round(sizes - down, 6), kind="stable")
    down[order[: total - int(down.sum())]] += 1
    return down
