"""The temperature of a model: fitted, kept, and of no effect on labels."""

import json
import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from geoseg.errors import ModelError
from geoseg.info import as_text, describe
from geoseg.model import Model, UNet, UNetSpec
from geoseg.training.calibration import calibrate, fit_temperature
from geoseg.training.distributed import ProcessGroup
from tests.support.training import LEGEND, run
from tests.support.training import one_thread as one_thread
from tests.support.training import tiles as tiles


@settings(max_examples=15)
@given(st.floats(0.2, 5), st.integers(0, 2**32 - 1))
def test_it_finds_the_temperature_by_which_labels_were_drawn(temperature, seed):
    rng = torch.Generator().manual_seed(seed)
    logits = torch.randn((20_000, 4), generator=rng) * 3
    labels = torch.multinomial(torch.softmax(logits / temperature, 1), 1, generator=rng)[:, 0]
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.1)


def test_it_is_where_the_loss_is_least():
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn((500, 3), generator=rng)
    labels = torch.multinomial(torch.softmax(logits, 1), 1, generator=rng)[:, 0]
    found = fit_temperature(2 * logits, labels)

    def loss(t):
        return float(torch.nn.functional.cross_entropy(2 * logits.double() / t, labels))

    assert loss(found) <= min(loss(found * 0.99), loss(found * 1.01))


def test_a_network_that_is_never_wrong_has_the_least_there_is():
    logits = torch.eye(3).repeat(10, 1)
    assert fit_temperature(logits, torch.arange(3).repeat(10)) == pytest.approx(0.05)


def test_training_fits_and_keeps_it(tiles, tmp_path, monkeypatch):
    monkeypatch.setattr("geoseg.training.calibration._error", lambda _, __, at: 0.2 - (at != 1) / 8)
    model = run(tiles, tmp_path / "m.safetensors", epochs=2)
    found = model.training["calibration"]
    assert model.temperature == pytest.approx(found["temperature"], abs=1e-6)
    assert model.temperature != 1
    assert Model.load(tmp_path / "m.safetensors").temperature == model.temperature
    images, _, labels = tiles.load("val")
    with torch.inference_mode():
        logits = model.network(torch.from_numpy(images.astype(np.float32))).movedim(1, -1)
    known = torch.from_numpy(labels != 255)
    again = fit_temperature(logits[known], torch.from_numpy(labels.astype(np.int64))[known])
    assert model.temperature == pytest.approx(again, rel=1e-4)
    assert "calibration error" in as_text(describe(tmp_path / "m.safetensors"))


def calibrated_with(monkeypatch, logits, labels):
    """The calibration of a network with these logits of the validation pixels."""
    monkeypatch.setattr("geoseg.training.calibration._validation", lambda _: (logits, labels))
    return calibrate(SimpleNamespace(processes=ProcessGroup()))


def test_a_fit_that_does_not_lower_the_calibration_error_is_not_kept(monkeypatch, caplog):
    # Scores are true but in a few pixels with wild logits, which the likelihood minds most.
    logits = torch.tensor([[1.0986, 0.0]] * 400 + [[30.0, 0.0]] * 4)
    labels = torch.tensor([0] * 300 + [1] * 100 + [1] * 4)
    assert fit_temperature(logits, labels) > 1.5
    with caplog.at_level(logging.INFO, "geoseg"):
        found = calibrated_with(monkeypatch, logits, labels)
    assert found.temperature == 1
    assert found.before == found.after
    assert "the temperature stays 1: a fit of" in caplog.text
    assert "does not lower the calibration error of" in caplog.text


@pytest.mark.parametrize(("logits", "end"), [([1.0, 0.0], "0.05"), ([0.0, 1.0], "20")])
def test_a_temperature_on_the_end_of_its_range_is_told(monkeypatch, caplog, logits, end):
    with caplog.at_level(logging.WARNING, "geoseg"):
        found = calibrated_with(
            monkeypatch, torch.tensor([logits] * 50), torch.zeros(50, dtype=torch.int64)
        )
    assert found.after < found.before
    assert f"the temperature of {end} is on the end of its range (0.05 to 20)" in caplog.text


def test_it_has_the_same_bits_after_a_resume_and_a_repeat(tiles, tmp_path):
    found = {run(tiles, tmp_path / f"{n}.safetensors", epochs=2).temperature for n in range(2)}
    assert len(found) == 1


def test_without_validation_it_is_one(tiles, tmp_path):
    model = run(tiles, tmp_path / "m.safetensors", epochs=1, val=0.0)
    assert model.temperature == 1
    assert model.training["calibration"] is None


def test_an_older_file_has_none_and_means_one(tmp_path):
    path = tmp_path / "m.safetensors"
    spec = UNetSpec(bands=2, classes=3, width=2, depth=1, window=16)
    Model(UNet(spec), LEGEND, ("a", "b"), temperature=1.7).save(path)
    assert Model.load(path).temperature == 1.7
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["geoseg"])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del about["temperature"]
    save_file(weights, path, {"geoseg": json.dumps(about)})
    assert Model.load(path).temperature == 1


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf"), float("nan")])
def test_a_temperature_that_cannot_be(temperature):
    spec = UNetSpec(bands=2, classes=3, width=2, depth=1, window=16)
    with pytest.raises(ModelError, match=r"temperature is .*, give a number above 0"):
        Model(UNet(spec), LEGEND, ("a", "b"), temperature=temperature)
