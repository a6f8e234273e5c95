"""Whether confidence is what it says: of what is mapped with 0.9, is 90 % right?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.metrics.accuracy import Floats, ratio

BINS = 15
"""Of equal width, as in Guo et al. (2017, arXiv:1706.04599)."""


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Places by confidence, in bins of equal width over 0..1; those of parts add up."""

    counts: NDArray[np.int64]
    """(bins,) places in each bin."""
    hits: NDArray[np.int64]
    """(bins,) of them mapped right."""
    sums: Floats
    """(bins,) sum of their confidence."""

    @classmethod
    def of(
        cls,
        confidence: Floats,
        hits: NDArray[np.int64] | NDArray[np.bool_],
        counts: NDArray[np.int64] | None = None,
        bins: int = BINS,
    ) -> "Reliability":
        """Sort places into bins; an edge belongs to the bin below it.

        Args:
            confidence: (n,) 0..1.
            hits: (n,) whether, or how many of the places with this confidence, are right.
            counts: (n,) places with this confidence; None for one each.
            bins: how many.
        """
        counts = np.ones(len(confidence), np.int64) if counts is None else counts
        # Rounding keeps 0.2 * 15 from ending up above 3.
        places = np.ceil(np.round(confidence * bins, 9)).astype(np.int64).clip(1, bins) - 1
        sums = np.zeros((3, bins))
        for row, values in zip(sums, (counts, hits, counts * confidence), strict=True):
            np.add.at(row, places, values)
        return cls(sums[0].astype(np.int64), sums[1].astype(np.int64), sums[2])

    def __add__(self, other: "Reliability") -> "Reliability":
        return Reliability(
            self.counts + other.counts, self.hits + other.hits, self.sums + other.sums
        )

    @property
    def confidence(self) -> Floats:
        """Mean confidence in each bin, (bins,); NaN for an empty one."""
        return ratio(self.sums, self.counts)

    @property
    def accuracy(self) -> Floats:
        """Share mapped right in each bin, (bins,); NaN for an empty one."""
        return ratio(self.hits, self.counts)

    @property
    def expected_error(self) -> float:
        """Expected calibration error (ECE): mean gap of confidence and accuracy."""
        gaps = np.nan_to_num(np.abs(self.accuracy - self.confidence))
        return float(ratio((gaps * self.counts).sum(), self.counts.sum()))

    @property
    def largest_error(self) -> float:
        """Maximum calibration error (MCE): the gap of the worst bin."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float(np.nanmax(gaps)) if np.isfinite(gaps).any() else float("nan")
