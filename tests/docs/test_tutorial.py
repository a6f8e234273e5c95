"""The tutorial, followed from the first to the last block of the very page."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.documents import DOCUMENTS, code, commands, follow
from tests.support.paths import SAMPLE

TUTORIAL = "docs/tutorial.md"


@pytest.mark.slow
def test_the_tutorial_ends_with_a_judged_map(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("sample_data").symlink_to(SAMPLE)
    ran = follow(TUTORIAL)
    blocks = code(DOCUMENTS[TUTORIAL], "sh")
    assert len(ran) == sum(len(commands(block)) for block in blocks)  # none was only parsed
    held_out, sampled = (
        json.loads(Path(folder, "report.json").read_text())
        for folder in ("report", "report-of-sample")
    )
    assert held_out["overall_accuracy"] > 0.6
    adjusted = sampled["area_adjusted"]
    assert 0 < adjusted["overall_accuracy_ci95"] < 0.1
    area, mapped = np.array([adjusted["area_ha"], sampled["mapped_area_ha"]])
    assert area.sum() == pytest.approx(mapped.sum())
    for written in ("lulc.gpkg", "lulc.png", "map.html", "tiles/preview.png"):
        assert Path(written).exists()
