"""Two maps compared on one sample: exact paired test, and mean of a stratified sample."""

import math

import numpy as np
from numpy.typing import NDArray

from geoseg.metrics.accuracy import Floats, ratio


def sign_test(first: int, second: int) -> float:
    """Return the two-sided p-value of the exact binomial test with a chance of one half.

    This is the exact form of McNemar's test (1947, doi:10.1007/BF02295996), where ``first`` and
    ``second`` are the numbers of points where only the first or only the second map is right.

    Returns:
        Probability of a split at least as uneven, if each point falls to either side with the
        same chance; 1 without points.

    Raises:
        ValueError: if a number is negative.
    """
    if min(first, second) < 0:
        raise ValueError(f"counts are {first} and {second}, they must be at least 0")
    total, fewer = first + second, min(first, second)
    if first == second:
        return 1.0
    steps = np.arange(1, fewer + 1)
    # Logarithms of the binomial coefficients, which overflow from about 1,000 points on.
    logs = np.concatenate([[0.0], np.cumsum(np.log((total - steps + 1) / steps))])
    return min(1.0, 2 * float(np.exp(logs - total * math.log(2)).sum()))


def stratified_mean(
    values: Floats, strata: NDArray[np.int64], weights: Floats
) -> tuple[float, float]:
    """Estimate the mean of a property over an area from a stratified random sample.

    Args:
        values: (n,) value of the property at each point.
        strata: (n,) index of the stratum of each point.
        weights: (strata,) share of each stratum in the area. If their sum is below 1, the
            property is 0 in the rest of the area. A stratum with a weight must have a point.

    Returns:
        The mean and its standard error, which is NaN if a stratum has a single sample.
    """
    sizes = np.bincount(strata, minlength=len(weights))
    sums = np.bincount(strata, values, minlength=len(weights))
    means = np.nan_to_num(ratio(sums, sizes))
    squares = np.bincount(strata, (values - means[strata]) ** 2, minlength=len(weights))
    sampled = sizes > 0
    variances = ratio(squares, sizes - 1.0)[sampled]
    error = math.sqrt(float((weights[sampled] ** 2 * variances / sizes[sampled]).sum()))
    return float(weights @ means), error
