"""From a sample to the whole map: what it tells, and why it does not tell more."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import EvaluateError
from geoseg.metrics import Estimate, estimate

MIN_RELIABLE_SAMPLES = 50
"""Samples of a class below which intervals are rough (Congalton and Green 2019)."""


@dataclass(frozen=True, slots=True, eq=False)
class StratifiedSample:
    """Places that were looked at, by stratum, and the strata.

    Raises:
        EvaluateError: if a stratum was sampled but has no area.
    """

    names: tuple[str, ...]
    """Of the strata."""
    counts: NDArray[np.int64]
    """(strata, classes, classes): places of stratum h mapped as i that are j in the reference."""
    hectares: NDArray[np.float64]
    """(strata,) area on the map."""

    def __post_init__(self) -> None:
        if not np.isfinite(self.hectares).all() or not self.hectares.sum() > 0:
            raise EvaluateError("the strata have no known area, give the map a CRS")
        nowhere = self._named((self.sampled > 0) & (self.hectares <= 0))
        if nowhere:
            raise EvaluateError(f"{nowhere} was sampled but has no area, correct the areas")

    @property
    def sampled(self) -> NDArray[np.int64]:
        """(strata,) places in each stratum."""
        return np.asarray(self.counts.sum((1, 2)))

    @property
    def missing(self) -> str:
        """Why nothing can be estimated, "" if something can."""
        empty = (self.sampled == 0) & (self.hectares > 0)
        if not empty.any():
            return ""
        share = self.hectares[empty].sum() / self.hectares.sum()
        return (
            f"no sample lies in {self._named(empty)} ({share:.1%} of the map), so that nothing can "
            "be said of the map as a whole, take samples there or ignore the class (--ignore)"
        )

    def estimate(self) -> tuple[Estimate, list[str]]:
        """Accuracy and areas (ha) of the whole map, and what to know of them.

        Raises:
            EvaluateError: if a stratum was not sampled.
        """
        if self.missing:
            raise EvaluateError(self.missing)
        notes = []
        once = self._named(self.sampled == 1)
        if once:
            notes.append(
                f"sampled only once: {once}; one place has no variance, so intervals that depend "
                "on it are not numbers, sample at least two of each class"
            )
        few = (self.sampled > 1) & (self.sampled < MIN_RELIABLE_SAMPLES)
        if few.any():
            notes.append(
                f"fewer than {MIN_RELIABLE_SAMPLES} samples of "
                f"{self._named(few, counted=True)}, so that intervals are rough there"
            )
        found = estimate(self.counts, self.hectares)
        flat = (self.sampled > 1) & (np.einsum("hii->h", self.counts) == self.sampled)
        if flat.any():
            notes.append(
                f"every sample of {self._named(flat)} is right, so the formula gives an interval "
                "without width; up to three in the number of its samples may still be wrong"
            )
        return found, notes

    def _named(self, some: NDArray[np.bool_], *, counted: bool = False) -> str:
        return ", ".join(
            f"{name} ({n})" if counted else repr(name)
            for name, n, chosen in zip(self.names, self.sampled, some, strict=True)
            if chosen
        )
