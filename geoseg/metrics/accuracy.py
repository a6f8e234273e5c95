"""Accuracy measures of a confusion matrix of counts or of area shares.

Rows are the classes of the map, columns the classes of the reference. A measure without a
denominator is NaN, never 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.int64] | NDArray[np.float64]
"""(classes, classes): pixels, points or area shares mapped as i that are j in the reference."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Disagreement of map and reference by kind, as shares (Pontius and Millones 2011).

    Law: ``quantity + allocation == 1 - overall_accuracy``, ``exchange + shift == allocation``.
    """

    quantity: float
    """Share that is wrong because classes are mapped too large or too small."""
    allocation: float
    """Share that is wrong because classes are in the wrong place."""
    exchange: float
    """Share of the allocation disagreement that swaps two classes."""
    shift: float
    """Rest of the allocation disagreement, among three or more classes."""


def overall_accuracy(matrix: Matrix) -> float:
    """Return the share mapped as its reference class, 0..1."""
    return float(ratio(np.trace(matrix), matrix.sum()))


def users_accuracy(matrix: Matrix) -> Floats:
    """Return the correct share of each mapped class (precision), (classes,)."""
    return ratio(np.diag(matrix), matrix.sum(1))


def producers_accuracy(matrix: Matrix) -> Floats:
    """Return the detected share of each reference class (recall), (classes,)."""
    return ratio(np.diag(matrix), matrix.sum(0))


def f1(matrix: Matrix) -> Floats:
    """Return the harmonic mean of user's and producer's accuracy (Dice), (classes,)."""
    return ratio(2 * np.diag(matrix), matrix.sum(0) + matrix.sum(1))


def iou(matrix: Matrix) -> Floats:
    """Return the intersection over union of each class, (classes,)."""
    hits = np.diag(matrix)
    return ratio(hits, matrix.sum(0) + matrix.sum(1) - hits)


def mean_iou(matrix: Matrix) -> float:
    """Return the mean of `iou` over the classes of the reference, see `reference_mean`."""
    return reference_mean(iou(matrix), matrix)


def frequency_weighted_iou(matrix: Matrix) -> float:
    """Return the mean of `iou`, weighted by the share of each class in the reference."""
    by_class = np.nan_to_num(iou(matrix))
    return float(ratio((by_class * matrix.sum(0)).sum(), matrix.sum()))


def kappa(matrix: Matrix) -> float:
    """Return Cohen's kappa: agreement beyond the chance agreement of the class sizes."""
    total = float(matrix.sum())
    expected = float(ratio(matrix.sum(0).astype(float) @ matrix.sum(1), total**2))
    return float(ratio(overall_accuracy(matrix) - expected, 1 - expected))


def disagreement(matrix: Matrix) -> Disagreement:
    """Return the disagreement of map and reference by kind."""
    shares = ratio(matrix, matrix.sum())
    hits, rows, cols = np.diag(shares), shares.sum(1), shares.sum(0)
    quantity = float(np.abs(rows - cols).sum() / 2)
    allocation = float(np.minimum(rows - hits, cols - hits).sum())
    exchange = float(2 * np.triu(np.minimum(shares, shares.T), 1).sum())
    return Disagreement(quantity, allocation, exchange, allocation - exchange)


def reference_mean(values: Floats, matrix: Matrix) -> float:
    """Return the mean of a measure over the classes of the reference.

    A class that only the map has is left out. Otherwise one stray pixel would add a zero, and two
    maps with the same reference would have means over different classes.

    Args:
        values: (classes,) the measure; NaN is left out.
        matrix: (classes, classes).
    """
    defined = values[in_reference(matrix) & np.isfinite(values)]
    return float(defined.mean()) if defined.size else float("nan")


def in_reference(matrix: Matrix) -> NDArray[np.bool_]:
    """Return whether each class occurs in the reference, (classes,)."""
    return np.asarray(matrix.sum(0) > 0)


def only_in_map(matrix: Matrix) -> NDArray[np.bool_]:
    """Return whether each class occurs in the map but not in the reference, (classes,)."""
    return np.asarray((matrix.sum(0) == 0) & (matrix.sum(1) > 0))


def ratio(
    numerator: NDArray[np.generic] | float, denominator: NDArray[np.generic] | float
) -> Floats:
    """Divide; NaN where the denominator is 0."""
    numerator, denominator = np.asarray(numerator, float), np.asarray(denominator, float)
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    quotient = np.full(shape, np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator != 0)
    return quotient
