"""The report of two maps of one place."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from geoseg.errors import EvaluateError, check_type
from geoseg.evaluation.assessment import HECTARE_M2, changed_settings, provenance_of_files
from geoseg.evaluation.comparison.better_map import find_better_map
from geoseg.evaluation.comparison.change_areas import estimate_changes
from geoseg.evaluation.comparison.change_raster import (
    CHANGE_POLYGONS,
    write_change_polygons,
    write_change_raster,
)
from geoseg.evaluation.comparison.changes import ChangeTable, make_change_table
from geoseg.evaluation.comparison.compared_points import UNKNOWN_DESIGN_NOTE, compare_points
from geoseg.evaluation.comparison.comparison_report import ComparisonReport
from geoseg.evaluation.comparison.maps import MapPair, open_maps
from geoseg.evaluation.comparison.page import render_comparison
from geoseg.evaluation.comparison.reference import ReferencePoints, read_reference
from geoseg.evaluation.comparison.settings import CHANGE_RASTER, CompareSettings
from geoseg.evaluation.report.csv_tables import table_text
from geoseg.evaluation.thumbnails import Thumbnails
from geoseg.evaluation.window_counts import WindowComparison, count_all
from geoseg.execute import Progress, available_cpus
from geoseg.files import (
    atomic_folder,
    check_folder,
    check_not_open,
    check_vector_path,
    json_text,
    write_texts,
)
from geoseg.legend import NODATA

_REPORT_JSON = "report.json"


def compare(
    a: str | Path,
    b: str | Path,
    *,
    out: str | Path,
    reference: str | Path | None = None,
    settings: CompareSettings = CompareSettings(),
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ComparisonReport:
    """Compare two maps of one place, and write a report with the changes as raster and polygons.

    The maps are of two dates, or of one date by two models. The matrix counts pixels by their class
    in A and in B. Memory does not grow with the size of the maps.

    Points with the true classes at both dates give unbiased areas of change with 95 % intervals.
    Points with the true class at one date, drawn where the maps differ, show which map is better.
    Both kinds of points must be a random sample that `sample` drew from the change.tif of these
    maps.

    Args:
        a: class map; its grid is that of the comparison.
        b: class map on any grid, resampled to the grid of A (nearest pixel). Classes are matched by
            name, or by value if the maps have no class name in common.
        out: folder to write; it appears when it is complete.
        reference: vector file with the points of the sample; None for none.
        settings: how maps and points are read, and what is written.
        workers: number of windows that are compared at the same time; None for the number of cores.
        overwrite: replace an existing report.
        progress: called as windows are compared and written, see `geoseg.execute.Progress`.

    Returns:
        The report; ``to_dict()`` gives the content of report.json.

    Raises:
        EvaluateError: if the maps have no class or no labelled pixel in common, or the points are
            not a sample of their changes.
        LabelError: if a map is not a class raster, or its classes or one to be ignored are not
            known.
        VectorError: if the points cannot be read, or cannot be placed on the maps.
        SceneError: if a map cannot be read.
        OutputError: if the folder exists or cannot be written.
    """
    check_type("settings", settings, CompareSettings)
    if reference is None and (settings.layer is not None or settings.reference_fields):
        raise EvaluateError(
            "layer and fields of a reference are given without a reference, give it too or leave "
            "them out (--layer, --reference-fields)"
        )
    out = Path(out).resolve()
    inputs = (a, b, reference, settings.legend_a, settings.legend_b)
    check_folder(out, CHANGE_RASTER, "a comparison", overwrite=overwrite, inputs=inputs)
    check_not_open(out / CHANGE_POLYGONS)
    if settings.polygons:
        check_vector_path(out / CHANGE_POLYGONS)
    workers = workers or available_cpus()
    maps = open_maps(str(a), str(b), settings, has_reference=reference is not None)
    points = None if reference is None else read_reference(str(reference), maps, settings)
    report = _compare_maps(maps, points, workers, progress, settings)
    legend = report.table.legend(changed_only=settings.changed_only)
    with atomic_folder(out) as folder:
        write_change_raster(
            folder, maps, report.table, report.change_pixels, changed_only=settings.changed_only,
            workers=workers, progress=progress,
        )  # fmt: skip
        polygons = None
        if settings.polygons:
            polygons = write_change_polygons(folder, legend, workers=workers, progress=progress)
        report = replace(report, polygons=polygons)
        _write_texts(folder, report)
    return report


def _compare_maps(
    maps: MapPair,
    points: ReferencePoints | None,
    workers: int,
    progress: Progress | None,
    settings: CompareSettings,
) -> ComparisonReport:
    """Count both maps, and estimate from the points."""
    comparison = WindowComparison(maps.scene, maps.a, maps.b, measures_pairs=True)
    totals, thumbnails = count_all(comparison, workers, progress)
    pairs, values = totals.pairs, np.array(maps.legend.values)
    pixels = pairs[np.ix_(values, values)]
    if not pixels.sum():
        raise EvaluateError(
            f"maps {maps.path_a} and {maps.path_b} have no pixel with a class in both, see with "
            "`geoseg info` where both lie and which classes they have"
        )
    table = make_change_table(pairs, maps.legend)
    if settings.changed_only and not table.is_change.any():
        raise EvaluateError(
            f"maps {maps.path_a} and {maps.path_b} do not differ, so change.tif would be empty, "
            "leave out --changed-only"
        )
    notes = [*maps.notes, *_merged_note(table)]
    change_pixels, change_m2 = table.sums(pairs), table.sums(totals.pair_area_m2)
    areas = better = None
    left_out = dict[str, int]()
    if points is not None:
        compared = compare_points(points, maps, table)
        left_out = compared.left_out
        if points.one_date:
            known = np.isfinite(change_m2).all()
            weights = change_m2 if known else change_pixels.astype(np.float64)
            better = find_better_map(compared, table, weights)
            notes += better.notes
        else:
            areas = estimate_changes(compared, table, change_m2 / HECTARE_M2, maps.legend)
            notes += areas.notes
        if points.strata is None:
            notes.append(UNKNOWN_DESIGN_NOTE)
    reference = None if points is None else points.path
    files = provenance_of_files(map_a=maps.path_a, map_b=maps.path_b, reference=reference)
    return ComparisonReport(
        names=maps.names,
        legend=maps.legend,
        pixels=pixels,
        area_ha=totals.pair_area_m2[np.ix_(values, values)] / HECTARE_M2,
        table=table,
        change_pixels=change_pixels,
        change_ha=change_m2 / HECTARE_M2,
        left_out={
            "no class in A": int(pairs[NODATA, :NODATA].sum()),
            "no class in B": int(pairs[:NODATA, NODATA].sum()),
            "no class in either": int(pairs[NODATA, NODATA]),
        },
        points_left_out=left_out,
        areas=areas,
        better=better,
        notes=tuple(notes),
        thumbnails=Thumbnails(thumbnails[0], thumbnails[1]),
        provenance={**files, "settings": changed_settings(settings)},
    )


def _merged_note(table: ChangeTable) -> list[str]:
    if not table.is_merged:
        return []
    rest = f", and {table.rest:,} rare changes are its class 'other change'" if table.rest else ""
    return [
        "There are more than 254 pairs of classes, so all unchanged classes are one class of "
        f"change.tif{rest}; the matrix has all pairs"
    ]


def _write_texts(folder: Path, report: ComparisonReport) -> None:
    """Write the report as data, as tables and as a page."""
    names = report.legend.names
    head = ["A \\ B", *names]
    files = {
        _REPORT_JSON: json_text(report.to_dict()) + "\n",
        "report.csv": report.to_csv(),
        "matrix.csv": table_text(head, names, report.pixels.tolist()),
        "classes.csv": report.legend.to_csv(),
        "report.html": render_comparison(report),
    }
    if np.isfinite(report.area_ha).all():
        m2 = (report.area_ha * HECTARE_M2).tolist()
        files["matrix_m2.csv"] = table_text(head, names, m2)
    write_texts(folder, files)
