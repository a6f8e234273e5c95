"""What `train` refuses: one sentence, and no files."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from geoseg.errors import GeosegError, ModelError, OutputError, TileError, TrainError
from geoseg.legend import Legend
from geoseg.model import Model
from geoseg.tiles import IGNORE_INDEX, open_tiles
from geoseg.training import TrainSettings, losses, train
from tests.support.paths import names_in
from tests.support.rasters import write_raster
from tests.support.training import SIZE, ground, make_tiles, run, stop_after, weights
from tests.support.training import one_thread as one_thread
from tests.support.training import tiles as tiles


def test_a_wrong_folder_of_tiles_is_told_before_torch_is_imported(tmp_path):
    code = (
        "import atexit, sys; from geoseg.cli import main\n"
        "atexit.register(lambda: print('torch' in sys.modules))\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "train", tmp_path / "no", "--out", tmp_path / "m.safetensors"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert f"{tmp_path / 'no'} does not exist, give a folder" in done.stderr
    assert (done.returncode, done.stdout) == (1, "False\n")


def test_a_folder_that_is_not_there_is_named_before_anything_is_done(tiles, tmp_path):
    with pytest.raises(OutputError, match="gone does not exist, create it first"):
        run(tiles, tmp_path / "gone" / "m.safetensors")


def test_tiles_without_a_label_are_refused(tmp_path, tiles):
    for mask in (tmp_path / "masks", tmp_path / "images"):
        mask.mkdir()
    for number in range(4):
        bare = {"driver": "PNG", "crs": None, "transform": None}
        pixels = np.full((3, SIZE, SIZE), 77, np.uint8)
        write_raster(tmp_path / "images" / f"{number}.png", pixels, **bare)
        write_raster(
            tmp_path / "masks" / f"{number}.png", np.full_like(pixels[:1], IGNORE_INDEX), **bare
        )
    with pytest.raises(TileError, match=r"no pixel of the train tiles of .* has a class"):
        run(tmp_path, tmp_path / "m.safetensors")


def test_a_set_without_training_tiles_is_refused(tiles, tmp_path):
    idle = replace(tiles, splits=("val",) * len(tiles))
    with pytest.raises(TileError, match="has no training tiles"):
        run(idle, tmp_path / "m.safetensors")


def test_a_depth_that_does_not_fit_the_tiles_is_refused(tiles, tmp_path):
    with pytest.raises(ModelError, match="16 is not a multiple of 32"):
        run(tiles, tmp_path / "m.safetensors", depth=5)


def test_a_run_that_diverges_at_once_says_where_and_what_to_change(tiles, tmp_path):
    with pytest.raises(
        TrainError, match=r"became (nan|inf) in epoch 1 at step \d of 3, lower the learning"
    ):
        run(tiles, tmp_path / "m.safetensors", lr=1e30, optimizer="sgd")
    assert names_in(tmp_path) == []


def test_a_run_that_diverges_later_keeps_the_best_weights_so_far(tiles, tmp_path, monkeypatch):
    def explode(kind, logits, labels, weights, labelled):
        loss = loss_of_batch(kind, logits, labels, weights, labelled)
        return loss * float("nan") if len(rows) == 2 and loss.requires_grad else loss

    rows, out = [], tmp_path / "m.safetensors"
    loss_of_batch = losses.compute_loss
    monkeypatch.setattr("geoseg.training.run.compute_loss", explode)
    with pytest.raises(TrainError) as error:
        run(tiles, out, report=rows.append)
    best = min(rows, key=lambda row: row["val_loss"])["epoch"]
    assert str(error.value) == (
        f"the loss became nan in epoch 3 at step 1 of 3, {out} holds the weights of epoch {best}, "
        "lower the learning rate (lr, now 0.001) or clip the gradient (clip 1)"
    )
    monkeypatch.undo()
    assert Model.load(out).training["best_epoch"] == best
    two = run(tiles, tmp_path / "two.safetensors", report=stop_after(9), epochs=2)
    assert torch.equal(weights(Model.load(out)), weights(two))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"epochs": 0}, "epochs is 0, give a whole number of at least 1"),
        ({"epochs": 2.5}, "epochs is 2.5, give a whole number of at least 1"),
        ({"batch_size": 0}, "batch size is 0, give a whole number of at least 1"),
        ({"lr": 0.0}, "lr is 0.0, give a number above 0"),
        ({"lr": float("nan")}, "lr is nan, give a number above 0"),
        ({"lr": "0.1"}, "lr is '0.1', give a number above 0"),
        ({"patience": 0}, "patience is 0, give a whole number of at least 1"),
        ({"warmup": -1}, "warmup is -1, give a number of at least 0"),
        (
            {"warmup": 3.5, "epochs": 3},
            "warmup is 3.5 epochs, give less than the 3 of the run",
        ),
        ({"clip": -1.0}, "clip is -1.0, give a number of at least 0"),
        ({"val": 1}, "val is 1, give a number of at least 0 and below 1"),
        ({"dropout": 1.0}, "dropout is 1.0, give a number of at least 0 and below 1"),
        ({"seed": -1}, "seed is -1, give a whole number from 0 to 4294967295"),
        ({"width": 0}, "width is 0, give a whole number from 1 to 4096"),
        ({"depth": 13}, "depth is 13, give a whole number from 1 to 12"),
        ({"optimizer": "lion"}, "unknown optimizer 'lion', use one of rmsprop, adam, adamw, sgd"),
        ({"loss": "hinge"}, "unknown loss 'hinge', use one of ce, weighted, focal, dice"),
        ({"schedule": "step"}, "unknown schedule 'step', use one of constant, cosine, plateau"),
        ({"augment": "flip"}, "unknown augment 'flip', use one of none, flips, full"),
        ({"precision": "fp8"}, "unknown precision 'fp8', use one of auto, fp32, bf16, fp16"),
        ({"ignore": "water"}, "ignore must be a list, give ['water']"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value),
)
def test_a_setting_out_of_range_is_named_alone(wrong, sentence):
    with pytest.raises(GeosegError) as error:
        TrainSettings(**wrong)
    assert str(error.value) == sentence


@pytest.mark.parametrize("name", ["settings", "monitor"])
def test_a_dictionary_in_place_of_settings_is_refused(tiles, tmp_path, name):
    with pytest.raises(
        GeosegError, match=rf"{name} must be of the type (TrainSettings|Monitor), not dict"
    ):
        train(tiles, tmp_path / "m.safetensors", **{name: {"epochs": 3}})


def test_a_model_of_another_name_than_safetensors_is_refused(tiles, tmp_path):
    with pytest.raises(OutputError, match=r"m\.txt must end in \.safetensors"):
        run(tiles, tmp_path / "m.txt")


@pytest.mark.parametrize("val", [0.25, 0])
def test_a_single_labelled_class_is_refused(tmp_path, val):
    tiles = make_tiles(tmp_path, val=val)
    with pytest.raises(
        TileError, match=r"only class 'grass' is labelled .* label at least one more class \(the"
    ):
        run(tiles, tmp_path / "m.safetensors", ignore=("water", "rock"))


def test_a_folder_of_masks_of_a_single_class_is_refused(tmp_path):
    for number in range(4):
        for folder, bands in (("images", 3), ("masks", 1)):
            (tmp_path / "tiles" / folder).mkdir(parents=True, exist_ok=True)
            path = tmp_path / "tiles" / folder / f"{number}.png"
            write_raster(path, np.zeros((bands, SIZE, SIZE), np.uint8), driver="PNG", crs=None,
                         transform=None)  # fmt: skip
    tiles = open_tiles(tmp_path / "tiles", Legend.from_names(["field"]))
    with pytest.raises(TileError, match="only class 'field' is labelled"):
        run(tiles, tmp_path / "m.safetensors")


def test_classes_that_only_validation_tiles_have_are_no_use(tmp_path):
    labels = np.zeros((2 * SIZE, 6 * SIZE), np.uint8)
    labels[SIZE:] = ground(SIZE, 6 * SIZE)
    tiles = make_tiles(tmp_path, labels=labels)
    splits = ("train",) * 6 + ("val",) * 6
    with pytest.raises(TileError, match=r"only class 'water' .* split the tiles again"):
        run(replace(tiles, splits=splits), tmp_path / "m.safetensors")


def test_a_precision_that_the_device_lacks_is_refused(tiles, tmp_path):
    with pytest.raises(GeosegError, match="fp16 works on a GPU only"):
        run(tiles, tmp_path / "m.safetensors", precision="fp16")
