"""How large a stratified random sample is to be, and how it is divided over the strata."""

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from geoseg.metrics.agreement import Floats

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

    Strata that would get fewer than ``least`` get that many, and the others share what is left;
    where they are too many for that, the sample grows. No stratum gets more than it has room for.

    Args:
        total: places in all.
        shares: (strata,) of the map, sum 1.
        room: (strata,) places that there are.
        how: "proportional" to the shares; "equal"; "mixed", the mean of both.
        least: places a stratum.
    """
    equal = np.full(len(shares), 1 / len(shares))
    wanted = {"proportional": shares, "equal": equal, "mixed": (shares + equal) / 2}[how]
    fixed = np.zeros(len(shares), bool)
    while True:
        left = max(total - least * int(fixed.sum()), 0)
        free = wanted * ~fixed
        sizes = left * free / max(free.sum(), np.finfo(float).tiny)
        few = ~fixed & (sizes < least)
        if not few.any():
            break
        fixed |= few
    sizes = np.where(fixed, least, _whole(sizes, left))
    return np.minimum(sizes, room)


def _whole(sizes: Floats, total: int) -> NDArray[np.int64]:
    """Sizes rounded to whole numbers that add up to the total: largest remainders go up."""
    down = np.floor(sizes).astype(np.int64)
    if not sizes.sum():
        return down
    order = np.argsort(-(sizes - down), kind="stable")
    down[order[: total - int(down.sum())]] += 1
    return down
