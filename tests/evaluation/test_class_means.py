"""Means over classes, and the classes that the report names first: missed ones, stray ones."""

import re

import numpy as np
import pytest
import sklearn.metrics
import torch

from geoseg.errors import EvaluateError
from geoseg.evaluation import EvaluateSettings, evaluate, evaluate_matrix
from geoseg.legend import Legend
from geoseg.metrics import Confusion, accuracy
from tests.support.assessments import PLACE, write_map
from tests.support.commands import here
from tests.support.rasters import write_raster
from tests.support.torch_packages import import_or_skip

LEGEND = Legend.from_names(["water", "grass", "rock", "building"])


@pytest.fixture
def reference() -> np.ndarray:
    """A reference of water, grass and rock in three columns; nothing is a building."""
    reference = np.zeros((30, 60), np.uint8)
    reference[:, 20:40], reference[:, 40:] = 1, 2
    return reference


def compare(folder, mapped, reference, legend=LEGEND, name="report"):
    """The report of two arrays."""
    write_map(folder / "map.tif", mapped, legend)
    write_raster(folder / "reference.tif", reference[None], transform=PLACE, nodata=255)
    return evaluate(
        folder / "map.tif", folder / "reference.tif", out=folder / name, overwrite=True
    ).to_dict()


def lead(folder, name="report"):
    """The first sentences of the page, without markup."""
    page = (folder / name / "report.html").read_text()
    return re.sub("<[^>]*>", "", re.search(r'<p class="lead">(.*)</p>', page)[1])


def test_stray_pixels_of_a_class_that_the_reference_lacks_hardly_change_the_mean(
    reference, tmp_path
):
    clean = compare(tmp_path, reference, reference)
    assert clean["mean_iou"] == 1
    assert clean["mean_iou_classes"] == ["water", "grass", "rock"]
    assert clean["mean_iou_left_out"] == []
    mapped = reference.copy()
    mapped[0, :3] = 3
    stray = compare(tmp_path, mapped, reference)
    assert stray["iou"][3] == 0
    assert stray["mean_iou"] == pytest.approx((597 / 600 + 2) / 3)
    assert stray["mean_iou_classes"] == ["water", "grass", "rock"]
    assert stray["mean_iou_left_out"] == ["building"]
    assert stray["mean_boundary_iou"] == pytest.approx(np.mean(stray["boundary_iou"][:3]))


def test_the_page_and_the_command_say_which_classes_a_mean_is_over(reference, tmp_path):
    mapped = reference.copy()
    mapped[0, :3] = 3
    compare(tmp_path, mapped, reference)
    page = (tmp_path / "report" / "report.html").read_text()
    assert (
        "Means are over the 3 classes of the reference; left out, as the reference lacks it: "
        "building."
    ) in page
    f1 = (2 * 597 / 1197 + 2) / 3
    assert f'data-label="F1">{f1:.3f}</td>' in page.split("<tfoot>")[1]
    done = here("evaluate", tmp_path / "map.tif", tmp_path / "reference.tif", "--out",
                tmp_path / "again")  # fmt: skip
    assert (
        "mean IoU 0.998 over 3 classes of the reference (left out, as the reference lacks it: "
        "building), 1,800 pixels compared"
    ) in done.stdout


def test_an_estimate_from_samples_has_a_mean_over_the_same_classes(tmp_path):
    (tmp_path / "m.csv").write_text("map,a,b,c\na,40,10,0\nb,0,50,0\nc,5,5,0\n")
    (tmp_path / "a.csv").write_text("class,ha\na,100\nb,300\nc,10\n")
    report = evaluate_matrix(
        tmp_path / "m.csv", areas=tmp_path / "a.csv", out=tmp_path / "report"
    ).to_dict()
    assert report["mean_iou_left_out"] == ["c"]
    assert report["mean_iou"] == pytest.approx((40 / 55 + 50 / 65) / 2)
    adjusted = report["area_adjusted"]
    assert adjusted["mean_iou_classes"] == ["a", "b"]
    assert adjusted["mean_iou_left_out"] == ["c"]
    assert adjusted["mean_iou"] == pytest.approx(np.mean(adjusted["iou"][:2]))
    page = (tmp_path / "report" / "report.html").read_text()
    assert f"<dt>Mean IoU<br>of the whole map</dt><dd>{adjusted['mean_iou']:.3f}</dd>" in page


@pytest.mark.parametrize("seed", range(20))
def test_other_libraries_give_the_same_means_over_the_classes_of_the_reference(seed):
    rng = np.random.default_rng(seed)
    classes = 6
    in_reference = rng.choice(classes, rng.integers(1, classes), replace=False)
    reference = rng.choice(in_reference, 500).astype(np.uint8)
    mapped = np.where(rng.random(500) < 0.5, reference, rng.integers(0, classes, 500))
    counts = Confusion.of(mapped.astype(np.uint8), reference, classes, 255).counts
    labels = np.unique(reference)
    tensors = (
        torch.from_numpy(mapped.astype(np.int64)),
        torch.from_numpy(reference.astype(np.int64)),
    )
    torchmetrics = import_or_skip("torchmetrics.functional.classification")
    for ours, by_sklearn, by_torchmetrics in (
        (accuracy.iou, sklearn.metrics.jaccard_score, torchmetrics.multiclass_jaccard_index),
        (accuracy.f1, sklearn.metrics.f1_score, torchmetrics.multiclass_f1_score),
    ):
        mean = accuracy.reference_mean(ours(counts), counts)
        theirs = by_sklearn(reference, mapped, labels=labels, average="macro", zero_division=0)
        assert mean == pytest.approx(theirs)
        scores = by_torchmetrics(*tensors, classes, average="none")
        assert mean == pytest.approx(
            float(scores[torch.from_numpy(labels.astype(np.int64))].mean())
        )
    assert Confusion(counts).mean_iou == accuracy.mean_iou(counts)


def test_a_class_of_the_reference_that_is_never_mapped_is_the_weakest(reference, tmp_path):
    mapped = reference.copy()
    mapped[reference == 2] = 1
    report = compare(tmp_path, mapped, reference)
    assert report["f1"][2] == 0
    assert report["users_accuracy"][2] is None
    assert (
        "The weakest class is rock: it was never mapped where the reference has a class, so "
        "nothing of it was detected."
    ) in lead(tmp_path)
    compare(tmp_path, np.zeros_like(reference), reference)
    assert (
        "The weakest classes are grass, rock: they were never mapped where the reference has a "
        "class, so nothing of them was detected."
    ) in lead(tmp_path)


def test_a_class_that_is_always_mapped_wrong_is_the_weakest(reference, tmp_path):
    mapped = reference.copy()
    mapped[reference == 2] = 1
    mapped[0, 0] = 2
    compare(tmp_path, mapped, reference)
    assert (
        "The weakest class is rock: 0 % of what is mapped as this class is correct, and 0 % of "
        "this class in the reference was detected."
    ) in lead(tmp_path)


def test_classes_that_only_the_map_has_are_named(reference, tmp_path):
    mapped = reference.copy()
    mapped[0, :30] = 3
    compare(tmp_path, mapped, reference)
    summary = lead(tmp_path)
    assert summary.endswith("building is mapped, but the reference has no pixel of it.")
    assert "The weakest class is" in summary
    assert "The weakest class is building" not in summary
    compare(tmp_path, np.where(mapped == 2, 3, 2).astype(np.uint8), reference.clip(max=1))
    assert "rock, building are mapped, but the reference has no pixel of them." in lead(tmp_path)


def test_nothing_is_called_the_weakest_of_one_class(tmp_path):
    ones = np.ones((20, 20), np.uint8)
    compare(tmp_path, ones, ones)
    assert lead(tmp_path) == (
        "Map and reference have the same class in 100.0 % of the 400 pixels with a class in both."
    )


def test_a_class_that_no_point_of_the_reference_shows_is_named(tmp_path):
    (tmp_path / "m.csv").write_text("map,a,b\na,40,10\nb,0,50\nc,5,5\n")
    (tmp_path / "a.csv").write_text("class,ha\na,100\nb,300\nc,10\n")
    evaluate_matrix(tmp_path / "m.csv", areas=tmp_path / "a.csv", out=tmp_path / "report")
    assert "c is mapped, but the reference has no point of it." in lead(tmp_path)


def test_areas_that_are_all_zero_are_refused(tmp_path):
    (tmp_path / "m.csv").write_text("map,a,b\na,40,10\nb,0,50\n")
    (tmp_path / "a.csv").write_text("class,ha\na,0\nb,0\n")
    with pytest.raises(EvaluateError, match="no stratum has an area, correct the areas"):
        evaluate_matrix(tmp_path / "m.csv", areas=tmp_path / "a.csv", out=tmp_path / "report")


def test_ignored_classes_are_neither_missed_nor_stray(reference, tmp_path):
    mapped = reference.copy()
    mapped[0, :3], mapped[reference == 2] = 3, 1
    write_map(tmp_path / "map.tif", mapped, LEGEND)
    write_raster(tmp_path / "reference.tif", reference[None], transform=PLACE)
    settings = EvaluateSettings(ignore=("rock", "building"))
    report = evaluate(
        tmp_path / "map.tif", tmp_path / "reference.tif", out=tmp_path / "report", settings=settings
    ).to_dict()
    assert report["mean_iou_classes"] == ["water", "grass"]
    assert report["mean_iou_left_out"] == []
    assert "never mapped" not in lead(tmp_path)
