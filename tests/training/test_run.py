"""`train`: it learns, equal runs give equal files, and pixels without a label have no effect."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from geoseg.model import Model
from geoseg.tiles import IGNORE_INDEX
from tests.support.paths import names_in
from tests.support.rasters import write_raster
from tests.support.training import (
    LEGEND,
    SIZE,
    WILD,
    ground,
    history_of,
    make_tiles,
    picture,
    run,
    small,
    weights,
)
from tests.support.training import one_thread as one_thread
from tests.support.training import tiles as tiles

# Learning.


def test_a_run_leaves_a_model_and_its_history_and_nothing_else(tiles, tmp_path):
    rows = []
    model = run(tiles, tmp_path / "m.safetensors", report=rows.append)
    assert names_in(tmp_path) == ["m.history.csv", "m.safetensors", "m.safetensors.checkpoint"]
    history = history_of(tmp_path / "m.safetensors")
    assert history == rows
    assert [row["epoch"] for row in history] == [1, 2, 3]
    best = min(history, key=lambda row: row["val_loss"])
    assert model.training["best_epoch"] == best["epoch"]
    assert model.training["validation"]["accuracy"] == pytest.approx(best["val_accuracy"], abs=1e-6)
    assert model.training["tiles"] == {"train": 9, "val": 3}
    assert model.training["settings"] == small(window=SIZE, encoder_weights="none").to_dict()
    assert (model.legend, model.dtype) == (LEGEND, "uint8")
    assert model.pixel_size == pytest.approx(10, rel=1e-3)
    assert model.hash == Model.load(tmp_path / "m.safetensors").hash


def test_four_tiles_are_learnt_by_heart(tmp_path):
    tiles = make_tiles(tmp_path, labels=ground(2 * SIZE, 2 * SIZE), val=0)
    model = run(
        tiles, tmp_path / "m.safetensors", epochs=150, width=8, lr=0.01, optimizer="adam",
        schedule="cosine", dropout=0.0,
    )  # fmt: skip
    history = history_of(tmp_path / "m.safetensors")
    assert history[-1]["loss"] < history[0]["loss"] / 10
    assert history[-1]["accuracy"] > 0.97
    images, _, labels = tiles.load("train")
    with torch.inference_mode():
        predicted = model.network(torch.from_numpy(images.astype(np.float32))).argmax(1).numpy()
    assert (predicted == labels).mean() > 0.97


def test_the_best_epoch_is_kept_and_not_the_last(tiles, tmp_path):
    out = tmp_path / "m.safetensors"
    model = run(tiles, out, **WILD)
    history = history_of(out)
    best = min(history, key=lambda row: row["val_loss"])
    assert best["epoch"] < 6
    assert loss_of(model, *tiles.load("val")) == pytest.approx(best["val_loss"], rel=1e-4)


def loss_of(model, images, _, labels, weights=(1, 1, 1)):
    """Mean cross-entropy over the labelled pixels, each times the weight of its class, by NumPy."""
    with torch.inference_mode():
        logits = model.network.eval()(torch.from_numpy(images.astype(np.float32)))
        shares = torch.log_softmax(logits.double(), 1).numpy()
    places = np.argwhere(labels != IGNORE_INDEX)
    classes = [labels[n, r, c] for n, r, c in places]
    losses = [shares[n, k, r, c] for (n, r, c), k in zip(places, classes, strict=True)]
    return -np.mean(losses * np.array(weights)[classes])


@pytest.mark.parametrize("optimizer", ["rmsprop", "adam", "adamw", "sgd"])
def test_each_optimizer_lowers_the_loss(tiles, tmp_path, optimizer):
    run(tiles, tmp_path / "m.safetensors", epochs=6, optimizer=optimizer, lr=0.003, dropout=0.0)
    history = history_of(tmp_path / "m.safetensors")
    assert history[-1]["loss"] < history[0]["loss"]


def test_patience_ends_a_run_that_gets_no_better(tiles, tmp_path):
    out = tmp_path / "m.safetensors"
    model = run(tiles, out, epochs=50, patience=2, lr=0.3, optimizer="sgd", seed=2)
    history = history_of(out)
    assert len(history) < 50
    assert model.training["epochs"] == len(history) == model.training["best_epoch"] + 2


def test_a_cosine_ends_near_zero_and_a_constant_rate_stays(tiles, tmp_path):
    run(tiles, tmp_path / "c.safetensors", epochs=8, schedule="cosine", lr=0.01)
    rates = [row["lr"] for row in history_of(tmp_path / "c.safetensors")]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 0.009
    assert 0 < rates[-1] < 1e-4
    run(tiles, tmp_path / "k.safetensors", schedule="constant", lr=0.01)
    assert {row["lr"] for row in history_of(tmp_path / "k.safetensors")} == {0.01}


# The same run is the same weights.


def test_the_same_run_is_the_same_file(tiles, tmp_path):
    changes = {"augment": "full", "loss": "weighted", "schedule": "cosine"}
    first = run(tiles, tmp_path / "a.safetensors", **changes)
    second = run(tiles, tmp_path / "b.safetensors", **changes)
    assert first.hash == second.hash
    other_seed = run(tiles, tmp_path / "c.safetensors", **changes, seed=1)
    assert not torch.equal(weights(first), weights(other_seed))


# Pixels without a label.


def test_pixels_that_are_not_valid_do_not_matter(tmp_path):
    labels = ground(32, 96)
    trained = []
    for number, junk in enumerate((0, 77)):
        pixels = picture(labels)
        pixels[:, 3:9, 5:60] = junk
        tiles = make_tiles(tmp_path / str(number), pixels=pixels, nodata=junk)
        trained.append(run(tiles, tmp_path / f"{number}.safetensors"))
    assert torch.equal(weights(trained[0]), weights(trained[1]))


def test_pixels_without_a_label_give_no_gradient(tmp_path):
    labels = np.full((64, 64), IGNORE_INDEX, np.uint8)
    labels[:8] = ground(8, 64)
    trained = []
    for number in (0, 1):
        pixels = picture(ground(64, 64))
        pixels[:, 40:] = 255 * number  # too far from the labels for the network to see
        tiles = make_tiles(tmp_path / str(number), size=64, val=0, labels=labels, pixels=pixels)
        trained.append(run(tiles, tmp_path / f"{number}.safetensors", dropout=0.0))
    assert torch.equal(weights(trained[0]), weights(trained[1]))


@pytest.mark.parametrize("loss", ["ce", "weighted"])
def test_the_loss_is_the_weighted_mean_over_labelled_pixels(tmp_path, loss):
    labels = ground(32, 64)
    labels[labels == 2] = 0
    labels[20:22] = 2  # a rare class
    labels[5:20, 7:40] = IGNORE_INDEX
    tiles = make_tiles(tmp_path, labels=labels, val=0.25)
    out = tmp_path / "m.safetensors"
    model = run(tiles, out, epochs=1, lr=1e-30, dropout=0.0, loss=loss)  # as good as not trained
    train, val, weights = tiles.load("train"), tiles.load("val"), np.ones(3)
    if loss == "weighted":
        counts = np.array([(train[2] == value).sum() for value in range(3)])
        assert counts.max() > 3 * counts.min() > 0
        weights = counts.sum() / (3 * counts)
    row = history_of(out)[0]
    assert row["loss"] == pytest.approx(loss_of(model, *train, weights), rel=1e-5)
    assert row["val_loss"] == pytest.approx(loss_of(model, *val, weights), rel=1e-5)


# Scaling.


def test_bytes_are_scaled_by_their_range(tiles, tmp_path):
    model = run(tiles, tmp_path / "m.safetensors", epochs=1)
    assert (model.spec.low, model.spec.high) == ((0.0,), (255.0,))


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_other_dtypes_are_scaled_by_their_percentiles_and_the_model_knows(tmp_path, dtype):
    pixels = picture(ground(32, 96), dtype, 40)
    missing = -32768 if dtype == "int16" else 60000
    pixels[:, :10, :40] = missing
    tiles = make_tiles(tmp_path, pixels=pixels, nodata=missing)
    model = run(tiles, tmp_path / "m.safetensors", epochs=1)
    images, valid, _ = tiles.load("train")
    for band in range(2):
        values = images[:, band][valid].astype(float)
        assert missing not in values
        assert model.spec.low[band] == pytest.approx(np.percentile(values, 0.1))
        assert model.spec.high[band] == pytest.approx(np.percentile(values, 99.9))
    assert model.dtype == dtype


def test_a_band_that_is_everywhere_the_same_can_be_trained_on(tmp_path):
    pixels = picture(ground(32, 96), "float32")
    pixels[1] = 0
    tiles = make_tiles(tmp_path, pixels=pixels)
    run(tiles, tmp_path / "m.safetensors", epochs=1)
    assert np.isfinite(history_of(tmp_path / "m.safetensors")[0]["loss"])


# Other tile sets.


def test_a_folder_of_images_and_masks_is_split_and_trained_on(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / "set" / kind).mkdir(parents=True)
    for number in range(8):
        labels = np.roll(ground(SIZE, SIZE), number, axis=0)
        pixels = picture(labels)[[0, 1, 1]]
        bare = {"driver": "PNG", "crs": None, "transform": None}
        write_raster(tmp_path / "set" / "images" / f"{number}.png", pixels, **bare)
        write_raster(tmp_path / "set" / "masks" / f"{number}.png", labels[None], **bare)
    model = run(tmp_path / "set", tmp_path / "m.safetensors", epochs=1)
    assert model.training["tiles"] == {"train": 6, "val": 2}
    assert model.band_names == ("red", "green", "blue")


def test_the_share_for_validation_can_be_drawn_anew(tiles, tmp_path):
    model = run(tiles, tmp_path / "m.safetensors", epochs=1, val=0.5)
    assert model.training["tiles"] == {"train": 6, "val": 6}
    model = run(tiles, tmp_path / "n.safetensors", epochs=2, val=0)
    assert model.training["tiles"] == {"train": 12, "val": 0}
    assert model.training["validation"] is None
    rows = history_of(tmp_path / "n.safetensors")
    assert not any(key.startswith("val") for key in rows[0])
    best = min(rows, key=lambda row: row["loss"])["epoch"]
    assert model.training["best_epoch"] == best


def test_tiles_of_the_gap_are_not_used(tiles, tmp_path):
    index = ("gap",) * 4 + ("train",) * 6 + ("val",) * 2
    fewer = replace(tiles, splits=index)
    model = run(fewer, tmp_path / "m.safetensors", epochs=1)
    assert model.training["tiles"] == {"train": 6, "val": 2}


def test_random_validation_tiles_beside_training_tiles_are_told(tmp_path, caplog):
    """Tiles that overlap by half; each validation tile shows pixels of training tiles."""
    tiles = make_tiles(tmp_path, val=0)
    run(tiles, tmp_path / "a.safetensors", epochs=1)
    assert "validation" not in caplog.text
    run(tiles, tmp_path / "b.safetensors", epochs=1, val=0.25)
    assert "3 of 3 validation tiles touch a training tile, so validation scores" in caplog.text
