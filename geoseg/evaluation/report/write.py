"""The files of a report."""

import json
from pathlib import Path

import numpy as np

from geoseg.evaluation.report.csv_tables import areas_text, matrix_text
from geoseg.evaluation.report.evaluation_report import EvaluationReport
from geoseg.evaluation.report.page import render_page
from geoseg.files import atomic_folder, translate_write_errors

REPORT_JSON = "report.json"
"""File by which a folder is recognised as a report."""


def write_report(out: Path, report: EvaluationReport) -> None:
    """Write a folder with the report as data, as tables and as a page.

    Args:
        out: folder; it appears when it is complete.
        report: the report.

    Raises:
        OutputError: if it cannot be written.
    """
    data = json.dumps(report.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
    files = {
        REPORT_JSON: data + "\n",
        "report.csv": report.to_csv(),
        "matrix.csv": matrix_text(report.names, report.counts),
        "report.html": render_page(report),
    }
    if report.area_ha is not None and np.isfinite(report.area_ha).all():
        files["areas.csv"] = areas_text(report.names, report.area_ha)
    with atomic_folder(out) as folder:
        for name, text in files.items():
            with translate_write_errors(folder / name):
                (folder / name).write_text(text, encoding="utf-8")
