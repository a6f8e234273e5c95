"""The workflow of the Dubai data set: which images are tested, thinned labels, scores, report."""

import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from geoseg.legend import DUBAI, NODATA
from tests.support.paths import WORKFLOWS
from tests.support.tilesets import image_mask_folder

WORKFLOW = WORKFLOWS / "dubai"
IMAGES = [
    Path(f"Tile {folder}/images/image_part_{part:03}.jpg")
    for folder in range(1, 9)
    for part in range(1, 10)
]


@pytest.fixture(scope="module")
def workflow():
    """The workflow's modules, which import each other as scripts do."""
    sys.path.insert(0, str(WORKFLOW))
    sys.modules.pop("report", None)  # another workflow has a module of this name
    import dubai
    import report
    import trainings

    yield dubai, trainings, report
    sys.path.remove(str(WORKFLOW))
    for name in ("report", "trainings", "dubai"):
        sys.modules.pop(name)


def test_sixteen_images_are_drawn_by_seed_and_folders_are_left_out_whole(workflow):
    _, trainings, _ = workflow
    planned = {training.name: training for training in trainings.trainings(IMAGES, 15)}
    drawn = [planned[f"images-{seed}"].tested for seed in range(3)]
    assert [len(images) for images in drawn] == [16, 16, 16]
    assert len(set(drawn)) == 3
    assert planned["images-1-lab"].tested == drawn[1]
    assert planned["without-5"].tested == tuple(i for i in IMAGES if "Tile 5" in str(i))
    few = planned["labels-20-pseudo-2"]
    assert (few.labels, few.tested, few.validated) == (0.2, drawn[2], ())
    assert len(few.unused) == 28
    assert not set(few.unused) & set(few.tested)
    assert few.settings.pseudo_labels
    assert planned["default"].tested == ()
    assert len(planned["default"].validated) == 4
    assert {t.settings.encoder for n, t in planned.items() if n.endswith("-lab")} == {"lab"}
    assert len(planned) == len(trainings.trainings(IMAGES, 15))


def test_a_training_that_does_not_exist_is_refused(workflow, tmp_path, monkeypatch, capsys):
    dubai, _, _ = workflow
    out = str(tmp_path / "out")
    monkeypatch.setattr(sys, "argv", ["dubai.py", str(tmp_path), out, "--only", "image-0"])
    with pytest.raises(SystemExit):
        dubai.main()
    assert "there is no training image-0" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_thinned_labels_are_a_share_of_the_labels_in_squares(workflow, tmp_path):
    dubai, _, _ = workflow
    image_mask_folder(tmp_path / "set", ["Tile 1", "Tile 2"], count=2, size=256, gray=False)
    folder = dubai.thin(tmp_path / "set", tmp_path / "thin", 0.5)
    kept = []
    for image in sorted((tmp_path / "set").glob("*/images/*.jpg")):
        before = dubai.read_labels(image)
        after = dubai.read_labels(folder / image.relative_to(tmp_path / "set"))
        labelled = after != NODATA
        assert np.array_equal(after[labelled], before[labelled])
        squares = labelled.reshape(8, 32, 8, 32).swapaxes(1, 2).reshape(64, -1)
        assert (squares.all(axis=1) | ~squares.any(axis=1)).all()
        kept.append(squares.all(axis=1).mean())
    assert 0.4 < np.mean(kept) < 0.6
    assert len(set(kept)) > 1


def test_scores_are_those_of_six_and_of_five_classes(workflow):
    dubai, _, _ = workflow
    matrix = np.diag([10, 10, 10, 10, 10, 0])
    matrix[1, 5] = 50  # unlabelled, mapped as land
    scores = dubai.summary(matrix)
    assert scores["accuracy"] == 0.5
    assert scores["accuracy_of_five"] == 1
    assert scores["mean_iou"] == pytest.approx((4 + 10 / 60) / 6)
    assert scores["mean_iou_of_five"] == 1


def test_results_become_a_table_and_a_figure(workflow, tmp_path):
    dubai, _, report = workflow
    scores = dubai.summary(np.diag([10] * 5 + [0]))
    rows = [
        {"name": f"labels-{share}{suffix}-{seed}", "what": "few", "labels": share,
         "prediction": "single", **scores}
        for share in (0.05, 0.5) for suffix in ("", "-pseudo") for seed in range(2)
    ]  # fmt: skip
    lines = report.table(rows[:1], DUBAI.names).splitlines()
    assert lines[0].startswith("| training | what | prediction | accuracy |")
    assert lines[2].startswith("| labels-0.05-0 | few | single | 1.000 | 1.000 |")
    report.curve(tmp_path / "f.png", rows)
    assert imread(tmp_path / "f.png").shape[1] > 600


def test_an_interval_is_that_of_student(workflow):
    _, _, report = workflow
    assert report.confidence_interval([1.0]) == 0
    assert report.confidence_interval([1.0, 2.0, 3.0]) == pytest.approx(4.303 / 3**0.5)
