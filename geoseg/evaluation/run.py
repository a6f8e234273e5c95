"""A map and a reference in, a report out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from geoseg.errors import check_type
from geoseg.evaluation.assessment import Assessment
from geoseg.evaluation.estimation import StratifiedSample
from geoseg.evaluation.pixel_assessment import assess_pixels
from geoseg.evaluation.point_assessment import assess_points
from geoseg.evaluation.points import is_point_layer
from geoseg.evaluation.provenance import provenance_of_files
from geoseg.evaluation.report.csv_tables import read_areas, read_matrix
from geoseg.evaluation.report.results import AssessmentResult
from geoseg.evaluation.report.write import REPORT_JSON, write_report
from geoseg.evaluation.settings import DEFAULTS, EvaluateSettings
from geoseg.execute import Progress, available_cpus
from geoseg.files import check_folder
from geoseg.labels import VectorLabelFile, open_map, open_reference, recode_labels
from geoseg.legend import Legend, as_legend
from geoseg.metrics import by_map_class
from geoseg.vectors import is_vector_file

_FIELD = "reference"
"""Field of the class, as `sample` names it."""


def evaluate(
    labels: str | Path,
    reference: str | Path,
    *,
    out: str | Path,
    settings: EvaluateSettings = DEFAULTS,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Compare a label map with a reference and write a report.

    Rasters and polygons are compared pixel by pixel. Points are taken for a stratified random
    sample, from which accuracy and area of the whole map are estimated with 95 % intervals.

    Args:
        labels: label map.
        reference: raster on any grid (warped onto the map's, nearest pixel), or polygons or points
            in any CRS.
        out: folder to write; it appears when it is complete.
        settings: how to read both sides, and what to look at.
        workers: windows at a time; None for the cores.
        overwrite: replace an existing report.
        progress: called as blocks of the map are compared, see `geoseg.execute.Progress`.

    Returns:
        What is also written as report.json.

    Raises:
        EvaluateError: if nothing can be compared, or a sample says too little.
        LabelError: if the classes of both sides do not fit, or the map has no CRS.
        SceneError: if a raster cannot be read.
        OutputError: if the folder exists or cannot be written.
    """
    check_type("settings", settings, EvaluateSettings)
    out = Path(out).resolve()
    check_folder(out, REPORT_JSON, "a report", overwrite=overwrite)
    path, target, ignore = str(labels), str(reference), settings.ignore
    scene, mapped = open_map(path, as_legend(settings.legend), ignore)
    subject = Assessment(
        path, scene, mapped, target, settings, workers or available_cpus(), progress
    )
    return write_report(out, _assess(subject, as_legend(settings.reference_legend)))


def _assess(subject: Assessment, own: Legend | None) -> AssessmentResult:
    """Compare with whatever the reference is, of which ``own`` is the legend if it has its own."""
    settings, path, scene = subject.settings, subject.reference, subject.scene
    legend, ignore = subject.labels.legend, subject.settings.ignore
    if not is_vector_file(path):
        return assess_pixels(subject, open_reference(path, scene, legend, own, ignore))
    file = VectorLabelFile(
        path, settings.class_field or _FIELD, own or legend, ignore, settings.layer
    )
    if is_point_layer(file, path, scene):
        return assess_points(subject, file)
    return assess_pixels(subject, recode_labels(file.on_grid_of(scene), legend, path, ignore))


def evaluate_matrix(
    matrix: str | Path,
    areas: str | Path | None = None,
    *,
    out: str | Path,
    legend: Legend | str | Path | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the report of an error matrix that is there already.

    Args:
        matrix: CSV of counts; its first column names the mapped class, its first row the reference.
        areas: CSV with a header and the mapped area (ha) of each class a row, where the matrix is
            of a sample stratified by the mapped classes.
        out: folder to write; it appears when it is complete.
        legend: colours of the classes, by name.
        overwrite: replace an existing report.

    Returns:
        What is also written as report.json.

    Raises:
        EvaluateError: if a file cannot be read, or a class was not sampled.
        LabelError: if the legend lacks a class.
        OutputError: if the folder exists or cannot be written.
    """
    out = Path(out).resolve()
    check_folder(out, REPORT_JSON, "a report", overwrite=overwrite)
    names, counts = read_matrix(matrix)
    classes = _legend_of(names, as_legend(legend))
    hectares = sample = found = None
    notes: list[str] = []
    if areas is not None:
        hectares = read_areas(areas, names)
        sample = StratifiedSample(names, by_map_class(counts), hectares)
        found, notes = sample.estimate()
    findings = AssessmentResult(
        title=Path(matrix).name,
        legend=classes,
        counts=counts,
        unit="samples",
        hectares=hectares,
        sample=sample,
        estimate=found,
        notes=tuple(notes),
        provenance=provenance_of_files(matrix=matrix, areas=areas),
    )
    return write_report(out, findings)


def _legend_of(names: tuple[str, ...], legend: Legend | None) -> Legend:
    """Classes of these names in this order, in the colours of a legend."""
    found = Legend.from_names(list(names))
    if legend is None:
        return found
    colors = {c.value: c.color for c in legend.classes}
    return Legend(tuple(replace(c, color=colors[legend.value_of(c.name)]) for c in found.classes))
