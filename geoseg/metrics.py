"""An addable confusion matrix and what follows from it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
        if mapped.shape != reference.shape:
            raise ValueError(f"a map of {mapped.shape} and a reference of {reference.shape} pixels")
        known = (reference != ignore) & (mapped != ignore)
        rows, cols = mapped[known].astype(np.int64), reference[known].astype(np.int64)
        if max(rows.max(initial=0), cols.max(initial=0)) >= classes:
            raise ValueError(f"a class index beyond the {classes} classes")
        pairs = rows * classes + cols
        counts = np.bincount(pairs, minlength=classes**2)
        return cls(counts.reshape(classes, classes))

    def __add__(self, other: "Confusion") -> "Confusion":
        return Confusion(self.counts + other.counts)

    @property
    def total(self) -> int:
        """Pixels counted."""
        return int(self.counts.sum())

    @property
    def accuracy(self) -> float:
        """Share of pixels mapped as their reference class; NaN if none was counted."""
        return float(np.trace(self.counts)) / self.total if self.total else float("nan")

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each class, (classes,); NaN for a class nowhere seen."""
        hits = np.diag(self.counts)
        return _ratio(hits, self.counts.sum(0) + self.counts.sum(1) - hits)

    @property
    def mean_iou(self) -> float:
        """Mean of `iou` over the classes that occur in the map or the reference."""
        iou = self.iou
        return float(np.nanmean(iou)) if np.isfinite(iou).any() else float("nan")

    @property
    def users_accuracy(self) -> NDArray[np.float64]:
        """Share of each mapped class that is right (precision), (classes,)."""
        return _ratio(np.diag(self.counts), self.counts.sum(1))

    @property
    def producers_accuracy(self) -> NDArray[np.float64]:
        """Share of each reference class that was found (recall), (classes,)."""
        return _ratio(np.diag(self.counts), self.counts.sum(0))

    def to_dict(self, names: tuple[str, ...]) -> dict[str, Any]:
        """All of it as plain data, for JSON; NaN becomes None."""
        columns = (self.iou, self.users_accuracy, self.producers_accuracy, self.counts.sum(0))
        return {
            "pixels": self.total,
            "accuracy": _plain(self.accuracy),
            "mean_iou": _plain(self.mean_iou),
            "classes": {
                name: {
                    "iou": _plain(iou),
                    "users_accuracy": _plain(users),
                    "producers_accuracy": _plain(producers),
                    "pixels": int(pixels),
                }
                for name, iou, users, producers, pixels in zip(names, *columns, strict=True)
            },
            "confusion": self.counts.tolist(),
        }


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    ratio = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio


def _plain(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
