"""Files beside the model, settings that reach the loop, several processes, signals."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from geoseg.errors import GeosegError, LabelError, ModelError, OutputError
from geoseg.files import output_lock
from geoseg.model import Model
from geoseg.training import Monitor, train
from geoseg.training.plots import PredictionExample, plot_examples
from tests.support.clusters import wait_for
from tests.support.commands import ended, start
from tests.support.paths import names_in
from tests.support.processes import forked_ranks
from tests.support.rasters import random_pixels
from tests.support.training import (
    LEGEND,
    SIZE,
    ground,
    history_of,
    make_tiles,
    run,
    small,
)
from tests.support.training import one_thread as one_thread
from tests.support.training import tiles as tiles
from tests.support.training import weights as weights_of

# Pictures.


def test_pictures_appear_every_few_epochs_and_at_the_end(tiles, tmp_path):
    settings = small(epochs=5)
    out = tmp_path / "m.safetensors"
    train(tiles, out, settings=settings, device="cpu", monitor=Monitor(pictures=2))
    samples = tmp_path / "m.samples"
    assert names_in(tmp_path) == [
        "m.history.csv", "m.history.png", "m.safetensors", "m.safetensors.checkpoint", "m.samples",
    ]  # fmt: skip
    assert names_in(samples) == ["best.png", "epoch_0002.png", "epoch_0004.png"]
    for picture in (tmp_path / "m.history.png", *samples.iterdir()):
        assert imread(picture).shape[2] == 4
    quiet = train(tiles, tmp_path / "q.safetensors", settings=settings, device="cpu",
                  monitor=Monitor(pictures=0))  # fmt: skip
    assert torch.equal(weights_of(Model.load(out)), weights_of(quiet))


def test_a_sample_shows_labels_and_prediction_in_the_colours_of_the_legend(tmp_path):
    labels = np.zeros((SIZE, SIZE), np.uint8)
    predicted = np.full((SIZE, SIZE), 2, np.uint8)
    image = np.zeros((1, SIZE, SIZE), np.float32)
    plot_examples(
        tmp_path / "s.png", [PredictionExample(image, labels, predicted)] * 2, LEGEND, "title"
    )
    pixels = (imread(tmp_path / "s.png")[..., :3] * 255).round().astype(int).reshape(-1, 3)
    amount = [
        (pixels == [int(c.color[i : i + 2], 16) for i in (1, 3, 5)]).all(1).sum()
        for c in LEGEND.classes
    ]
    assert amount[0] > 20 * amount[1]  # a square against a swatch
    assert amount[2] > 20 * amount[1]
    assert amount[1] > 0


def test_a_sample_has_the_colours_of_the_bands_by_name(tmp_path, monkeypatch):
    images = []

    def draw(path, examples, *_):
        path.touch()
        images.append(np.stack([example.image for example in examples]))

    monkeypatch.setattr("geoseg.training.artifacts.plot_examples", draw)
    labels = ground(2 * SIZE, 6 * SIZE)
    tiles = make_tiles(tmp_path / "set", labels=labels, pixels=random_pixels(3, *labels.shape))
    for names in (("", "", ""), ("blue", "green", "red")):
        train(
            replace(tiles, band_names=names), tmp_path / "m.safetensors", device="cpu",
            settings=small(epochs=1), monitor=Monitor(pictures=1), overwrite=True,
        )  # fmt: skip
    first_three, by_name = images[0], images[-1]
    assert first_three.shape[1:] == (3, SIZE, SIZE)
    assert np.array_equal(by_name, first_three[:, ::-1])


def test_pictures_cannot_come_every_minus_one_epochs():
    with pytest.raises(ModelError, match="pictures is -1, give a whole number of at least 0"):
        Monitor(pictures=-1)


def test_the_history_has_the_iou_of_each_class(tiles, tmp_path):
    model = run(tiles, tmp_path / "m.safetensors")
    rows = history_of(tmp_path / "m.safetensors")
    best = rows[model.training["best_epoch"] - 1]
    for name in LEGEND.names:
        iou = model.training["validation"]["classes"][name]["iou"]
        assert best[f"val_iou_{name}"] == pytest.approx(iou, abs=1e-6)
    assert best["val_mean_iou"] == pytest.approx(
        np.mean([best[f"val_iou_{name}"] for name in LEGEND.names])
    )


def test_a_tensorboard_log_has_the_history(tiles, tmp_path):
    accumulate = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    settings = small()
    monitor = Monitor(pictures=0, tensorboard=tmp_path / "board")
    train(tiles, tmp_path / "m.safetensors", settings=settings, device="cpu", monitor=monitor)
    log = accumulate.EventAccumulator(str(tmp_path / "board")).Reload()
    logged = [event.value for event in log.Scalars("val/accuracy")]
    history = [row["val_accuracy"] for row in history_of(tmp_path / "m.safetensors")]
    assert logged == pytest.approx(history, rel=1e-6)


def test_a_tensorboard_log_without_the_package_says_what_to_install(tiles, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    monitor = Monitor(tensorboard=tmp_path / "board")
    with pytest.raises(GeosegError, match=r"pip install 'geoseg\[tensorboard\]'"):
        train(tiles, tmp_path / "m.safetensors", device="cpu", monitor=monitor)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("tensorboard", [False, True])
def test_a_folder_that_cannot_be_made_is_an_error_in_words(tiles, tmp_path, tensorboard):
    path, settings = tmp_path / "m.samples", small(epochs=1)
    path.touch()
    if tensorboard:
        pytest.importorskip("tensorboard")
    monitor = Monitor(pictures=0, tensorboard=path) if tensorboard else Monitor(pictures=1)
    with pytest.raises(OutputError, match=r"cannot write m\.samples in .* \(File exists\)"):
        train(tiles, tmp_path / "m.safetensors", settings=settings, device="cpu", monitor=monitor)


# Settings that reach the loop.


@pytest.mark.parametrize("loss", ["weighted", "focal", "dice"])
def test_each_loss_is_learnt_from(tiles, tmp_path, loss):
    changes = {"epochs": 8, "lr": 0.01, "optimizer": "adam", "dropout": 0.0}
    run(tiles, tmp_path / "m.safetensors", loss=loss, **changes)
    rows = history_of(tmp_path / "m.safetensors")
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert rows[-1]["accuracy"] > rows[0]["accuracy"]


def test_a_clipped_gradient_takes_shorter_steps(tiles, tmp_path):
    changes = {"epochs": 1, "optimizer": "sgd", "lr": 0.1}
    still = run(tiles, tmp_path / "a.safetensors", **{**changes, "lr": 1e-30})
    free = run(tiles, tmp_path / "b.safetensors", **changes)
    clipped = run(tiles, tmp_path / "c.safetensors", **changes, clip=1e-4)
    moved = [float((weights_of(m) - weights_of(still)).norm()) for m in (free, clipped)]
    assert 0 < moved[1] < 3 * 0.1 * 1e-4 * 2.8  # three steps with momentum 0.9
    assert moved[0] > 10 * moved[1]


def test_a_plateau_lowers_the_rate_also_after_a_restart(tiles, tmp_path):
    changes = {"epochs": 9, "schedule": "plateau", "optimizer": "sgd", "lr": 1e-12}
    run(tiles, tmp_path / "m.safetensors", **changes)
    rows = history_of(tmp_path / "m.safetensors")
    assert {row["lr"] for row in rows[:6]} == {1e-12}
    assert rows[-1]["lr"] < 1e-12


def test_pixels_of_an_ignored_class_teach_nothing(tmp_path):
    plain = make_tiles(tmp_path / "a")
    model = run(plain, tmp_path / "m.safetensors", ignore=("rock",))
    assert set(model.training["validation"]["classes"]) == {"water", "grass"}
    assert model.legend.names == ("water", "grass")
    with pytest.raises(LabelError, match="sand"):
        run(plain, tmp_path / "n.safetensors", ignore=("sand",))


# Several processes.

_TRAIN = """
import sys, torch
from dataclasses import replace
from geoseg.training import RECIPES, Monitor, train
torch.set_num_threads(1)
settings = replace(
    RECIPES["lab"], width=2, depth=1, batch_size=5, epochs=3, dropout=0.0, lr=0.01
)
if "endless" in sys.argv:
    settings = replace(settings, epochs=100_000)
if "standard" in sys.argv:  # what does not depend on the random numbers of a process
    settings = replace(
        RECIPES["standard"], encoder="lab", width=2, depth=1, batch_size=5, epochs=3, dropout=0.0,
        window=32, augment="none", loss="ce", average=0.9,
    )
if "encoder" in sys.argv:
    from geoseg.training.batches import draw

    draw.MIN_STEPS = 2
    settings = replace(
        RECIPES["standard"], encoder_weights="none", width=2, batch_size=5, epochs=3, window=32,
    )
model = train(sys.argv[1], sys.argv[2], settings=settings, device="cpu",
              monitor=Monitor(pictures=0, report=lambda row: print(row["epoch"], flush=True)))
if "encoder" in sys.argv:
    weights = model.network.state_dict()
    print(float(sum(weights[name].double().sum() for name in weights if "running" in name)))
"""
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.fixture
def odd_tiles(tmp_path):
    """Tiles with 11 to train on: batches of 5, 5 and 1."""
    tiles = make_tiles(tmp_path / "set", labels=ground(2 * SIZE, 7 * SIZE), val=0.21)
    assert tiles.count("train") % 5 == 1
    return tiles


@pytest.fixture
def launch(odd_tiles, tmp_path):
    """Return a function that trains in new processes."""
    (tmp_path / "one.py").write_text(_TRAIN)

    def launched(out, number, *arguments):
        ranks = forked_ranks([tmp_path / "one.py", odd_tiles.folder, out, *arguments], number)
        return [ended(rank) for rank in ranks]

    return launched


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["lab", "standard"])
def test_two_processes_train_what_one_does(launch, tmp_path, recipe):
    outs = [tmp_path / f"{name}.safetensors" for name in ("one", "two")]
    for out, number in zip(outs, (1, 2), strict=True):
        done, *others = launch(out, number, recipe)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["1", "2", "3"]
        assert [(rank.returncode, rank.stdout) for rank in others] == [(0, "")] * (number - 1)
    for single, shared in zip(*map(history_of, outs), strict=True):
        for key in set(single) - {"seconds"}:
            assert shared[key] == pytest.approx(single[key], rel=1e-3, abs=1e-3), key
    models = [Model.load(out) for out in outs]
    assert torch.allclose(weights_of(models[0]), weights_of(models[1]), atol=1e-4)
    for again in launch(outs[1], 2, recipe):
        assert (again.returncode, again.stdout) == (0, ""), again.stderr
    assert Model.load(outs[1]).hash == models[1].hash


@pytest.mark.slow
def test_two_processes_train_an_encoder_with_batch_normalisation(launch, tmp_path):
    """Each process normalises its own windows; the model is that of the first one."""
    done, other = launch(tmp_path / "m.safetensors", 2, "encoder")
    assert (done.returncode, other.returncode) == (0, 0), done.stderr + other.stderr
    *epochs, statistics = done.stdout.split()
    assert epochs == ["1", "2", "3"]
    assert other.stdout.split() == [statistics]  # both have those of the first process
    losses = [row["loss"] for row in history_of(tmp_path / "m.safetensors")]
    assert losses[-1] < losses[0]
    assert Model.load(tmp_path / "m.safetensors").spec.encoder == "efficientnet-lite0"


@pytest.mark.slow
def test_two_processes_resume_together(launch, odd_tiles, tmp_path):
    out = tmp_path / "m.safetensors"
    changes = {"batch_size": 5, "dropout": 0.0, "lr": 0.01}
    run(odd_tiles, out, epochs=2, **changes)
    done, _ = launch(out, 2)
    assert done.stdout.split() == ["3"], done.stderr
    whole = run(odd_tiles, tmp_path / "whole.safetensors", epochs=3, **changes)
    assert torch.allclose(weights_of(Model.load(out)), weights_of(whole), atol=1e-4)


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all(odd_tiles, tmp_path):
    script, out = tmp_path / "one.py", tmp_path / "m.safetensors"
    script.write_text(_TRAIN)
    ranks = forked_ranks([script, odd_tiles.folder, out, "endless"], 2)
    wait_for((tmp_path / "m.safetensors.checkpoint").exists)
    ranks[1].send_signal(signal.SIGTERM)
    for done in map(ended, ranks):
        last = done.stderr.strip().splitlines()[-1]
        assert "InterruptedRun: interrupted while training, finished epochs are kept" in last


@pytest.mark.slow
def test_no_process_waits_for_ever_where_the_model_is_in_use(odd_tiles, tmp_path):
    """By torchrun, which ends the others where one fails."""
    script, out = tmp_path / "one.py", tmp_path / "m.safetensors"
    script.write_text(_TRAIN)
    command = [sys.executable, *TORCHRUN, script, odd_tiles.folder, out]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    with output_lock(tmp_path / ".m.safetensors.lock", out, "training"):
        done = subprocess.run(
            command, capture_output=True, text=True, env=env, timeout=120, check=False
        )
    assert done.returncode != 0
    assert done.stderr.count(f"InterruptedRun: {out} is in use") >= 1
    assert not out.exists()


# Signals.


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_command_says_how_to_resume(tiles, tmp_path, number):
    out = tmp_path / "m.safetensors"
    log = tmp_path.with_name(f"{tmp_path.name}.log")
    process = start(
        "train", tiles.folder, "--out", out, "--epochs", 100_000, "--recipe", "lab",
        "--width", 2, "--depth", 1,
        "--pictures", 0, log=log,
    )  # fmt: skip
    wait_for(lambda: "epoch 2" in log.read_text())
    process.send_signal(number)
    assert process.wait(60) == 75
    assert log.read_text().splitlines()[-1] == (
        "geoseg: interrupted while training, finished epochs are kept, run the same command to go "
        "on"
    )
    assert names_in(tmp_path) == ["m.history.csv", "m.safetensors.checkpoint"]
