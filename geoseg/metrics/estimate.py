"""Accuracy and area of a map, estimated from a stratified random sample.

The ratio estimator of Stehman (2014, doi:10.1080/01431161.2014.930207) for strata of any kind;
where the strata are the map's classes it is that of Olofsson et al. (2014,
doi:10.1016/j.rse.2014.02.015). No finite population correction.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from geoseg.metrics import accuracy
from geoseg.metrics.accuracy import Floats, ratio

Z95 = 1.96
"""Half-width of a 95 % confidence interval in standard errors."""


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """Estimates for the whole map and their standard errors; NaN where they are not defined."""

    shares: Floats
    """(classes, classes): share of the area that is mapped as i and is j in the reference."""
    total: float
    """Area of all strata, in the unit of the areas of the strata."""
    overall_accuracy_se: float
    users_accuracy_se: Floats
    """(classes,)."""
    producers_accuracy_se: Floats
    """(classes,)."""
    area_se: Floats
    """(classes,), in the unit of the strata."""

    @property
    def overall_accuracy(self) -> float:
        """Correct share of the area."""
        return accuracy.overall_accuracy(self.shares)

    @property
    def users_accuracy(self) -> Floats:
        """Correct share of each mapped class, (classes,)."""
        return accuracy.users_accuracy(self.shares)

    @property
    def producers_accuracy(self) -> Floats:
        """Detected share of each reference class, (classes,)."""
        return accuracy.producers_accuracy(self.shares)

    @property
    def area(self) -> Floats:
        """Area of each reference class, (classes,), in the unit of the strata."""
        return np.asarray(self.shares.sum(0) * self.total)


def estimate(counts: NDArray[np.int64], areas: Floats) -> Estimate:
    """Estimate accuracy and area from a stratified random sample.

    Args:
        counts: (strata, classes, classes), points of stratum h that are mapped as i and are j in
            the reference.
        areas: (strata,) size of each stratum, in any unit.

    Raises:
        ValueError: if a stratum has an area but no point, or the shapes do not fit.
    """
    if counts.ndim != 3 or counts.shape[1] != counts.shape[2] or areas.shape != counts.shape[:1]:
        raise ValueError(f"counts of {counts.shape} do not fit areas of {areas.shape}")
    sampled = counts.sum((1, 2))
    if ((sampled == 0) & (areas > 0)).any():
        raise ValueError("a stratum with an area has no point")
    weights = areas / areas.sum()
    means = np.nan_to_num(ratio(counts, sampled[:, None, None]))
    hits, ones = np.einsum("hii->hi", means), np.ones((len(areas), 1))
    error = partial(_standard_error, weights=weights, sampled=sampled)
    mapped = means.sum(2)
    square = mapped.shape[0] == mapped.shape[1]
    by_class = square and not (mapped - np.diag(mapped.diagonal())).any()
    return Estimate(
        shares=np.einsum("h,hij->ij", weights, means),
        total=float(areas.sum()),
        overall_accuracy_se=float(error(hits.sum(1, keepdims=True), ones)[0]),
        users_accuracy_se=error(hits, mapped, empty_is_zero=by_class),
        producers_accuracy_se=error(hits, means.sum(1)),
        area_se=error(means.sum(1), ones) * float(areas.sum()),
    )


def by_map_class(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (classes, classes, classes) counts, in which stratum h is row h of the matrix."""
    return counts[:, None, :] * np.eye(len(counts), dtype=np.int64)[:, :, None]


def _standard_error(
    numerator: Floats,
    denominator: Floats,
    *,
    weights: Floats,
    sampled: NDArray[np.int64],
    empty_is_zero: bool = False,
) -> Floats:
    """Return the standard error of the ratio (weights @ numerator) / (weights @ denominator).

    Args:
        numerator: (strata, n) share of the points of each stratum with a property.
        denominator: (strata, n) or (strata, 1) share of the points in which it is counted.
        weights: (strata,) share of each stratum of the area.
        sampled: (strata,) number of points.
        empty_is_zero: whether a stratum with a denominator of 0 adds no variance, as for a mapped
            class where the strata are the mapped classes.
    """
    total = weights @ denominator
    quotient = ratio(weights @ numerator, total)
    r = np.nan_to_num(quotient)
    variance = (
        numerator * (1 - numerator)
        + r**2 * denominator * (1 - denominator)
        - 2 * r * numerator * (1 - denominator)
    )
    terms = ratio(weights[:, None] ** 2 * variance, (sampled - 1.0)[:, None])
    contributes = (weights[:, None] > 0) & ((denominator > 0) if empty_is_zero else True)
    error = np.sqrt(np.maximum(np.where(contributes, terms, 0).sum(0), 0))
    return np.where(np.isnan(quotient), np.nan, error / np.where(total, total, 1))
