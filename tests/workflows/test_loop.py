"""The workflow that compares suggested with random labels, on a tiny made-up data set."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread

from geoseg import RECIPES, Execution
from geoseg.legend import NODATA
from geoseg.raster import read_whole
from geoseg.vectors import read_vector
from tests.support.paths import WORKFLOWS
from tests.support.tilesets import image_mask_folder
from tests.support.training import one_thread as one_thread

WORKFLOW = WORKFLOWS / "loop"


@pytest.fixture(scope="module")
def loop():
    """The workflow's module, which imports another one as scripts do."""
    sys.path.insert(0, str(WORKFLOW))
    import loop

    yield loop
    sys.path.remove(str(WORKFLOW))
    for name in ("figure", "loop"):
        sys.modules.pop(name)


@pytest.fixture
def plan(loop, monkeypatch):
    monkeypatch.setattr("geoseg.training.batches.draw.MIN_STEPS", 2)
    settings = replace(RECIPES["standard"], epochs=1, encoder="lab", width=2, window=64)
    return loop.Plan(
        folder=2, rounds=2, patches=2, size=128, first=settings, later=settings,
        execution=Execution(device="cpu"),
    )  # fmt: skip


def boxes(path):
    return {tuple(np.abs(box).round().astype(int)) for box in read_vector(path).bounds.to_numpy()}


@pytest.mark.slow
def test_a_run_labels_new_patches_in_each_round_and_keeps_finished_ones(loop, plan, tmp_path):
    folders = ["Tile 1", "Tile 2"]
    dubai = image_mask_folder(tmp_path / "dubai", folders, count=5, size=256, gray=False)
    scores = loop.run(dubai, tmp_path / "out", plan, [0])
    assert {arm: np.shape(runs) for arm, runs in scores.items()} == {
        "suggested": (1, 3), "random": (1, 3),
    }  # fmt: skip
    assert scores["suggested"][0][0] == scores["random"][0][0]
    truth = read_whole(str(tmp_path / "out" / "pool-labels.tif"))[0][0]
    for arm in loop.ARMS:
        folder = tmp_path / "out" / f"{arm}-0"
        first, second = (boxes(folder / f"round-{n}.gpkg") for n in (1, 2))
        assert len(first) == len(second) == 2
        assert not first & second
        learnt = read_whole(str(folder / "round-2.labels.tif"))[0][0]
        inside = np.zeros(truth.shape, bool)
        for left, bottom, right, top in first | second:
            inside[min(bottom, top) : max(bottom, top), left:right] = True
        assert np.array_equal(learnt, np.where(inside, truth, NODATA))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.safetensors")}
    assert loop.run(dubai, tmp_path / "out", plan, [0]) == scores
    assert {path: path.stat().st_mtime_ns for path in before} == before
    lines = (tmp_path / "out" / "loop.md").read_text().splitlines()
    assert lines[0] == "| labelled patches | 0 | 2 | 4 |"
    assert lines[2].startswith(f"| suggested | {scores['suggested'][0][0]:.3f} (")
    assert [line.split(" | ")[0] for line in lines[5:]] == [
        "| trained with all patches", "|---|---|---|", "| before", "| replay", "| no replay",
        "| no replay, a tenth of the learning rate",
    ]  # fmt: skip
    assert lines[8].startswith(f"| replay | {scores['suggested'][0][-1]:.3f} | ")
    assert imread(tmp_path / "out" / "loop.png").shape[1] > 600
