"""The accuracy report of a map and its reference, or of an error matrix."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from geoseg.errors import EvaluateError, check_type
from geoseg.evaluation.assessment import Assessment, provenance_of_files
from geoseg.evaluation.comparison.settings import CHANGE_RASTER
from geoseg.evaluation.estimation import StratifiedSample
from geoseg.evaluation.pixel_assessment import assess_pixels
from geoseg.evaluation.point_assessment import assess_points
from geoseg.evaluation.points import SUGGESTED_FIELD, check_not_suggested, is_point_layer
from geoseg.evaluation.report.csv_tables import read_areas, read_matrix, table_text
from geoseg.evaluation.report.evaluation_report import EvaluationReport
from geoseg.evaluation.report.page import render_page
from geoseg.evaluation.settings import EvaluateSettings
from geoseg.execute import Progress, available_cpus
from geoseg.files import atomic_folder, check_folder, json_text, write_texts
from geoseg.labels import VectorLabelFile, open_map, open_reference, recode_labels, without_ignored
from geoseg.legend import Legend, as_legend
from geoseg.metrics import by_map_class
from geoseg.vectors import is_vector_file

_REPORT_JSON = "report.json"
_CLASS_FIELD = "reference"
"""Field of the class, as `sample` writes it."""


def evaluate(
    lulc: str | Path,
    reference: str | Path,
    out: str | Path,
    *,
    settings: EvaluateSettings = EvaluateSettings(),
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> EvaluationReport:
    """Compare a class map with a reference and write a report.

    A raster or polygons are compared with the map pixel by pixel. Points are a stratified random
    sample: accuracy and areas of the whole map are estimated from them, with 95 % intervals.

    Args:
        lulc: class map.
        reference: raster on any grid (resampled to the grid of the map, nearest pixel), or polygons
            or points in any CRS.
        out: folder to write; it appears when it is complete.
        settings: how map and reference are read, and what is computed.
        workers: number of windows that are compared at the same time; None for the number of cores.
        overwrite: replace an existing report.
        progress: called as windows of the map are compared, see `geoseg.execute.Progress`.

    Returns:
        The report; ``to_dict()`` gives the content of report.json.

    Raises:
        EvaluateError: if nothing can be compared, or the sample does not fit the strata.
        LabelError: if the classes of map and reference do not fit, a class to be ignored is
            unknown, or the map has no CRS.
        SceneError: if a raster cannot be read.
        VectorError: if polygons or points cannot be read, or cannot be placed on the map.
        OutputError: if the folder exists or cannot be written.
    """
    check_type("settings", settings, EvaluateSettings)
    out = Path(out).resolve()
    inputs = (
        lulc, reference, settings.legend, settings.reference_legend, settings.strata,
        settings.strata_legend, settings.confidence, settings.image,
    )  # fmt: skip
    _check_out(out, inputs, overwrite=overwrite)
    path, ignore = str(lulc), settings.ignore
    scene, mapped = open_map(path, as_legend(settings.legend), ignore)
    report = _assess(
        Assessment(
            path, scene, mapped, without_ignored(mapped.legend, ignore), str(reference), settings,
            workers or available_cpus(), progress,
        )
    )  # fmt: skip
    _write_report(out, report)
    return report


def _assess(assessment: Assessment) -> EvaluationReport:
    """Compare the map with its reference, whatever kind of file that is."""
    settings, path, scene = assessment.settings, assessment.reference, assessment.scene
    legend, own_legend = assessment.labels.legend, as_legend(settings.reference_legend)
    if not is_vector_file(path):
        if settings.layer is not None or settings.class_field is not None:
            raise EvaluateError(
                f"reference {path} is a raster, which has no layer or field, leave them out "
                "(--layer, --class-field)"
            )
        reference = open_reference(path, scene, legend, own_legend, settings.ignore)
        return assess_pixels(assessment, reference)
    field = settings.class_field or _CLASS_FIELD
    file = VectorLabelFile(path, field, own_legend or legend, settings.ignore, settings.layer)
    file.check_ignored(legend, own_legend)
    is_sample = is_point_layer(file, path, scene)
    if is_sample or settings.sampled:
        check_not_suggested(file.column(SUGGESTED_FIELD), path)
    if is_sample:
        return assess_points(assessment, file)
    return assess_pixels(
        assessment, recode_labels(file.on_grid_of(scene), legend, path, settings.ignore)
    )


def evaluate_matrix(
    matrix: str | Path,
    out: str | Path,
    *,
    areas: str | Path | None = None,
    legend: Legend | str | Path | None = None,
    overwrite: bool = False,
) -> EvaluationReport:
    """Write the report of an existing error matrix.

    Args:
        matrix: CSV of counts; its first column names the mapped classes, its first row the
            reference classes.
        out: folder to write; it appears when it is complete.
        areas: CSV with a header and the mapped area (ha) of each class, for a matrix of points
            drawn within each mapped class: accuracy and areas of the whole map are then estimated.
        legend: colours of the classes, by name.
        overwrite: replace an existing report.

    Returns:
        The report; ``to_dict()`` gives the content of report.json.

    Raises:
        EvaluateError: if a file cannot be read, or a class has no point.
        LabelError: if the legend lacks a class.
        OutputError: if the folder exists or cannot be written.
    """
    out = Path(out).resolve()
    _check_out(out, (matrix, areas, legend), overwrite=overwrite)
    names, counts = read_matrix(matrix)
    colored = _legend_of(names, as_legend(legend))
    area_ha = sample = estimate = None
    notes: list[str] = []
    if areas is not None:
        area_ha = read_areas(areas, names)
        sample = StratifiedSample(names, by_map_class(counts), area_ha)
        estimate, notes = sample.estimate()
    report = EvaluationReport(
        title=Path(matrix).name,
        legend=colored,
        counts=counts,
        unit="points",
        area_ha=area_ha,
        sample=sample,
        estimate=estimate,
        notes=tuple(notes),
        provenance=provenance_of_files(matrix=matrix, areas=areas),
    )
    _write_report(out, report)
    return report


def _legend_of(names: tuple[str, ...], colors: Legend | None) -> Legend:
    """Return classes of these names in this order, in the colours of a legend."""
    legend = Legend.from_names(list(names))
    if colors is None:
        return legend
    by_value = {c.value: c.color for c in colors.classes}
    return Legend(
        tuple(replace(c, color=by_value[colors.value_of(c.name)]) for c in legend.classes)
    )


def _check_out(out: Path, inputs: Iterable[object], *, overwrite: bool) -> None:
    """Refuse an existing folder, unless it is a report and ``overwrite`` is set."""
    check_folder(
        out, _REPORT_JSON, "the report of an evaluation", overwrite=overwrite, inputs=inputs,
        other_marker=CHANGE_RASTER,
    )  # fmt: skip


def _write_report(out: Path, report: EvaluationReport) -> None:
    """Write a folder with the report as data, as tables and as a page."""
    names, counts = report.names, report.counts.tolist()
    files = {
        _REPORT_JSON: json_text(report.to_dict()) + "\n",
        "report.csv": report.to_csv(),
        "matrix.csv": table_text(["map \\ reference", *names], names, counts),
        "report.html": render_page(report),
    }
    area_ha, sample = report.area_ha, report.sample
    # With other strata than the classes of the map, the areas of these would not fit the matrix.
    fits_matrix = sample is None or np.array_equal(sample.area_ha, np.asarray(area_ha))
    if area_ha is not None and np.isfinite(area_ha).all() and fits_matrix:
        rows = area_ha[:, None].tolist()
        files["areas.csv"] = table_text(["class", "area_ha"], names, rows)
    with atomic_folder(out) as folder:
        write_texts(folder, files)
