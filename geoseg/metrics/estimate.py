"""What a stratified random sample says of the whole map: accuracy and area with intervals.

The ratio estimator of Stehman (2014, doi:10.1080/01431161.2014.930207) for strata of any kind;
where the strata are the map's classes it is that of Olofsson et al. (2014,
doi:10.1016/j.rse.2014.02.015). No finite population correction.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.metrics import accuracy as agreement
from geoseg.metrics.accuracy import Floats, ratio

Z95 = 1.96
"""Standard errors on each side of an estimate that make a 95 % interval."""


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """Estimates for the whole map and their standard errors; NaN where the sample says nothing."""

    shares: Floats
    """(classes, classes): share of the ground mapped as i that is j."""
    total: float
    """Area of all strata, in the unit in which they were given."""
    overall_accuracy_se: float
    users_accuracy_se: Floats
    """(classes,)."""
    producers_accuracy_se: Floats
    """(classes,)."""
    area_se: Floats
    """(classes,), in the unit of the strata."""

    @property
    def overall_accuracy(self) -> float:
        """Share of the ground that is mapped right."""
        return agreement.overall_accuracy(self.shares)

    @property
    def users_accuracy(self) -> Floats:
        """Share of each mapped class that is right, (classes,)."""
        return agreement.users_accuracy(self.shares)

    @property
    def producers_accuracy(self) -> Floats:
        """Share of each class on the ground that is mapped so, (classes,)."""
        return agreement.producers_accuracy(self.shares)

    @property
    def area(self) -> Floats:
        """Area of each class on the ground, (classes,), in the unit of the strata."""
        return np.asarray(self.shares.sum(0) * self.total)


def estimate(counts: NDArray[np.int64], areas: Floats) -> Estimate:
    """Estimate accuracy and area from a stratified random sample.

    Args:
        counts: (strata, classes, classes), sampled places of stratum h that are mapped as i and
            are j in the reference.
        areas: (strata,) size of each stratum, in any unit.

    Raises:
        ValueError: if a stratum has an area but no sample, or the shapes do not fit.
    """
    if counts.ndim != 3 or counts.shape[1] != counts.shape[2] or areas.shape != counts.shape[:1]:
        raise ValueError(f"counts of {counts.shape} do not fit areas of {areas.shape}")
    sampled = counts.sum((1, 2))
    if ((sampled == 0) & (areas > 0)).any():
        raise ValueError("a stratum with an area has no sample")
    weights = areas / areas.sum()
    means = np.nan_to_num(ratio(counts, sampled[:, None, None]))
    hits, whole = np.einsum("hii->hi", means), np.ones((len(areas), 1))

    def error(part: Floats, of: Floats, *, within: bool = False) -> Floats:
        return _standard_error(part, of, weights, sampled, within=within)

    return Estimate(
        shares=np.einsum("h,hij->ij", weights, means),
        total=float(areas.sum()),
        overall_accuracy_se=float(error(hits.sum(1, keepdims=True), whole)[0]),
        users_accuracy_se=error(hits, means.sum(2), within=True),
        producers_accuracy_se=error(hits, means.sum(1)),
        area_se=error(means.sum(1), whole) * float(areas.sum()),
    )


def by_map_class(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """A matrix (classes, classes) as a sample whose strata are the rows' classes."""
    return counts[:, None, :] * np.eye(len(counts), dtype=np.int64)[:, :, None]


def _standard_error(
    part: Floats, whole: Floats, weights: Floats, sampled: NDArray[np.int64], *, within: bool
) -> Floats:
    """Standard error of (weights @ part) / (weights @ whole), part being included in whole.

    Args:
        part: (strata, n) share of each stratum's sample that has a property.
        whole: (strata, n) or (strata, 1) share that it is counted of.
        weights: (strata,).
        sampled: (strata,) size of each sample.
        within: whether a stratum of which the sample has nothing of the whole has none of it, as
            of a mapped class where strata are mapped classes.
    """
    quotient = ratio(weights @ part, weights @ whole)
    found = np.nan_to_num(quotient)
    variance = part * (1 - part) + found**2 * whole * (1 - whole) - 2 * found * part * (1 - whole)
    terms = ratio(weights[:, None] ** 2 * variance, (sampled - 1.0)[:, None])
    matters = (weights[:, None] > 0) & ((whole > 0) if within else True)
    error = np.sqrt(np.maximum(np.where(matters, terms, 0).sum(0), 0))
    return np.where(
        np.isnan(quotient), np.nan, error / np.where(weights @ whole, weights @ whole, 1)
    )
