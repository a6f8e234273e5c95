"""Training: the same run is the same weights, killed or not; and it learns."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.errors import GeosegError, ModelError, OutputError, RunError, TileError, TrainError
from geoseg.model import Model
from geoseg.tiles import IGNORE
from geoseg.training import TrainSettings, losses
from geoseg.training import augment as augmentation
from geoseg.training.augment import augment
from tests.scenes import write_raster
from tests.training import (
    LEGEND,
    SIZE,
    SMALL,
    Stopped,
    ground,
    history_of,
    make_tiles,
    names_in,
    picture,
    run,
    stop_after,
    weights,
)
from tests.training import one_thread as one_thread
from tests.training import tiles as tiles

# Learning.


def test_a_run_leaves_a_model_and_its_history_and_nothing_else(tiles, tmp_path):
    rows = []
    model = run(tiles, tmp_path / "m.safetensors", report=rows.append)
    assert names_in(tmp_path) == ["m.history.csv", "m.safetensors"]
    history = history_of(tmp_path / "m.safetensors")
    assert history == rows
    assert [row["epoch"] for row in history] == [1, 2, 3]
    best = min(history, key=lambda row: row["val_loss"])
    assert model.training["best_epoch"] == best["epoch"]
    assert model.training["validation"]["accuracy"] == pytest.approx(best["val_accuracy"], abs=1e-6)
    assert model.training["tiles"] == {"train": 9, "val": 3}
    assert model.training["settings"] == TrainSettings(**SMALL).to_dict()
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
        found = model.network(torch.from_numpy(images.astype(np.float32))).argmax(1).numpy()
    assert (found == labels).mean() > 0.97


def test_the_best_epoch_is_kept_and_not_the_last(tiles, tmp_path):
    out = tmp_path / "m.safetensors"
    model = run(tiles, out, **WILD)
    history = history_of(out)
    best = min(history, key=lambda row: row["val_loss"])
    assert best["epoch"] < 6
    assert loss_of(model, *tiles.load("val")) == pytest.approx(best["val_loss"], rel=1e-4)


WILD = {"epochs": 6, "lr": 0.3, "optimizer": "sgd", "seed": 2}
"""A rate so high that the loss does not get better and better."""


def loss_of(model, images, _, labels):
    """Mean cross-entropy over the labelled pixels, by NumPy."""
    with torch.inference_mode():
        logits = model.network.eval()(torch.from_numpy(images.astype(np.float32)))
        shares = torch.log_softmax(logits.double(), 1).numpy()
    places = np.argwhere(labels != IGNORE)
    return -np.mean([shares[n, labels[n, r, c], r, c] for n, r, c in places])


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
    one = run(tiles, tmp_path / "a.safetensors", **changes)
    two = run(tiles, tmp_path / "b.safetensors", **changes)
    assert one.hash == two.hash
    other = run(tiles, tmp_path / "c.safetensors", **changes, seed=1)
    assert not torch.equal(weights(one), weights(other))


RICH = {"epochs": 5, "augment": "full", "schedule": "cosine", "optimizer": "adam", "lr": 0.01}


@pytest.mark.parametrize("epoch", [1, 4, 5])
def test_a_stopped_run_resumes_to_the_same_file(tiles, tmp_path, epoch):
    whole = run(tiles, tmp_path / "whole.safetensors", **RICH)
    out = tmp_path / "m.safetensors"
    with pytest.raises(Stopped):
        run(tiles, out, report=stop_after(epoch), **RICH)
    assert not out.exists()
    seen = []
    resumed = run(tiles, out, resume=True, report=lambda row: seen.append(row["epoch"]), **RICH)
    assert seen == list(range(epoch + 1, 6))
    assert resumed.hash == whole.hash
    same = [{k: v for k, v in row.items() if k != "seconds"} for row in history_of(out)]
    plain = history_of(tmp_path / "whole.safetensors")
    assert same == [{k: v for k, v in row.items() if k != "seconds"} for row in plain]
    assert not out.with_name("m.safetensors.checkpoint").exists()


def test_a_run_resumed_after_its_best_epoch_keeps_that_epoch(tiles, tmp_path):
    whole = run(tiles, tmp_path / "whole.safetensors", **WILD)
    assert whole.training["best_epoch"] < 5
    with pytest.raises(Stopped):
        run(tiles, tmp_path / "m.safetensors", report=stop_after(5), **WILD)
    resumed = run(tiles, tmp_path / "m.safetensors", resume=True, **WILD)
    assert resumed.hash == whole.hash


@pytest.mark.slow
def test_a_process_killed_again_and_again_comes_to_the_same_file(tiles, tmp_path):
    changes, out = {**RICH, "epochs": 40}, tmp_path / "m.safetensors"
    whole = run(tiles, tmp_path / "whole.safetensors", **changes)
    code = (
        "import sys; from geoseg.training import TrainSettings, Watch, train\n"
        f"settings = TrainSettings(**{ {**SMALL, **changes}!r})\n"
        "watch = Watch(pictures=0, report=lambda row: print(row['epoch'], flush=True))\n"
        "train(sys.argv[1], sys.argv[2], settings=settings, device='cpu', resume=True, watch=watch)"
    )
    command = [sys.executable, "-c", code, tiles.folder, out]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    moments = random.Random(0)
    for _ in range(3):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=alone) as process:
            for _ in range(3):
                process.stdout.readline()
            time.sleep(moments.uniform(0, 0.06))  # in an epoch, or while its checkpoint is written
            process.kill()
        assert process.returncode == -signal.SIGKILL
        assert not out.exists()
    seen = []
    resumed = run(tiles, out, resume=True, report=lambda row: seen.append(row["epoch"]), **changes)
    assert 9 <= seen[0] - 1 < 40
    assert resumed.hash == whole.hash
    assert names_in(tmp_path) == sorted(
        [f"{stem}.{kind}" for stem in ("m", "whole") for kind in ("history.csv", "safetensors")]
    )


def test_without_resume_a_run_starts_again(tiles, tmp_path):
    out = tmp_path / "m.safetensors"
    with pytest.raises(Stopped):
        run(tiles, out, report=stop_after(2))
    seen = []
    run(tiles, out, report=lambda row: seen.append(row["epoch"]))
    assert seen == [1, 2, 3]


def test_resume_without_a_checkpoint_is_a_run(tiles, tmp_path):
    plain = run(tiles, tmp_path / "a.safetensors")
    assert run(tiles, tmp_path / "b.safetensors", resume=True).hash == plain.hash


def stopped_run(tiles, tmp_path):
    out = tmp_path / "m.safetensors"
    with pytest.raises(Stopped):
        run(tiles, out, report=stop_after(1))
    return out


@pytest.mark.parametrize(
    "change", [{"lr": 0.5}, {"seed": 9}, {"epochs": 4}, {"augment": "flips"}, {"width": 3}], ids=str
)
def test_a_checkpoint_of_other_settings_is_refused(tiles, tmp_path, change):
    out = stopped_run(tiles, tmp_path)
    with pytest.raises(RunError, match="is of a run with other tiles or settings, give the same"):
        run(tiles, out, resume=True, **change)


def test_a_checkpoint_of_other_tiles_is_refused_and_of_moved_ones_is_not(tiles, tmp_path):
    out = stopped_run(tiles, tmp_path)
    labels = ground(2 * SIZE, 6 * SIZE)
    labels[0, 0] = 2 - labels[0, 0] // 2
    other = make_tiles(tmp_path / "other", labels=labels, pixels=picture(ground(32, 96)))
    with pytest.raises(RunError, match="other tiles"):
        run(other, out, resume=True)
    moved = make_tiles(tmp_path / "moved")
    assert run(moved, out, resume=True).training["epochs"] == 3


def test_a_damaged_checkpoint_is_named(tiles, tmp_path):
    out = stopped_run(tiles, tmp_path)
    checkpoint = tmp_path / "m.safetensors.checkpoint"
    content = checkpoint.read_bytes()
    for damage in (b"", b"hello", content[: len(content) // 2]):
        checkpoint.write_bytes(damage)
        with pytest.raises(RunError, match=r"checkpoint .*m\.safetensors\.checkpoint") as error:
            run(tiles, out, resume=True)
        assert "\n" not in str(error.value)


def test_a_checkpoint_that_runs_code_is_not_loaded(tiles, tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "trapped"),))

    out = stopped_run(tiles, tmp_path)
    torch.save({"run": Trap()}, tmp_path / "m.safetensors.checkpoint")
    with pytest.raises(RunError, match="is damaged"):
        run(tiles, out, resume=True)
    assert not (tmp_path / "trapped").exists()


def test_a_checkpoint_of_something_else_is_refused(tiles, tmp_path):
    torch.save([1, 2], tmp_path / "m.safetensors.checkpoint")
    with pytest.raises(RunError, match="other tiles or settings"):
        run(tiles, tmp_path / "m.safetensors", resume=True)


# What has no label has no say.


def test_pixels_that_are_not_valid_do_not_matter(tmp_path):
    labels = ground(32, 96)
    hashes = []
    for number, junk in enumerate((0, 77)):
        pixels = picture(labels)
        pixels[:, 3:9, 5:60] = junk
        tiles = make_tiles(tmp_path / str(number), pixels=pixels, nodata=junk)
        hashes.append(run(tiles, tmp_path / f"{number}.safetensors").hash)
    assert hashes[0] == hashes[1]


def test_ground_without_a_label_gives_no_gradient(tmp_path):
    labels = np.full((64, 64), IGNORE, np.uint8)
    labels[:8] = ground(8, 64)
    trained = []
    for number in (0, 1):
        pixels = picture(ground(64, 64))
        pixels[:, 40:] = 255 * number  # too far from the labels for the network to see
        tiles = make_tiles(tmp_path / str(number), size=64, val=0, labels=labels, pixels=pixels)
        trained.append(run(tiles, tmp_path / f"{number}.safetensors", dropout=0.0))
    assert torch.equal(weights(trained[0]), weights(trained[1]))


def test_the_loss_is_the_mean_over_labelled_pixels(tmp_path):
    labels = ground(32, 64)
    labels[5:20, 7:40] = IGNORE
    tiles = make_tiles(tmp_path, labels=labels, val=0.25)
    out = tmp_path / "m.safetensors"
    model = run(tiles, out, epochs=1, lr=1e-30, dropout=0.0)  # as good as not trained
    row = history_of(out)[0]
    assert row["loss"] == pytest.approx(loss_of(model, *tiles.load("train")), rel=1e-5)
    assert row["val_loss"] == pytest.approx(loss_of(model, *tiles.load("val")), rel=1e-5)


def test_weights_change_what_is_learnt(tiles, tmp_path):
    plain = run(tiles, tmp_path / "a.safetensors")
    weighted = run(tiles, tmp_path / "b.safetensors", loss="weighted")
    assert not torch.equal(weights(plain), weights(weighted))


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


# Augmentation.

SPREAD = torch.full((2,), 255.0)


def stripes(seed, n=6):
    """Tiles of stripes of 0 and 1 (n, s, s), and pictures of them (n, 2, s, s)."""
    drawn = torch.Generator().manual_seed(seed)
    lines = torch.randint(2, (n, SIZE // 2), generator=drawn).repeat_interleave(2, dim=1)
    labels = lines[:, None, :].expand(n, SIZE, SIZE)
    return labels[:, None].float().expand(n, 2, SIZE, SIZE), labels


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6))
def test_flips_move_labels_with_the_picture(seed):
    labels = torch.randint(256, (6, SIZE, SIZE), generator=torch.Generator().manual_seed(seed))
    images = labels[:, None].float().repeat(1, 2, 1, 1)
    turned, moved = augment("flips", images, labels, SPREAD, torch.Generator().manual_seed(seed))
    assert torch.equal(turned, moved[:, None].float().repeat(1, 2, 1, 1))
    assert torch.equal(moved.flatten(1).sort()[0], labels.flatten(1).sort()[0])


def test_flips_draw_all_eight_symmetries():
    labels = torch.arange(SIZE * SIZE).view(1, SIZE, SIZE).repeat(200, 1, 1)
    images = labels[:, None].float()
    _, moved = augment("flips", images, labels, SPREAD[:1], torch.Generator().manual_seed(0))
    assert len({tuple(tile.flatten().tolist()) for tile in moved}) == 8


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6))
def test_zoom_moves_labels_with_the_picture(seed):
    images, labels = stripes(seed)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("GAIN", "BAND_GAIN", "OFFSET"):
            patch.setattr(augmentation, name, 0)
        bigger, moved = augment("full", images, labels, SPREAD, torch.Generator().manual_seed(seed))
    assert bigger.shape == images.shape
    assert moved.shape == labels.shape
    clear = (bigger - 0.5).abs() > 1e-3  # on the very border either class is right
    assert torch.equal((bigger > 0.5)[clear], (moved[:, None] == 1).expand_as(bigger)[clear])
    assert clear.float().mean() > 0.8


def test_zoom_makes_things_bigger():
    images, labels = stripes(0, 1)
    edges = []
    for seed in range(20):
        _, moved = augment("full", images, labels, SPREAD, torch.Generator().manual_seed(seed))
        edges.append(int((moved.diff(dim=1) != 0).sum() + (moved.diff(dim=2) != 0).sum()))
    assert min(edges) < max(edges) <= int((labels.diff(dim=2) != 0).sum())


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6))
def test_colour_changes_within_limits_and_leaves_labels(seed):
    images = torch.full((6, 2, SIZE, SIZE), 100.0)
    labels = torch.full((6, SIZE, SIZE), IGNORE)
    changed, kept = augment("full", images, labels, SPREAD, torch.Generator().manual_seed(seed))
    assert torch.equal(kept, labels)
    assert len(changed[:, :, 0, 0].unique()) == 12  # each tile and band of its own
    assert float(changed.flatten(2).std(dim=2).max()) < 1e-3  # and even within
    assert float(changed.max()) <= 100 * 1.2 * 1.1 + 25.6
    assert float(changed.min()) >= 100 * 0.8 * 0.9 - 25.6


def test_no_augmentation_changes_nothing():
    images, labels = stripes(0)
    same, kept = augment("none", images, labels, SPREAD, torch.Generator())
    assert torch.equal(same, images)
    assert torch.equal(kept, labels)


# Tiles of others.


def test_a_folder_of_images_and_masks_is_split_and_trained_on(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / "lab" / kind).mkdir(parents=True)
    for number in range(8):
        labels = np.roll(ground(SIZE, SIZE), number, axis=0)
        pixels = picture(labels)[[0, 1, 1]]
        bare = {"driver": "PNG", "crs": None, "transform": None}
        write_raster(tmp_path / "lab" / "images" / f"{number}.png", pixels, **bare)
        write_raster(tmp_path / "lab" / "masks" / f"{number}.png", labels[None], **bare)
    model = run(tmp_path / "lab", tmp_path / "m.safetensors", epochs=1)
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


# What is refused, in one sentence, and leaves nothing behind.


def test_an_existing_model_is_replaced_only_on_request(tiles, tmp_path):
    out = tmp_path / "m.safetensors"
    out.write_text("the best I ever had")
    with pytest.raises(OutputError, match=r"m\.safetensors exists, use -f to replace it"):
        run(tiles, out)
    assert out.read_text() == "the best I ever had"
    assert run(tiles, out, overwrite=True).training["epochs"] == 3


def test_a_model_stays_until_the_new_one_is_complete(tiles, tmp_path):
    out = tmp_path / "m.safetensors"
    out.write_text("the best I ever had")
    with pytest.raises(Stopped):
        run(tiles, out, overwrite=True, report=stop_after(2))
    assert out.read_text() == "the best I ever had"


def test_a_folder_that_is_not_there_is_named_before_anything_is_done(tiles, tmp_path):
    with pytest.raises(OutputError, match="gone does not exist, create it first"):
        run(tiles, tmp_path / "gone" / "m.safetensors")


def test_a_full_disk_leaves_the_last_whole_checkpoint(tiles, tmp_path):
    out = stopped_run(tiles, tmp_path)
    checkpoint = tmp_path / "m.safetensors.checkpoint"
    size = checkpoint.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, before[1]))
    try:
        with pytest.raises(OutputError, match=r"checkpoint .*File too large.*--resume"):
            run(tiles, out, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names_in(tmp_path) == ["m.history.csv", "m.safetensors.checkpoint"]
    assert checkpoint.stat().st_size == size
    seen = []
    run(tiles, out, resume=True, report=lambda row: seen.append(row["epoch"]))
    assert seen == [2, 3]


def test_a_history_that_cannot_be_written_keeps_the_checkpoint(tiles, tmp_path):
    (tmp_path / "m.history.csv").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*m\.history\.csv"):
        run(tiles, tmp_path / "m.safetensors")
    assert names_in(tmp_path) == ["m.history.csv", "m.safetensors.checkpoint"]
    (tmp_path / "m.history.csv").rmdir()
    seen = []
    run(
        tiles, tmp_path / "m.safetensors", resume=True, report=lambda row: seen.append(row["epoch"])
    )
    assert seen == [2, 3]
    assert names_in(tmp_path) == ["m.history.csv", "m.safetensors"]


def test_tiles_without_a_label_are_refused(tmp_path, tiles):
    for mask in (tmp_path / "masks", tmp_path / "images"):
        mask.mkdir()
    for number in range(4):
        bare = {"driver": "PNG", "crs": None, "transform": None}
        pixels = np.full((3, SIZE, SIZE), 77, np.uint8)
        write_raster(tmp_path / "images" / f"{number}.png", pixels, **bare)
        write_raster(tmp_path / "masks" / f"{number}.png", np.full_like(pixels[:1], IGNORE), **bare)
    with pytest.raises(TileError, match=r"no pixel of the train tiles of .* has a class"):
        run(tmp_path, tmp_path / "m.safetensors")


def test_a_set_without_training_tiles_is_refused(tiles, tmp_path):
    idle = replace(tiles, splits=("val",) * len(tiles))
    with pytest.raises(TileError, match="has no tiles to train on"):
        run(idle, tmp_path / "m.safetensors")


def test_a_depth_that_does_not_fit_the_tiles_is_refused(tiles, tmp_path):
    with pytest.raises(ModelError, match="16 is not a multiple of 32"):
        run(tiles, tmp_path / "m.safetensors", depth=5)


def test_a_run_that_diverges_at_once_says_where_and_what_to_change(tiles, tmp_path):
    with pytest.raises(
        TrainError, match=r"became (nan|inf) in epoch 1 at step \d of 3, lower --lr"
    ):
        run(tiles, tmp_path / "m.safetensors", lr=1e30, optimizer="sgd")
    assert names_in(tmp_path) == []


def test_a_run_that_diverges_later_keeps_the_best_weights_so_far(tiles, tmp_path, monkeypatch):
    def explode(how, logits, labels, weights, known):
        loss = loss_of_batch(how, logits, labels, weights, known)
        return loss * float("nan") if len(rows) == 2 and loss.requires_grad else loss

    rows, out = [], tmp_path / "m.safetensors"
    loss_of_batch = losses.loss_of
    monkeypatch.setattr("geoseg.training.loop.loss_of", explode)
    with pytest.raises(TrainError) as error:
        run(tiles, out, report=rows.append)
    best = min(rows, key=lambda row: row["val_loss"])["epoch"]
    assert str(error.value) == (
        f"the loss became nan in epoch 3 at step 1 of 3, {out} holds the weights of epoch {best}, "
        "lower --lr (now 0.001) or clip the gradient (--clip 1)"
    )
    monkeypatch.undo()
    assert Model.load(out).training["best_epoch"] == best
    two = run(tiles, tmp_path / "two.safetensors", report=stop_after(9), epochs=2)
    assert torch.equal(weights(Model.load(out)), weights(two))


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0}, {"batch_size": 0}, {"lr": 0.0}, {"lr": float("nan")}, {"patience": 0},
        {"optimizer": "lion"}, {"loss": "hinge"},
        {"warmup": 3.5, "epochs": 3}, {"clip": 0.0}, {"schedule": "step"}, {"augment": "flip"},
    ],
    ids=str,
)  # fmt: skip
def test_settings_out_of_range_are_refused_at_once(wrong):
    with pytest.raises(
        ModelError,
        match=next(iter(wrong)).replace("_", " ").replace("lr", "rate").replace("clip", "clipped"),
    ):
        TrainSettings(**wrong)


@pytest.mark.parametrize("wrong", [{"precision": "fp16"}, {"precision": "fp8"}], ids=str)
def test_a_precision_that_is_not_there_is_refused(tiles, tmp_path, wrong):
    with pytest.raises(GeosegError, match="precision"):
        run(tiles, tmp_path / "m.safetensors", **wrong)
