"""The comparison of two maps as one HTML page in the style of the accuracy report."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.evaluation.comparison.change_areas import ChangeAreas
from geoseg.evaluation.comparison.changes import ChangeTable
from geoseg.evaluation.comparison.comparison_report import ComparisonReport
from geoseg.evaluation.report.html import LEAST_AREA, facts, matrix_cells, render_template
from geoseg.evaluation.report.pictures import Picture, encode_picture
from geoseg.legend import NODATA
from geoseg.metrics import Z95

_MAX_CHANGES = 24
"""Largest number of changes in the table of the page; report.csv has all."""
_NOT_MAPPED = "#1a1a1a"
"""Colour of changes that only the reference has."""
_NO_COMPARISON = 255
"""Red, green and blue of pixels that were not compared."""


def render_comparison(report: ComparisonReport) -> str:
    """Return the report as HTML."""
    return render_template(
        "comparison.html.j2",
        report=report,
        title=" and ".join(report.names),
        summary=report.summary(),
        pictures=list(_pictures(report)),
        cells=matrix_cells(report.pixels),
        has_areas=bool(np.isfinite(report.area_ha).all()),
        class_bars=_class_bars(report),
        changes=_change_rows(report),
        change_count=int(report.table.is_change.sum()),
        estimated=None if report.areas is None else _estimated_rows(report.areas, report.table),
        z95=Z95,
        facts=list(facts(report.provenance)),
    )


def _pictures(report: ComparisonReport) -> Iterator[Picture]:
    """Yield map A, map B and the changes."""
    if report.thumbnails is None or report.thumbnails.reference is None:
        return
    a, b = report.thumbnails.mapped, report.thumbnails.reference
    classes = _palette((c.value, c.rgb) for c in report.legend.classes)
    changes = _palette((c.value, c.rgb) for c in report.table.legend(changed_only=False).classes)
    codes = report.table.codes[a, b]
    yield encode_picture(f"A: {report.names[0]}", classes[a])
    yield encode_picture(f"B: {report.names[1]}", classes[b])
    yield encode_picture("Changes; pale where the class is the same", changes[codes])


def _palette(colors: Iterator[tuple[int, tuple[int, int, int]]]) -> NDArray[np.uint8]:
    """Return red, green and blue (256, 3) of each value, white for other values."""
    palette = np.full((NODATA + 1, 3), _NO_COMPARISON, np.uint8)
    for value, rgb in colors:
        palette[value] = rgb
    return palette


def _class_bars(report: ComparisonReport) -> dict[str, Any]:
    """Return the areas (ha) of the classes in both maps, or their pixels without a CRS."""
    sizes = report.area_ha if np.isfinite(report.area_ha).all() else report.pixels
    in_a, in_b = sizes.sum(1), sizes.sum(0)
    kept = np.diag(sizes)
    net = in_b - in_a
    net[np.abs(net) < LEAST_AREA] = 0  # sums of the same areas in another order
    return {
        "a": in_a, "b": in_b, "gain": in_b - kept, "loss": in_a - kept, "net": net,
        "top": float(np.max([in_a, in_b])),
    }  # fmt: skip


def _change_rows(report: ComparisonReport) -> list[dict[str, Any]]:
    """Return the largest changes, the largest first."""
    pixels = np.where(report.table.is_change, report.change_pixels, 0)
    order = [i for i in np.argsort(-pixels, kind="stable")[:_MAX_CHANGES].tolist() if pixels[i]]
    changes = report.table.changes
    return [
        {
            "name": changes[i].name, "color": changes[i].color, "pixels": int(pixels[i]),
            "area": float(report.change_ha[i]), "share": pixels[i] / report.total,
            "bar": pixels[i] / pixels.max(),
        }
        for i in order
    ]  # fmt: skip


def _estimated_rows(areas: ChangeAreas, table: ChangeTable) -> dict[str, Any]:
    """Return the rows of the table of estimated areas, and the largest value of its bars (ha).

    Changes come before unchanged classes, and large areas before small ones.
    """
    estimate, colors = areas.estimate, [c.color for c in table.changes]
    half_widths = Z95 * estimate.area_se
    order = np.lexsort((-estimate.area, ~areas.is_change))
    rows = [
        {
            "name": areas.names[i],
            "color": colors[i] if i < len(colors) else _NOT_MAPPED,
            "area": float(estimate.area[i]),
            "half_width": float(half_widths[i]),
            "mapped": float(areas.sample.area_ha[i]),
            "users": float(estimate.users_accuracy[i]),
            "users_half_width": Z95 * float(estimate.users_accuracy_se[i]),
            "producers": float(estimate.producers_accuracy[i]),
            "producers_half_width": Z95 * float(estimate.producers_accuracy_se[i]),
            "points": int(areas.sample.sizes[i]),
        }
        for i in order.tolist()
    ]
    ends = np.maximum(areas.sample.area_ha, estimate.area + np.nan_to_num(half_widths))
    return {"rows": rows, "top": float(ends.max())}
