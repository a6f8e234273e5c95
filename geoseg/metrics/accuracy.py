"""How far a map agrees with a reference: numbers from a matrix of counts or of shares.

Rows are the map's classes, columns the reference's. What nothing was seen of is NaN, never 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.int64] | NDArray[np.float64]
"""(classes, classes): pixels, points or shares of the ground mapped as i that are j."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Shares of what is mapped wrong, by kind (Pontius and Millones 2011).

    Law: ``quantity + allocation == 1 - overall_accuracy``, ``exchange + shift == allocation``.
    """

    quantity: float
    """Classes mapped too large or too small."""
    allocation: float
    """Classes of the right size in the wrong place."""
    exchange: float
    """Part of the allocation that swaps two classes."""
    shift: float
    """The other part, that goes round over three classes or more."""


def overall_accuracy(matrix: Matrix) -> float:
    """Share mapped as its reference class."""
    return float(ratio(np.trace(matrix), matrix.sum()))


def users_accuracy(matrix: Matrix) -> Floats:
    """Share of each mapped class that is right (precision), (classes,)."""
    return ratio(np.diag(matrix), matrix.sum(1))


def producers_accuracy(matrix: Matrix) -> Floats:
    """Share of each reference class that was found (recall), (classes,)."""
    return ratio(np.diag(matrix), matrix.sum(0))


def f1(matrix: Matrix) -> Floats:
    """Harmonic mean of user's and producer's accuracy (Dice), (classes,)."""
    return ratio(2 * np.diag(matrix), matrix.sum(0) + matrix.sum(1))


def iou(matrix: Matrix) -> Floats:
    """Intersection over union of each class, (classes,)."""
    hits = np.diag(matrix)
    return ratio(hits, matrix.sum(0) + matrix.sum(1) - hits)


def mean_iou(matrix: Matrix) -> float:
    """Mean of `iou` over the classes of the reference, see `reference_mean`."""
    return reference_mean(iou(matrix), matrix)


def frequency_weighted_iou(matrix: Matrix) -> float:
    """Mean of `iou`, each class by its share of the reference."""
    found = np.nan_to_num(iou(matrix))
    return float(ratio((found * matrix.sum(0)).sum(), matrix.sum()))


def kappa(matrix: Matrix) -> float:
    """Cohen's kappa: agreement beyond what the two sets of sizes would give by chance."""
    total = float(matrix.sum())
    expected = float(ratio(matrix.sum(0).astype(float) @ matrix.sum(1), total**2))
    return float(ratio(overall_accuracy(matrix) - expected, 1 - expected))


def disagreement(matrix: Matrix) -> Disagreement:
    """What is mapped wrong, by kind."""
    shares = ratio(matrix, matrix.sum())
    hits, rows, cols = np.diag(shares), shares.sum(1), shares.sum(0)
    quantity = float(np.abs(rows - cols).sum() / 2)
    allocation = float(np.minimum(rows - hits, cols - hits).sum())
    exchange = float(2 * np.triu(np.minimum(shares, shares.T), 1).sum())
    return Disagreement(quantity, allocation, exchange, allocation - exchange)


def reference_mean(values: Floats, matrix: Matrix) -> float:
    """Mean of a measure over the classes of the reference.

    A class that only the map has is left out. Otherwise one stray pixel of it would add a zero, and
    two maps with the same reference would have means over different sets of classes.

    Args:
        values: (classes,) the measure; NaN where it is not defined, which is left out.
        matrix: (classes, classes).
    """
    chosen = values[in_reference(matrix) & np.isfinite(values)]
    return float(chosen.mean()) if chosen.size else float("nan")


def in_reference(matrix: Matrix) -> NDArray[np.bool_]:
    """Whether each class occurs in the reference, (classes,)."""
    return np.asarray(matrix.sum(0) > 0)


def only_in_map(matrix: Matrix) -> NDArray[np.bool_]:
    """Whether each class occurs in the map and not in the reference, (classes,)."""
    return np.asarray((matrix.sum(0) == 0) & (matrix.sum(1) > 0))


def ratio(part: NDArray[np.generic] | float, whole: NDArray[np.generic] | float) -> Floats:
    """Part over whole, NaN where the whole is 0."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    shape = np.broadcast_shapes(part.shape, whole.shape)
    found = np.full(shape, np.nan)
    np.divide(part, whole, out=found, where=whole != 0)
    return found
