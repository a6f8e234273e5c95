"""What an evaluation found, and its numbers as plain data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.evaluation.estimation import StratifiedSample
from geoseg.evaluation.report.csv_tables import table_text
from geoseg.legend import Legend
from geoseg.metrics import Z95, Estimate, Reliability
from geoseg.metrics import accuracy as agreement


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnails:
    """The ground at reduced size."""

    mapped: NDArray[np.uint8]
    """(rows, cols) class values, 255 for none."""
    reference: NDArray[np.uint8] | None = None
    """The same of the reference; None where it has points."""
    image: NDArray[np.uint8] | None = None
    """(rows, cols, 3) red, green and blue, of about that shape."""
    points: NDArray[np.float64] | None = None
    """(n, 4): row and column as shares of the map's sides, value in the map and the reference."""


@dataclass(frozen=True, slots=True, eq=False)
class AssessmentResult:
    """All numbers of a report."""

    title: str
    legend: Legend
    """Classes of the matrix, in its order."""
    counts: NDArray[np.int64]
    """(classes, classes) by map (rows) and reference (columns)."""
    unit: str
    """What is counted: "pixels" or "samples"."""
    hectares: NDArray[np.float64] | None = None
    """(classes,) mapped area; None or NaN where it is not known."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """What was not compared, by reason."""
    boundary: NDArray[np.float64] | None = None
    """(classes,) boundary IoU."""
    boundary_distance: str = ""
    """How near to an outline it looks, in words."""
    sample: StratifiedSample | None = None
    """Where the reference is a sample."""
    estimate: Estimate | None = None
    """What the sample says of the whole map, areas in ha."""
    reliability: Reliability | None = None
    notes: tuple[str, ...] = ()
    """Whole sentences, without a full stop."""
    pictures: Thumbnails | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes."""
        return self.legend.names

    @property
    def total(self) -> int:
        """What was compared."""
        return int(self.counts.sum())

    @property
    def matrix(self) -> agreement.Matrix:
        """(classes, classes) what to cite: shares of the whole map if estimated, else counts."""
        return self.counts if self.estimate is None else self.estimate.shares

    def named(self, chosen: NDArray[np.bool_]) -> tuple[str, ...]:
        """Names of the classes for which ``chosen`` (classes,) is True."""
        return tuple(name for name, yes in zip(self.names, chosen, strict=True) if yes)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pictures, for JSON; what is not a number is None."""
        data: dict[str, Any] = to_json_value(
            {
                "title": self.title,
                "classes": list(self.names),
                "legend": self.legend.to_dict()["classes"],
                "unit": self.unit,
                "compared": self.total,
                "left_out": dict(self.left_out),
                "matrix": self.counts,
                "matrix_shares": agreement.ratio(self.counts, self.counts.sum()),
                **_class_scores(self.counts),
                **self._mean_iou(self.counts),
                "boundary_iou": self.boundary,
                "mean_boundary_iou": None
                if self.boundary is None
                else agreement.reference_mean(self.boundary, self.counts),
                "boundary_distance": self.boundary_distance or None,
                "mapped_area_ha": self.hectares,
                "area_adjusted": self._adjusted(),
                "calibration": self._calibration(),
                "notes": list(self.notes),
                "provenance": dict(self.provenance),
            }
        )
        return data

    def to_csv(self) -> str:
        """A row a class."""
        each = self.to_dict()
        adjusted = each["area_adjusted"] or {}
        columns = {
            "mapped": self.counts.sum(1).tolist(), "reference": self.counts.sum(0).tolist(),
            **{name: each[name] for name in _PER_CLASS},
            "boundary_iou": each["boundary_iou"], "mapped_area_ha": each["mapped_area_ha"],
            **{f"adjusted_{name}": adjusted.get(name) for name in _ADJUSTED},
        }  # fmt: skip
        there = {name: values for name, values in columns.items() if values is not None}
        rows = ([values[i] for values in there.values()] for i in range(len(self.names)))
        return table_text(["class", *there], zip(self.names, rows, strict=True))

    def _adjusted(self) -> dict[str, Any] | None:
        if self.estimate is None or self.sample is None:
            return None
        found = self.estimate
        return {
            "overall_accuracy": found.overall_accuracy,
            "overall_accuracy_ci95": Z95 * found.overall_accuracy_se,
            "users_accuracy": found.users_accuracy,
            "users_accuracy_ci95": Z95 * found.users_accuracy_se,
            "producers_accuracy": found.producers_accuracy,
            "producers_accuracy_ci95": Z95 * found.producers_accuracy_se,
            "area_ha": found.area,
            "area_ha_ci95": Z95 * found.area_se,
            "mapped_area_ha": self.hectares,
            "matrix_shares": found.shares,
            "f1": agreement.f1(found.shares),
            "iou": agreement.iou(found.shares),
            **self._mean_iou(found.shares),
            "frequency_weighted_iou": agreement.frequency_weighted_iou(found.shares),
            "kappa": agreement.kappa(found.shares),
            **_disagreement(found.shares),
            "strata": [
                {"name": name, "area_ha": float(area), "samples": int(n)}
                for name, area, n in zip(
                    self.sample.names, self.sample.hectares, self.sample.sampled, strict=True
                )
            ],
        }

    def _mean_iou(self, matrix: agreement.Matrix) -> dict[str, Any]:
        """Mean IoU, the classes that it is over, and those that it leaves out."""
        return {
            "mean_iou": agreement.mean_iou(matrix),
            "mean_iou_classes": self.named(agreement.in_reference(matrix)),
            "mean_iou_left_out": self.named(agreement.only_in_map(matrix)),
        }

    def _calibration(self) -> dict[str, Any] | None:
        if self.reliability is None:
            return None
        found = self.reliability
        return {
            "expected_calibration_error": found.expected_error,
            "maximum_calibration_error": found.largest_error,
            "bins": {
                "count": found.counts,
                "confidence": found.confidence,
                "accuracy": found.accuracy,
            },
        }


_PER_CLASS = ("users_accuracy", "producers_accuracy", "f1", "iou")
_ADJUSTED = (
    "users_accuracy", "users_accuracy_ci95", "producers_accuracy", "producers_accuracy_ci95",
    "area_ha", "area_ha_ci95",
)  # fmt: skip


def _class_scores(counts: NDArray[np.int64]) -> dict[str, Any]:
    return {
        "overall_accuracy": agreement.overall_accuracy(counts),
        "users_accuracy": agreement.users_accuracy(counts),
        "producers_accuracy": agreement.producers_accuracy(counts),
        "f1": agreement.f1(counts),
        "iou": agreement.iou(counts),
        "frequency_weighted_iou": agreement.frequency_weighted_iou(counts),
        "kappa": agreement.kappa(counts),
        **_disagreement(counts),
    }


def _disagreement(matrix: agreement.Matrix) -> dict[str, float]:
    found = asdict(agreement.disagreement(matrix))
    names = {"quantity": "quantity_disagreement", "allocation": "allocation_disagreement"}
    return {names.get(name, name): value for name, value in found.items()}


def to_json_value(value: Any) -> Any:  # noqa: ANN401 - what JSON can hold
    """Arrays as lists, NaN as None, all the way down."""
    if isinstance(value, np.ndarray):
        return to_json_value(value.tolist())
    if isinstance(value, Mapping):
        return {key: to_json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json_value(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
