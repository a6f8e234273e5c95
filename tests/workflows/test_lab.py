"""The workflow of the reference run: the tiles of each training, and the report."""

import sys
from dataclasses import replace

import pytest
from matplotlib.image import imread

from tests.support.paths import WORKFLOWS
from tests.support.training import make_tiles

WORKFLOW = WORKFLOWS / "lab"


@pytest.fixture(scope="module")
def workflow():
    """The workflow's modules, which import each other as scripts do."""
    sys.path.insert(0, str(WORKFLOW))
    import report
    import runs

    yield runs, report
    sys.path.remove(str(WORKFLOW))


@pytest.fixture(scope="module")
def dubai(tmp_path_factory):
    """As many tiles as the reference run has in its two folders, and some in others; no pixels."""
    tiles = make_tiles(tmp_path_factory.mktemp("lab"))
    groups = ["Tile 1"] * 30 + ["Tile 4"] * 432 + ["Tile 5"] * 20 + ["Tile 8"] * 1584
    return replace(tiles, groups=tuple(groups), splits=("",) * len(groups))


def test_the_reference_run_validates_on_500_tiles_of_its_own_folders(workflow, dubai):
    runs, _ = workflow
    lab = runs.choose(dubai, "lab")
    assert {split: lab.splits.count(split) for split in ("train", "val", "gap")} == {
        "train": 1516, "val": 500, "gap": 50,
    }  # fmt: skip
    elsewhere = [
        s for s, g in zip(lab.splits, lab.groups, strict=True) if g in ("Tile 1", "Tile 5")
    ]
    assert set(elsewhere) == {"gap"}


def test_the_training_on_all_images_has_the_same_500_validation_tiles(workflow, dubai):
    runs, _ = workflow
    lab, everything = runs.choose(dubai, "lab"), runs.choose(dubai, "all")
    val = [[n for n, s in enumerate(t.splits) if s == "val"] for t in (lab, everything)]
    assert val[0] == val[1]
    assert everything.splits.count("train") == len(everything.splits) - 500


def test_trainings_have_unique_names_and_start_from_earlier_trainings(workflow):
    runs, _ = workflow
    planned = runs.trainings(long=100, more=50, precision="auto")
    names = [training.name for training in planned]
    assert len(set(names)) == len(names)
    for place, training in enumerate(planned):
        assert training.start is None or training.start in names[:place]
    lab = planned[0].settings
    assert (lab.epochs, lab.batch_size, lab.lr, lab.optimizer) == (25, 32, 1e-3, "rmsprop")
    assert (lab.loss, lab.augment, lab.schedule, lab.dropout) == ("ce", "none", "constant", 0.1)


def test_a_training_that_does_not_exist_is_refused(workflow, tmp_path, monkeypatch, capsys):
    import lab

    out = str(tmp_path / "out")
    monkeypatch.setattr(sys, "argv", ["lab.py", str(tmp_path), out, "--only", "lab-9"])
    with pytest.raises(SystemExit):
        lab.main()
    assert "there is no training lab-9" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_results_become_a_table_and_a_figure(workflow, tmp_path):
    _, report = workflow
    scores = {"accuracy": 0.8302, "mean_iou": 0.5934, "classes": {
        "water": {"iou": 0.869}, "rock": {"iou": None}}}  # fmt: skip
    row = {
        "what": "the reference run",
        "tested_on": "500 tiles",
        "epochs": 25,
        "best": 22,
        "scores": scores,
    }
    lines = report.table([row], ("water", "rock")).splitlines()
    assert lines[0].startswith("| training | tested on |")
    assert lines[2] == "| the reference run | 500 tiles | 25 | 22 | 0.8302 | 0.5934 | 0.869 |  |"
    history = [{"epoch": 1.0, "val_accuracy": 0.5}, {"epoch": 2.0, "val_accuracy": 0.6}]
    report.figure(tmp_path / "f.png", {"lab-0": history, "long": history})
    assert imread(tmp_path / "f.png").shape[1] > 1000


def test_the_published_run_is_that_of_the_reference():
    lines = (WORKFLOW / "published.csv").read_text().splitlines()
    assert len(lines) == 26
    assert lines[-1].startswith("25,0.5425,0.8060,0.5543,0.8052,")
