"""The accuracy report as a value, and its numbers as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.evaluation.estimation import StratifiedSample
from geoseg.evaluation.report.csv_tables import table_text
from geoseg.evaluation.thumbnails import Thumbnails
from geoseg.legend import Legend
from geoseg.metrics import Z95, Estimate, Reliability, accuracy


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationReport:
    """The comparison of a map with a reference: counts, estimates, and where they come from."""

    title: str
    legend: Legend
    """Classes of the matrix, in its order."""
    counts: NDArray[np.int64]
    """(classes, classes) by class of the map (rows) and of the reference (columns)."""
    unit: str
    """What is counted: "pixels" or "points"."""
    area_ha: NDArray[np.float64] | None = None
    """(classes,) mapped area (ha); None or NaN if it is not known."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Pixels or points that were not compared, by reason."""
    boundary_iou: NDArray[np.float64] | None = None
    """(classes,); None if it was not computed."""
    boundary_distance: str = ""
    """Distance to an outline within which boundary IoU counts pixels: "3 px, 1.5 m"."""
    sample: StratifiedSample | None = None
    """The sample, for estimates for the whole map."""
    estimate: Estimate | None = None
    """Estimates for the whole map, areas in ha; None without a sample."""
    reliability: Reliability | None = None
    """Calibration of the confidence; None without a confidence raster."""
    notes: tuple[str, ...] = ()
    """Limits of the numbers, as sentences without a full stop."""
    thumbnails: Thumbnails | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """(classes,) names."""
        return self.legend.names

    @property
    def total(self) -> int:
        """Number of compared pixels or points."""
        return int(self.counts.sum())

    @property
    def matrix(self) -> accuracy.Matrix:
        """(classes, classes) the matrix to cite: area shares if estimated, else counts."""
        return self.counts if self.estimate is None else self.estimate.shares

    @property
    def reliability_unit(self) -> str:
        """What the calibration counts: pixels, points, or the hectares that points stand for."""
        return "ha" if self.unit == "points" and self.estimate is not None else self.unit

    def selected_names(self, selected: NDArray[np.bool_]) -> tuple[str, ...]:
        """Return the names of the selected classes (classes,)."""
        return tuple(compress(self.names, selected))

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers, as in report.json; a number that is not defined is None."""
        data: dict[str, Any] = to_json(
            {
                "title": self.title,
                "classes": self.names,
                "legend": self.legend.to_dict()["classes"],
                "unit": self.unit,
                "compared": self.total,
                "left_out": self.left_out,
                "matrix": self.counts,
                "matrix_shares": accuracy.ratio(self.counts, self.counts.sum()),
                **self._scores(self.counts),
                "boundary_iou": self.boundary_iou,
                "mean_boundary_iou": None
                if self.boundary_iou is None
                else accuracy.reference_mean(self.boundary_iou, self.counts),
                "boundary_distance": self.boundary_distance or None,
                "mapped_area_ha": self.area_ha,
                "area_adjusted": self._area_adjusted(),
                "calibration": self._calibration(),
                "notes": self.notes,
                "provenance": self.provenance,
            }
        )
        return data

    def to_csv(self) -> str:
        """Return a table with a row for each class, as in report.csv."""
        data = self.to_dict()
        adjusted = data["area_adjusted"] or {}
        columns = {
            "mapped": self.counts.sum(1).tolist(), "reference": self.counts.sum(0).tolist(),
            **{name: data[name] for name in _PER_CLASS},
            "boundary_iou": data["boundary_iou"], "mapped_area_ha": data["mapped_area_ha"],
            **{f"adjusted_{name}": adjusted.get(name) for name in _ADJUSTED},
        }  # fmt: skip
        columns = {name: values for name, values in columns.items() if values is not None}
        rows = zip(*columns.values(), strict=True)
        return table_text(["class", *columns], self.names, rows)

    def _scores(self, matrix: accuracy.Matrix) -> dict[str, Any]:
        disagreement = accuracy.disagreement(matrix)
        return {
            "overall_accuracy": accuracy.overall_accuracy(matrix),
            "users_accuracy": accuracy.users_accuracy(matrix),
            "producers_accuracy": accuracy.producers_accuracy(matrix),
            "f1": accuracy.f1(matrix),
            "iou": accuracy.iou(matrix),
            "frequency_weighted_iou": accuracy.frequency_weighted_iou(matrix),
            "kappa": accuracy.kappa(matrix),
            "quantity_disagreement": disagreement.quantity,
            "allocation_disagreement": disagreement.allocation,
            "exchange": disagreement.exchange,
            "shift": disagreement.shift,
            "mean_iou": accuracy.mean_iou(matrix),
            "mean_iou_classes": self.selected_names(accuracy.in_reference(matrix)),
            "mean_iou_left_out": self.selected_names(accuracy.only_in_map(matrix)),
        }

    def _area_adjusted(self) -> dict[str, Any] | None:
        if self.estimate is None or self.sample is None:
            return None
        estimate, sample = self.estimate, self.sample
        strata = zip(sample.names, sample.area_ha.tolist(), sample.sizes.tolist(), strict=True)
        return {
            **self._scores(estimate.shares),
            "overall_accuracy_ci95": Z95 * estimate.overall_accuracy_se,
            "users_accuracy_ci95": Z95 * estimate.users_accuracy_se,
            "producers_accuracy_ci95": Z95 * estimate.producers_accuracy_se,
            "area_ha": estimate.area,
            "area_ha_ci95": Z95 * estimate.area_se,
            "mapped_area_ha": self.area_ha,
            "matrix_shares": estimate.shares,
            "strata": [
                {"name": name, "area_ha": area, "points": size} for name, area, size in strata
            ],
        }

    def _calibration(self) -> dict[str, Any] | None:
        if self.reliability is None:
            return None
        return {
            "expected_calibration_error": self.reliability.expected_error,
            "maximum_calibration_error": self.reliability.largest_error,
            "bins": {
                ("area_ha" if self.reliability_unit == "ha" else "count"): self.reliability.counts,
                "confidence": self.reliability.confidence,
                "accuracy": self.reliability.accuracy,
            },
        }


_PER_CLASS = ("users_accuracy", "producers_accuracy", "f1", "iou")
_ADJUSTED = (
    "users_accuracy", "users_accuracy_ci95", "producers_accuracy", "producers_accuracy_ci95",
    "area_ha", "area_ha_ci95",
)  # fmt: skip


def to_json(value: Any) -> Any:  # noqa: ANN401 - any value that JSON can hold
    """Return arrays and tuples as lists and NaN as None, at every depth."""
    if isinstance(value, np.ndarray):
        return to_json(value.tolist())
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
