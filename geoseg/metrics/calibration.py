"""Calibration of the confidence: are 90 % of the pixels with a confidence of 0.9 correct?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.metrics.accuracy import Floats, ratio

BINS = 15
"""Number of bins of equal width, as in Guo et al. (2017, arXiv:1706.04599)."""


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Counts of pixels or points by confidence, in bins of equal width over 0..1."""

    counts: Floats
    """(bins,) pixels or points in each bin, or the area for which they stand."""
    hits: Floats
    """(bins,) of them mapped correctly."""
    confidence_sums: Floats
    """(bins,) sum of their confidence."""

    @classmethod
    def of(
        cls,
        confidence: Floats,
        hits: Floats | NDArray[np.int64] | NDArray[np.bool_],
        counts: Floats | NDArray[np.int64] | None = None,
        bins: int = BINS,
    ) -> "Reliability":
        """Sort pixels or points into bins; an edge belongs to the bin below it.

        Args:
            confidence: (n,) 0..1.
            hits: (n,) number or area of correct pixels of this confidence, or True and False.
            counts: (n,) number or area of pixels of this confidence; None for 1.
            bins: number of bins.
        """
        counts = np.ones(len(confidence)) if counts is None else counts
        # Rounding keeps 0.2 * 15 from ending up above 3.
        indices = np.ceil(np.round(confidence * bins, 9)).astype(np.int64).clip(1, bins) - 1
        sums = np.zeros((3, bins))
        for row, values in zip(sums, (counts, hits, counts * confidence), strict=True):
            np.add.at(row, indices, values)
        return cls(*sums)

    @property
    def confidence(self) -> Floats:
        """Mean confidence in each bin, (bins,); NaN for an empty bin."""
        return ratio(self.confidence_sums, self.counts)

    @property
    def accuracy(self) -> Floats:
        """Correct share of each bin, (bins,); NaN for an empty bin."""
        return ratio(self.hits, self.counts)

    @property
    def expected_error(self) -> float:
        """Expected calibration error (ECE): mean difference of confidence and accuracy, 0..1."""
        gaps = np.nan_to_num(np.abs(self.accuracy - self.confidence))
        return float(ratio((gaps * self.counts).sum(), self.counts.sum()))

    @property
    def largest_error(self) -> float:
        """Maximum calibration error (MCE): largest difference of a bin, 0..1."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float(np.nanmax(gaps)) if np.isfinite(gaps).any() else float("nan")
