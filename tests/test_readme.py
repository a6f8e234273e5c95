"""The README's commands do what it says."""

import re
import subprocess
import sys
from pathlib import Path

import geopandas
import numpy as np
import pytest

from tests.support.assessments import PLACE, write_map
from tests.support.paths import ROOT
from tests.support.rasters import write_raster

README = (ROOT / "README.md").read_text()


@pytest.mark.slow
def test_accuracy(tmp_path, monkeypatch):
    section = README.split("## Accuracy")[1].split("\n## ")[0]
    [block] = re.findall(r"```\n(.*?)```", section, re.DOTALL)
    ground = np.kron(np.arange(12).reshape(3, 4) % 3, np.ones((60, 60))).astype(np.uint8)
    write_map(tmp_path / "lulc.tif", ground)
    write_raster(tmp_path / "reference.tif", np.roll(ground, 3)[None], transform=PLACE)
    monkeypatch.chdir(tmp_path)
    for line in block.splitlines():
        if line.endswith("--out report-of-sample"):  # by then someone has looked
            frame = geopandas.read_file("points.gpkg", layer="points")
            frame["reference"] = frame["stratum"]
            frame.to_file("points.gpkg", layer="points")
        command = [sys.executable, "-m", *line.split()]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (line, done.stderr)
    pages = sorted(str(p.parent) for p in Path().rglob("report.html"))
    assert pages == ["again", "report", "report-of-sample"]
