"""An addable confusion matrix of pixels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.metrics import accuracy as agreement

_VALUES = 256
_PIXELS_PER_BATCH = 1 << 17
"""Pixels counted together: few enough that what they need stays in the processor's cache."""


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """Counts of pixels, rows the map's class, columns the reference's; matrices of parts add up.

    Raises:
        ValueError: if the counts are not a square matrix of integers.
    """

    counts: NDArray[np.int64]
    """(classes, classes): ``counts[i, j]`` pixels mapped as i that are j in the reference."""

    def __post_init__(self) -> None:
        if self.counts.ndim != 2 or self.counts.shape[0] != self.counts.shape[1]:
            raise ValueError(f"not a square matrix: {self.counts.shape}")
        if not np.issubdtype(self.counts.dtype, np.integer):
            raise ValueError(f"counts of {self.counts.dtype}, not of integers")

    @classmethod
    def zeros(cls, classes: int) -> "Confusion":
        """An empty matrix."""
        return cls(np.zeros((classes, classes), np.int64))

    @classmethod
    def of(
        cls, mapped: NDArray[np.uint8], reference: NDArray[np.uint8], classes: int, ignore: int
    ) -> "Confusion":
        """Count two arrays of class indices of one shape; pixels with ``ignore`` are left out.

        Raises:
            ValueError: if the shapes differ, or an index is neither a class nor ``ignore``.
        """
        counts = count_pairs(mapped, reference)
        counts[ignore] = counts[:, ignore] = 0
        if counts[classes:].any() or counts[:, classes:].any():
            raise ValueError(f"a class index beyond the {classes} classes")
        return cls(counts[:classes, :classes].copy())

    def __add__(self, other: "Confusion") -> "Confusion":
        return Confusion(self.counts + other.counts)

    @property
    def total(self) -> int:
        """Pixels counted."""
        return int(self.counts.sum())

    @property
    def accuracy(self) -> float:
        """Share of pixels mapped as their reference class; NaN if none was counted."""
        return agreement.overall_accuracy(self.counts)

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each class, (classes,); NaN for a class nowhere seen."""
        return agreement.iou(self.counts)

    @property
    def mean_iou(self) -> float:
        """Mean of `iou` over the classes of the reference; NaN if no pixel was counted."""
        return agreement.mean_iou(self.counts)

    @property
    def users_accuracy(self) -> NDArray[np.float64]:
        """Share of each mapped class that is right (precision), (classes,)."""
        return agreement.users_accuracy(self.counts)

    @property
    def producers_accuracy(self) -> NDArray[np.float64]:
        """Share of each reference class that was found (recall), (classes,)."""
        return agreement.producers_accuracy(self.counts)

    def to_dict(self, names: tuple[str, ...]) -> dict[str, Any]:
        """What a model file keeps of it, as plain data for JSON; NaN becomes None."""
        columns = (self.iou, self.users_accuracy, self.producers_accuracy, self.counts.sum(0))
        return {
            "pixels": self.total,
            "accuracy": _to_json(self.accuracy),
            "mean_iou": _to_json(self.mean_iou),
            "classes": {
                name: {
                    "iou": _to_json(iou),
                    "users_accuracy": _to_json(users),
                    "producers_accuracy": _to_json(producers),
                    "pixels": int(pixels),
                }
                for name, iou, users, producers, pixels in zip(names, *columns, strict=True)
            },
            "confusion": self.counts.tolist(),
        }


def count_pairs(mapped: NDArray[np.uint8], reference: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How often each pair of values occurs in two arrays of one shape.

    Returns:
        (256, 256): ``counts[i, j]`` places with i in the map and j in the reference.

    Raises:
        ValueError: if the shapes differ.
    """
    if mapped.shape != reference.shape:
        raise ValueError(f"a map of {mapped.shape} and a reference of {reference.shape} pixels")
    rows, cols = mapped.reshape(-1), reference.reshape(-1)
    counts = np.zeros(_VALUES**2, np.int64)
    for first in range(0, rows.size, _PIXELS_PER_BATCH):
        some = slice(first, first + _PIXELS_PER_BATCH)
        pairs = rows[some].astype(np.uint16) << 8 | cols[some]
        counts += np.bincount(pairs, minlength=_VALUES**2)
    return counts.reshape(_VALUES, _VALUES)


def _to_json(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
