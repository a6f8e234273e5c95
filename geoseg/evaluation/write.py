"""The files of a report."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.evaluation.findings import Findings
from geoseg.evaluation.matrix_file import areas_text, matrix_text
from geoseg.evaluation.page import page
from geoseg.raster import writing
from geoseg.tiles.folder import appearing

REPORT = "report.json"
"""What a folder of a report is known by."""
PAGE = "report.html"


def write_report(out: Path, findings: Findings) -> dict[str, Any]:
    """Write a folder with the report as data, as tables and as a page.

    Args:
        out: folder; it appears when it is complete.
        findings: what to write.

    Returns:
        What report.json holds.

    Raises:
        OutputError: if it cannot be written.
    """
    data = findings.to_dict()
    files = {
        REPORT: json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        "report.csv": findings.to_csv(),
        "matrix.csv": matrix_text(findings.names, findings.counts),
    }
    files[PAGE] = page(findings)
    if findings.hectares is not None and np.isfinite(findings.hectares).all():
        files["areas.csv"] = areas_text(findings.names, findings.hectares)
    with appearing(out) as folder:
        for name, text in files.items():
            with writing(folder / name):
                (folder / name).write_text(text, encoding="utf-8")
    return data
