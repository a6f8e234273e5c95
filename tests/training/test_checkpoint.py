"""Checkpoints that cannot be used, and the lock of the output."""

import os
import resource

import numpy as np
import pytest
import torch

from geoseg.errors import InterruptedRun, OutputError, RunError
from geoseg.files import output_lock
from geoseg.model import Model
from geoseg.training import context as context_module
from tests.support.commands import here, refused
from tests.support.paths import names_in
from tests.support.training import epochs_of, run, stopped_run, weights
from tests.support.training import one_thread as one_thread
from tests.support.training import tiles as tiles

# Checkpoints that cannot be used.


def test_a_damaged_checkpoint_is_named(tiles, tmp_path):
    out = stopped_run(tiles, tmp_path)
    checkpoint = tmp_path / "m.safetensors.checkpoint"
    content = checkpoint.read_bytes()
    for damage in (b"", b"hello", content[: len(content) // 2]):
        checkpoint.write_bytes(damage)
        with pytest.raises(RunError, match=r"checkpoint .*m\.safetensors\.checkpoint") as error:
            run(tiles, out)
        assert "\n" not in str(error.value)
        assert "--no-resume" in str(error.value)


def test_a_checkpoint_that_runs_code_is_not_loaded(tiles, tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "trapped"),))

    out = stopped_run(tiles, tmp_path)
    torch.save({"run": Trap()}, tmp_path / "m.safetensors.checkpoint")
    with pytest.raises(RunError, match="is damaged"):
        run(tiles, out)
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("content", [[1, 2], {}, {"run": "of an older version", "state": {}}])
def test_a_checkpoint_of_something_else_or_an_older_version_is_refused(tiles, tmp_path, content):
    torch.save(content, tmp_path / "m.safetensors.checkpoint")
    with pytest.raises(RunError, match="is not a checkpoint of this version of geoseg, start"):
        run(tiles, tmp_path / "m.safetensors")


def test_a_full_disk_leaves_the_last_whole_checkpoint(tiles, tmp_path):
    out = stopped_run(tiles, tmp_path)
    checkpoint = tmp_path / "m.safetensors.checkpoint"
    size = checkpoint.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, before[1]))
    try:
        with pytest.raises(OutputError, match=r"checkpoint .*File too large.*the same command"):
            run(tiles, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names_in(tmp_path) == ["m.history.csv", "m.safetensors.checkpoint"]
    assert checkpoint.stat().st_size == size
    assert epochs_of(tiles, out) == [2, 3]


def test_a_history_that_cannot_be_written_keeps_the_checkpoint(tiles, tmp_path):
    (tmp_path / "m.history.csv").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*m\.history\.csv"):
        run(tiles, tmp_path / "m.safetensors")
    assert names_in(tmp_path) == ["m.history.csv", "m.safetensors.checkpoint"]
    (tmp_path / "m.history.csv").rmdir()
    assert epochs_of(tiles, tmp_path / "m.safetensors") == [2, 3]


# One process at a time.


def test_two_trainings_of_one_model_do_not_run_at_once(tiles, tmp_path):
    out = tmp_path / "m.safetensors"
    with (
        output_lock(tmp_path / ".m.safetensors.lock", out, "training"),
        pytest.raises(InterruptedRun, match=rf"is in use .*training, pid {os.getpid()} on") as end,
    ):
        run(tiles, out)
    assert end.value.exit_code == 75
    assert names_in(tmp_path) == []
    assert epochs_of(tiles, out) == [1, 2, 3]
    assert ".m.safetensors.lock" not in names_in(tmp_path)


def test_a_second_process_names_the_first_and_ends_with_75(tiles, tmp_path):
    out = tmp_path / "m.safetensors"
    codes = []

    def second(_):
        codes.append(refused(here("train", tiles.folder, "--out", out), 75))

    run(tiles, out, epochs=1, report=second)
    assert f"{out} is in use" in codes[0]


def test_a_changed_byte_of_the_weights_is_found(tiles, tmp_path):
    out = stopped_run(tiles, tmp_path)
    checkpoint = tmp_path / "m.safetensors.checkpoint"
    content = checkpoint.read_bytes()
    for place in np.linspace(0, len(content) - 1, 40).astype(int):
        changed = bytearray(content)
        changed[place] ^= 4
        checkpoint.write_bytes(changed)
        with pytest.raises(RunError):
            run(tiles, out)


def test_a_checkpoint_without_checksum_is_read(tiles, tmp_path):
    """As earlier versions wrote it."""
    whole = run(tiles, tmp_path / "whole.safetensors")
    out = stopped_run(tiles, tmp_path)
    checkpoint = tmp_path / "m.safetensors.checkpoint"
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[content.index(b"PK") :])
    assert epochs_of(tiles, out) == [2, 3]
    assert torch.equal(weights(Model.load(out)), weights(whole))


def test_a_checkpoint_without_loss_scaling_resumes_with_it(tiles, tmp_path, monkeypatch):
    """A run in bf16 continues on a GPU that has fp16 only."""
    out = stopped_run(tiles, tmp_path)
    enabled = torch.amp.GradScaler("cpu", enabled=True)
    monkeypatch.setattr(context_module.torch.amp, "GradScaler", lambda *_, **__: enabled)
    assert epochs_of(tiles, out) == [2, 3]
