"""Temperature scaling: the fit, the calibration error, and what the model file keeps."""

import json
import logging

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from geoseg.errors import ModelError
from geoseg.info import as_text, describe
from geoseg.model import Model, UNetSpec, make_network
from geoseg.tiles import IGNORE_INDEX
from geoseg.training.calibration import Calibration, calibrate, fit_temperature
from tests.support.training import LEGEND, SIZE, ground, make_tiles, run
from tests.support.training import one_thread as one_thread
from tests.support.training import tiles as tiles


@settings(max_examples=15)
@given(st.floats(0.2, 5), st.integers(0, 2**32 - 1))
def test_fit_temperature_finds_the_temperature_that_labels_were_drawn_with(temperature, seed):
    rng = torch.Generator().manual_seed(seed)
    logits = torch.randn((20_000, 4), generator=rng) * 3
    labels = torch.multinomial(torch.softmax(logits / temperature, 1), 1, generator=rng)[:, 0]
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.1)


def test_fit_temperature_minimises_the_cross_entropy():
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn((500, 3), generator=rng)
    labels = torch.multinomial(torch.softmax(logits, 1), 1, generator=rng)[:, 0]
    fitted = fit_temperature(2 * logits, labels)

    def loss(t):
        return float(torch.nn.functional.cross_entropy(2 * logits.double() / t, labels))

    assert loss(fitted) <= min(loss(fitted * 0.99), loss(fitted * 1.01))


def test_fit_temperature_of_a_network_that_is_always_right_is_the_lowest():
    logits = torch.eye(3).repeat(10, 1)
    assert fit_temperature(logits, torch.arange(3).repeat(10)) == pytest.approx(0.05)


def test_train_saves_the_temperature_of_the_validation_tiles(tiles, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "geoseg.training.calibration._calibration_error", lambda _, __, at: 0.2 - (at != 1) / 8
    )
    model = run(tiles, tmp_path / "m.safetensors", epochs=2)
    recorded = model.training["calibration"]["temperature"]
    assert model.temperature == pytest.approx(recorded, abs=1e-6)
    assert model.temperature != 1
    assert Model.load(tmp_path / "m.safetensors").temperature == model.temperature
    images, _, labels = tiles.load("val")
    with torch.inference_mode():
        logits = model.network(torch.from_numpy(images.astype(np.float32))).movedim(1, -1)
    labelled = torch.from_numpy(labels != 255)
    again = fit_temperature(logits[labelled], torch.from_numpy(labels.astype(np.int64))[labelled])
    assert model.temperature == pytest.approx(again, rel=1e-4)
    assert "calibration error" in as_text(describe(tmp_path / "m.safetensors"))


def test_the_temperature_is_fitted_to_many_pixels_also_where_few_are_labelled(
    tmp_path, monkeypatch
):
    labels = ground(2 * SIZE, 6 * SIZE)
    labels[np.arange(labels.size).reshape(labels.shape) % 7 > 0] = IGNORE_INDEX
    tiles = make_tiles(tmp_path / "sparse", labels=labels)
    monkeypatch.setattr("geoseg.training.calibration._MAX_PIXELS", 50)
    pixels = []
    monkeypatch.setattr(
        "geoseg.training.run.calibrate",
        lambda logits, labels, **_: pixels.append(len(labels)) or Calibration(1.0, 0.1, 0.1),
    )
    run(tiles, tmp_path / "m.safetensors", epochs=1)
    assert 50 <= pixels[0] <= 2 * 50


def test_calibrate_keeps_1_if_the_fit_does_not_lower_the_calibration_error(caplog):
    # Scores are calibrated except in four pixels, whose extreme logits dominate the likelihood.
    logits = torch.tensor([[1.0986, 0.0]] * 400 + [[30.0, 0.0]] * 4)
    labels = torch.tensor([0] * 300 + [1] * 100 + [1] * 4)
    assert fit_temperature(logits, labels) > 1.5
    with caplog.at_level(logging.INFO, "geoseg"):
        calibration = calibrate(logits, labels)
    assert calibration.temperature == 1
    assert calibration.before == calibration.after
    assert "the temperature stays 1, because a temperature of" in caplog.text
    assert "does not lower the calibration error of" in caplog.text


@pytest.mark.parametrize(("logits", "end"), [([1.0, 0.0], "0.05"), ([0.0, 1.0], "20")])
def test_calibrate_warns_of_a_temperature_at_the_end_of_its_range(caplog, logits, end):
    with caplog.at_level(logging.WARNING, "geoseg"):
        calibration = calibrate(torch.tensor([logits] * 50), torch.zeros(50, dtype=torch.int64))
    assert calibration.after < calibration.before
    assert f"the temperature of {end} is at the end of its range (0.05 to 20)" in caplog.text


def test_the_temperature_of_two_equal_runs_has_the_same_bits(tiles, tmp_path):
    first, second = (run(tiles, tmp_path / f"{n}.safetensors", epochs=2) for n in range(2))
    assert first.temperature == second.temperature


def test_the_temperature_without_validation_tiles_is_1(tiles, tmp_path):
    model = run(tiles, tmp_path / "m.safetensors", epochs=1, val=0.0)
    assert model.temperature == 1
    assert model.training["calibration"] is None


def test_the_temperature_of_an_older_file_without_one_is_1(tmp_path):
    path = tmp_path / "m.safetensors"
    spec = UNetSpec(bands=2, classes=3, width=2, depth=1, window=16)
    Model(make_network(spec), LEGEND, ("a", "b"), temperature=1.7).save(path)
    assert Model.load(path).temperature == 1.7
    with safe_open(path, framework="pt") as file:
        metadata = json.loads(file.metadata()["geoseg"])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del metadata["temperature"]
    save_file(weights, path, {"geoseg": json.dumps(metadata)})
    assert Model.load(path).temperature == 1


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf"), float("nan")])
def test_a_temperature_out_of_range_is_refused(temperature):
    spec = UNetSpec(bands=2, classes=3, width=2, depth=1, window=16)
    with pytest.raises(ModelError, match=r"temperature is .*, give a number above 0"):
        Model(make_network(spec), LEGEND, ("a", "b"), temperature=temperature)
