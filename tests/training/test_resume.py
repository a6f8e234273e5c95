"""Runs that stop, resume and start again: the same command gives the same weights."""

import logging
import multiprocessing
import random
import signal
import time

import pytest
import torch

from geoseg.errors import OutputError, RunError
from geoseg.legend import LandCoverClass, Legend
from geoseg.model import Model
from geoseg.training import train
from geoseg.training.schedule import last_epoch
from tests.support.commands import here
from tests.support.paths import names_in
from tests.support.training import (
    LEGEND,
    SIZE,
    SMALL,
    WILD,
    Stopped,
    epochs_of,
    ground,
    history_of,
    make_tiles,
    picture,
    run,
    small,
    small_standard,
    stop_after,
    stopped_run,
    weights,
)
from tests.support.training import one_thread as one_thread
from tests.support.training import tiles as tiles

RICH = {"epochs": 5, "augment": "full", "schedule": "cosine", "optimizer": "adam", "lr": 0.01}


def plain_history(out):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history_of(out)]


# A stopped run resumes.


@pytest.mark.parametrize("epoch", [1, 4, 5])
def test_a_stopped_run_resumes_to_the_same_file(tiles, tmp_path, epoch, caplog):
    whole = run(tiles, tmp_path / "whole.safetensors", **RICH)
    out = stopped_run(tiles, tmp_path, epoch, **RICH)
    assert not out.exists()
    with caplog.at_level(logging.INFO, "geoseg"):
        assert epochs_of(tiles, out, **RICH) == list(range(epoch + 1, 6))
    assert (f"training resumes after epoch {epoch} of 5" in caplog.text) == (epoch < 5)
    assert Model.load(out).hash == whole.hash
    assert plain_history(out) == plain_history(tmp_path / "whole.safetensors")


def test_a_run_resumed_after_its_best_epoch_keeps_that_epoch(tiles, tmp_path):
    whole = run(tiles, tmp_path / "whole.safetensors", **WILD)
    assert whole.training["best_epoch"] < 5
    out = stopped_run(tiles, tmp_path, 5, **WILD)
    assert run(tiles, out, **WILD).hash == whole.hash


def train_and_report(folder, out, changes, pipe):
    """Train in a process of its own, and send the number of each finished epoch."""
    torch.set_num_threads(1)
    run(folder, out, report=lambda row: pipe.send(row["epoch"]), **changes)


@pytest.mark.slow
def test_a_process_killed_again_and_again_comes_to_the_same_file(tiles, tmp_path):
    changes, out = {**RICH, "epochs": 40}, tmp_path / "m.safetensors"
    whole = run(tiles, tmp_path / "whole.safetensors", **changes)
    server = multiprocessing.get_context("forkserver")  # imports torch once for all processes
    server.set_forkserver_preload(["geoseg.training"])
    moments, last = random.Random(0), 0
    for _ in range(3):
        reader, writer = server.Pipe(duplex=False)
        process = server.Process(
            target=train_and_report, args=(tiles.folder, out, changes, writer), daemon=True
        )
        process.start()
        writer.close()
        epochs = [reader.recv() for _ in range(3)]
        time.sleep(moments.uniform(0, 0.06))  # in an epoch, or while its checkpoint is written
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert not out.exists()
        assert last < epochs[0] == epochs[-1] - 2
        last = epochs[-1]
    epochs = epochs_of(tiles, out, **changes)
    assert last < epochs[0] < 40
    assert Model.load(out).hash == whole.hash
    kinds = ("history.csv", "safetensors", "safetensors.checkpoint")
    assert names_in(tmp_path) == sorted(f"{s}.{kind}" for s in ("m", "whole") for kind in kinds)


def test_what_a_killed_process_left_is_deleted_and_files_of_others_are_not(tiles, tmp_path):
    others = ["m.v2.safetensors.checkpoint", "mine.safetensors"]
    for name in ("m.safetensors.checkpoint", "m.history.csv", *others):
        (tmp_path / f".tmp01234567-{name}").touch()
    run(tiles, tmp_path / "m.safetensors", epochs=1)
    left = [name for name in names_in(tmp_path) if name.startswith(".tmp")]
    assert left == [f".tmp01234567-{name}" for name in others]


def test_without_resume_a_run_starts_again_and_says_what_it_discards(tiles, tmp_path, caplog):
    out = stopped_run(tiles, tmp_path, 2)
    with caplog.at_level(logging.INFO, "geoseg"):
        assert epochs_of(tiles, out, resume=False) == [1, 2, 3]
    assert (
        f"training starts again at epoch 1 and discards 2 epochs of {out}.checkpoint" in caplog.text
    )


def test_without_resume_a_damaged_checkpoint_is_no_obstacle(tiles, tmp_path):
    out = tmp_path / "m.safetensors"
    (tmp_path / "m.safetensors.checkpoint").write_text("hello")
    assert epochs_of(tiles, out, resume=False) == [1, 2, 3]


# A complete run.


def test_the_same_run_again_leaves_the_model_as_it_is(tiles, tmp_path, caplog):
    out = tmp_path / "m.safetensors"
    first = run(tiles, out)
    written = out.stat().st_mtime_ns
    with caplog.at_level(logging.INFO, "geoseg"):
        assert epochs_of(tiles, out) == []
    assert caplog.messages == [
        f"{out} is already trained (3 epochs), give more epochs, or overwrite (-f) to train it "
        "again"
    ]
    assert (Model.load(out).hash, out.stat().st_mtime_ns) == (first.hash, written)
    (tmp_path / "m.safetensors.checkpoint").unlink()
    caplog.clear()
    with caplog.at_level(logging.INFO, "geoseg"):
        assert epochs_of(tiles, out) == []
    assert "is already trained (3 epochs)" in caplog.text


def test_the_same_command_again_ends_with_exit_code_0(tiles, tmp_path):
    command = (
        "train", tiles.folder, "--out", tmp_path / "m.safetensors", "--recipe", "lab",
        "--epochs", 1, "--width", 2, "--depth", 1, "--pictures", 0, "--device", "cpu",
    )  # fmt: skip
    first = here(*command)
    assert first.returncode == 0
    again = here(*command)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert "is already trained (1 epoch), give more epochs" in again.stderr
    assert "epoch 1: loss" in here(*command, "-f").stderr
    assert "resumes after epoch 1 of 2" in here(*command, "--epochs", 2).stderr
    assert "at epoch 1 and discards 2 epochs" in here(*command, "-f", "--no-resume").stderr


def test_with_overwrite_a_complete_run_starts_again_and_a_stopped_one_goes_on(tiles, tmp_path):
    out = stopped_run(tiles, tmp_path, 2)
    assert epochs_of(tiles, out, overwrite=True) == [3]
    assert epochs_of(tiles, out, overwrite=True) == [1, 2, 3]
    assert epochs_of(tiles, out, overwrite=True, lr=0.5) == [1, 2, 3]


def test_a_run_killed_before_it_wrote_its_model_only_writes_it(tiles, tmp_path):
    out = tmp_path / "m.safetensors"
    first = run(tiles, out)
    out.unlink()
    assert epochs_of(tiles, out, overwrite=True) == []
    assert Model.load(out).hash == first.hash


def test_other_colours_and_pixel_sizes_need_no_training(tiles, tmp_path):
    out = tmp_path / "m.safetensors"
    first = run(tiles, out)
    colours = Legend(tuple(LandCoverClass(c.value, c.name, "#123456") for c in LEGEND.classes))
    recoloured = make_tiles(tmp_path / "again", legend=colours)
    assert epochs_of(recoloured, out) == []
    model = Model.load(out)
    assert model.legend == colours
    assert torch.equal(weights(model), weights(first))
    epochs_of(recoloured, out, pixel_size_range=(1, 2))
    assert Model.load(out).pixel_size_range == (1.0, 2.0)


# More epochs.


def test_more_epochs_give_the_weights_of_as_many_in_one_go(tiles, tmp_path):
    changes = {"optimizer": "adam", "augment": "flips", "lr": 0.01}
    whole = run(tiles, tmp_path / "whole.safetensors", epochs=8, **changes)
    out = tmp_path / "m.safetensors"
    run(tiles, out, epochs=3, **changes)
    assert epochs_of(tiles, out, epochs=8, **changes) == [4, 5, 6, 7, 8]
    assert Model.load(out).hash == whole.hash
    assert plain_history(out) == plain_history(tmp_path / "whole.safetensors")


def test_more_epochs_that_are_stopped_go_on(tiles, tmp_path):
    out = tmp_path / "m.safetensors"
    run(tiles, out, epochs=2)
    stopped_run(tiles, tmp_path, 4, epochs=6)
    assert Model.load(out).training["epochs"] == 2
    assert epochs_of(tiles, out, epochs=6) == [5, 6]


def test_a_cosine_follows_the_new_number_of_epochs_and_says_so(tiles, tmp_path, caplog):
    out = tmp_path / "m.safetensors"
    run(tiles, out, schedule="cosine", epochs=2)
    with caplog.at_level(logging.WARNING, "geoseg"):
        run(tiles, out, schedule="cosine", epochs=6)
    (warning,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert "followed a cosine over 2 epochs, and now follows one over 6" in warning
    rates = [row["lr"] for row in history_of(out)]
    assert rates[2] > rates[1]
    assert rates[-1] < 0.1 * SMALL.get("lr", 1e-3)


def test_fewer_epochs_than_done_are_refused(tiles, tmp_path):
    out = tmp_path / "m.safetensors"
    run(tiles, out)
    with pytest.raises(RunError, match="has 3 epochs already, more than the 2 requested"):
        run(tiles, out, epochs=2)


# Patience.


def test_a_run_stopped_by_patience_is_complete_and_goes_on_with_more(tiles, tmp_path, caplog):
    out = tmp_path / "m.safetensors"
    wild = {"lr": 0.3, "optimizer": "sgd", "seed": 2, "epochs": 50}
    done = run(tiles, out, patience=2, **wild).training["epochs"]
    assert done < 50
    checkpoint = tmp_path / "m.safetensors.checkpoint"
    for name in ("m.safetensors.checkpoint", "kept"):  # with and without the checkpoint
        checkpoint = checkpoint.rename(tmp_path / name)
        caplog.clear()
        with caplog.at_level(logging.INFO, "geoseg"):
            assert epochs_of(tiles, out, patience=2, **wild) == []
        text = f"already trained ({done} epochs, stopped by a patience of 2), give more patience"
        assert text in caplog.text
    checkpoint.rename(tmp_path / "m.safetensors.checkpoint")
    with pytest.raises(RunError, match=r"a patience of 1 would have stopped it after epoch \d"):
        run(tiles, out, patience=1, **wild)
    whole = run(tiles, tmp_path / "whole.safetensors", patience=4, **wild)
    assert run(tiles, out, patience=4, **wild).hash == whole.hash


@pytest.mark.parametrize(
    ("losses", "patience", "end"),
    [
        ([], None, 9), ([3, 2, 1], None, 9), ([3, 2, 2, 2], 2, 4), ([3, 2, 2, 1], 2, 9),
        ([1] * 12, None, 9), ([1] * 12, 5, 6), ([1, 2, 3, 0, 1, 1], 2, 3),
    ],
    ids=str,
)  # fmt: skip
def test_the_last_epoch_follows_from_epochs_and_patience(losses, patience, end):
    assert last_epoch(small(epochs=9, patience=patience), losses) == end


# Other runs.


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lr": 0.5}, "lr was 0.001 and is 0.5"),
        ({"seed": 9}, "seed was 0 and is 9"),
        ({"augment": "flips", "width": 3}, "augment was none and is flips; width was 2 and is 3"),
        ({"ignore": ("rock",)}, "other training tiles; other validation tiles"),
    ],
    ids=str,
)
def test_a_checkpoint_of_other_settings_is_refused_with_the_difference(
    tiles, tmp_path, change, words
):
    out = stopped_run(tiles, tmp_path)
    with pytest.raises(RunError) as error:
        run(tiles, out, **change)
    assert "m.safetensors.checkpoint belongs to another training (" in str(error.value)
    assert words in str(error.value)
    assert "give the same tiles and settings, or start again" in str(error.value)
    assert "(resume=False, --no-resume)" in str(error.value)
    assert epochs_of(tiles, out, resume=False, **change) == [1, 2, 3]


def test_a_checkpoint_of_other_tiles_is_refused_and_of_moved_ones_is_not(tiles, tmp_path):
    out = stopped_run(tiles, tmp_path)
    labels = ground(2 * SIZE, 6 * SIZE)
    labels[0, 0] = 2 - labels[0, 0] // 2
    other = make_tiles(tmp_path / "other", labels=labels, pixels=picture(ground(32, 96)))
    with pytest.raises(RunError, match=r"another training \(other (training|validation) tiles\)"):
        run(other, out)
    moved = make_tiles(tmp_path / "moved")
    assert run(moved, out).training["epochs"] == 3


def test_a_checkpoint_of_another_start_is_refused(tiles, tmp_path):
    first = run(tiles, tmp_path / "a.safetensors")
    out = stopped_run(tiles, tmp_path)
    with pytest.raises(RunError, match=r"another training \(other start model\)"):
        train(tiles, out, settings=small(), start=first, device="cpu")


def test_a_complete_model_of_other_settings_is_replaced_only_on_request(tiles, tmp_path):
    out = tmp_path / "m.safetensors"
    run(tiles, out)
    with pytest.raises(
        OutputError,
        match=r"exists and belongs to another training \(lr was 0.001 and is 0.5\), use another "
        r"output name, or overwrite \(-f\)",
    ):
        run(tiles, out, lr=0.5)
    assert run(tiles, out, lr=0.5, overwrite=True).training["settings"]["lr"] == 0.5


def test_an_existing_model_is_replaced_only_on_request(tiles, tmp_path):
    out = tmp_path / "m.safetensors"
    out.write_text("the best I ever had")
    for resume in (True, False):
        with pytest.raises(OutputError, match=r"m\.safetensors exists, use another output name, "):
            run(tiles, out, resume=resume)
    assert out.read_text() == "the best I ever had"
    assert run(tiles, out, overwrite=True).training["epochs"] == 3


def test_a_model_stays_until_the_new_one_is_complete(tiles, tmp_path):
    out = tmp_path / "m.safetensors"
    out.write_text("the best I ever had")
    with pytest.raises(Stopped):
        run(tiles, out, overwrite=True, report=stop_after(2))
    assert out.read_text() == "the best I ever had"
    with pytest.raises(OutputError, match="exists, use another output name"):
        run(tiles, out)
    assert epochs_of(tiles, out, overwrite=True) == [3]


def test_more_epochs_move_the_begin_of_pseudo_labels_and_it_is_said(tiles, tmp_path, caplog):
    out, options = tmp_path / "m.safetensors", {"pseudo_labels": True, "schedule": "constant"}
    run(tiles, out, recipe=small_standard, **options)
    with caplog.at_level(logging.WARNING, "geoseg"):
        run(tiles, out, recipe=small_standard, **options, epochs=4)
    assert "pseudo-labels begin after half of the epochs, which were 2 and are 4" in caplog.text
