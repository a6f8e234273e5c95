"""The comparison of two maps as a value, and its numbers as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import count_of
from geoseg.evaluation.assessment import HECTARE_M2
from geoseg.evaluation.comparison.better_map import BetterMap
from geoseg.evaluation.comparison.change_areas import ChangeAreas
from geoseg.evaluation.comparison.changes import ChangeTable
from geoseg.evaluation.report.csv_tables import table_text
from geoseg.evaluation.report.evaluation_report import to_json
from geoseg.evaluation.report.html import hectares
from geoseg.evaluation.thumbnails import Thumbnails
from geoseg.legend import Legend
from geoseg.metrics import Z95, Estimate, accuracy

_ALPHA = 0.05
"""p-value below which one map is called better."""


@dataclass(frozen=True, slots=True, eq=False)
class ComparisonReport:
    """The comparison of two maps: counts, areas, estimates, and where they come from."""

    names: tuple[str, str]
    """Names of the maps A and B."""
    legend: Legend
    """Classes of the matrix, in its order."""
    pixels: NDArray[np.int64]
    """(classes, classes) pixels by class in A (rows) and B (columns)."""
    area_ha: NDArray[np.float64]
    """(classes, classes) the same in ha; NaN if the map has no CRS."""
    table: ChangeTable
    """The changes, which are the values of change.tif."""
    change_pixels: NDArray[np.int64]
    """(changes,) pixels of each change."""
    change_ha: NDArray[np.float64]
    """(changes,) area of each change (ha); NaN without a CRS."""
    left_out: Mapping[str, int]
    """Pixels that were not compared, by reason."""
    points_left_out: Mapping[str, int] = field(default_factory=dict)
    """Points that were not compared, by reason."""
    areas: ChangeAreas | None = None
    """Estimated areas of change; None without a sample at both dates."""
    better: BetterMap | None = None
    """Which map is better; None without a sample of one date."""
    notes: tuple[str, ...] = ()
    """Limits of the numbers, as sentences without a full stop."""
    thumbnails: Thumbnails | None = None
    """Reduced copies of both maps: A is its map, B its reference."""
    polygons: int | None = None
    """Number of polygons in change.gpkg; None if it was not written."""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Number of compared pixels."""
        return int(self.pixels.sum())

    @property
    def unchanged_share(self) -> float:
        """Share of the compared pixels with the same class in both maps."""
        return accuracy.overall_accuracy(self.pixels)

    @property
    def changed_ha(self) -> float:
        """Area whose class differs (ha); NaN without a CRS."""
        return float(self.area_ha.sum() - np.trace(self.area_ha))

    def summary(self) -> list[str]:
        """Return the result in sentences."""
        share = 100 * self.unchanged_share
        sentences = [
            f"The class is the same in {share:.1f} % of the pixels with a class in both maps, and "
            f"differs in {100 - share:.1f} %."
        ]
        if self.areas is not None:
            area, half_width = self.areas.changed.area[1], Z95 * self.areas.changed.area_se[1]
            interval = f" ± {hectares(half_width)}" if np.isfinite(half_width) else ""
            sentences.append(
                f"The estimated area of change is {hectares(area)}{interval} ha, "
                f"from {count_of(int(self.areas.counts.sum()), 'point')}."
            )
        if self.better is not None:
            sentences.append(_verdict(self.better))
        return sentences

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers, as in report.json; a number that is not defined is None."""
        data: dict[str, Any] = to_json(
            {
                "map_a": self.names[0],
                "map_b": self.names[1],
                "classes": self.legend.names,
                "legend": self.legend.to_dict()["classes"],
                "compared": self.total,
                "left_out": self.left_out,
                "matrix": self.pixels,
                "matrix_m2": self.area_ha * HECTARE_M2,
                "unchanged": int(np.trace(self.pixels)),
                "unchanged_share": self.unchanged_share,
                "changed_ha": self.changed_ha,
                "area_a_ha": self.area_ha.sum(1),
                "area_b_ha": self.area_ha.sum(0),
                "changes": self._changes(),
                "polygons": self.polygons,
                "points_left_out": self.points_left_out,
                "estimated_changes": self._estimated_changes(),
                "better_map": self._better_map(),
                "notes": self.notes,
                "provenance": self.provenance,
            }
        )
        return data

    def to_csv(self) -> str:
        """Return a table with a row for each change, as in report.csv."""
        rows = [
            [c["value"], c["color"], c["pixels"], c["area_ha"], c["share"]]
            for c in to_json(self._changes())
        ]
        names = [c.name for c in self.table.changes]
        columns = ["change", "value", "color", "pixels", "area_ha", "share"]
        if self.areas is not None:
            columns += ["estimated_area_ha", "estimated_area_ha_ci95"]
            estimate = self.areas.estimate
            only_true = len(self.areas.names) - len(names)
            names = [*self.areas.names]
            rows += [[None, None, 0, 0.0, 0.0]] * only_true
            estimates = to_json(np.column_stack([estimate.area, Z95 * estimate.area_se]))
            rows = [[*row, *numbers] for row, numbers in zip(rows, estimates, strict=True)]
        return table_text(columns, names, rows)

    def _changes(self) -> list[dict[str, Any]]:
        counts = self.change_pixels.tolist(), self.change_ha.tolist()
        names = {c.value: c.name for c in self.legend.classes}
        return [
            {
                "value": change.value,
                "name": change.name,
                "color": change.color,
                "from": names[change.pairs[0][0]] if len(change.pairs) == 1 else None,
                "to": names[change.pairs[0][1]] if len(change.pairs) == 1 else None,
                "pixels": pixels,
                "area_ha": area,
                "share": pixels / self.total,
            }
            for change, pixels, area in zip(self.table.changes, *counts, strict=True)
        ]

    def _estimated_changes(self) -> dict[str, Any] | None:
        if self.areas is None:
            return None
        areas = self.areas
        return {
            "names": areas.names,
            "matrix": areas.counts,
            **_estimated(areas.estimate),
            "mapped_area_ha": areas.sample.area_ha,
            "changed": {
                key: value[1] if isinstance(value, np.ndarray) else value
                for key, value in _estimated(areas.changed).items()
            },
        }

    def _better_map(self) -> dict[str, Any] | None:
        if self.better is None:
            return None
        better = self.better
        return {
            "points": better.points,
            "only_a_right": better.only_a,
            "only_b_right": better.only_b,
            "neither_right": better.neither,
            "points_where_maps_agree": better.agreeing,
            "p_value": better.p_value,
            "differing_share": better.differing,
            "only_a_right_share": better.share_a,
            "only_a_right_share_ci95": Z95 * better.share_a_se,
            "only_b_right_share": better.share_b,
            "only_b_right_share_ci95": Z95 * better.share_b_se,
            "accuracy_difference": better.difference,
            "accuracy_difference_ci95": Z95 * better.difference_se,
        }


def _verdict(better: BetterMap) -> str:
    """Say which map is better, or that the sample does not tell."""
    difference = 100 * better.difference
    half_width = 100 * Z95 * better.difference_se
    interval = f" ± {half_width:.2f}" if np.isfinite(half_width) else ""
    basis = (
        f"({count_of(better.points, 'point')} where the maps differ, exact test p = "
        f"{better.p_value:.2g})"
    )
    if better.p_value < _ALPHA and abs(difference) > 100 * Z95 * better.difference_se:
        return (
            f"Map {'A' if difference > 0 else 'B'} is better: its overall accuracy is higher by "
            f"{abs(difference):.2f}{interval} percentage points {basis}."
        )
    return (
        "The sample does not tell which map is better: the overall accuracy of A minus that of B "
        f"is {difference:.2f}{interval} percentage points {basis}."
    )


def _estimated(estimate: Estimate) -> dict[str, Any]:
    return {
        "area_ha": estimate.area,
        "area_ha_ci95": Z95 * estimate.area_se,
        "users_accuracy": estimate.users_accuracy,
        "users_accuracy_ci95": Z95 * estimate.users_accuracy_se,
        "producers_accuracy": estimate.producers_accuracy,
        "producers_accuracy_ci95": Z95 * estimate.producers_accuracy_se,
        "overall_accuracy": estimate.overall_accuracy,
        "overall_accuracy_ci95": Z95 * estimate.overall_accuracy_se,
    }
