"""The confusion matrix of pixels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.metrics import accuracy
from geoseg.metrics.counts import count_pairs


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """Pixels by class of the map (rows) and of the reference (columns); matrices add up.

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
        """Return a matrix without any pixel."""
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
        """Share of pixels mapped as their reference class, 0..1; NaN without pixels."""
        return accuracy.overall_accuracy(self.counts)

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each class, (classes,); NaN for a class without pixels."""
        return accuracy.iou(self.counts)

    @property
    def mean_iou(self) -> float:
        """Mean of `iou` over the classes of the reference; NaN without pixels."""
        return accuracy.mean_iou(self.counts)

    def to_dict(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Return the counts and scores for JSON, as a model file keeps them; NaN becomes None."""
        users, producers = accuracy.users_accuracy, accuracy.producers_accuracy
        columns = (self.iou, users(self.counts), producers(self.counts), self.counts.sum(0))
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


def _to_json(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
