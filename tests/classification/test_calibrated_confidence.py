"""A model's temperature in a map: confidence changes, labels do not."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch

from geoseg import ClassifySettings, Execution, classify
from geoseg.model import Model, Predictor
from tests.support.rasters import write_raster


@pytest.fixture
def scene(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 600, 90), dtype=np.uint8)
    return write_raster(tmp_path / "scene.tif", pixels)


def mapped(scene, model, temperature, folder, chunk=512):
    """Labels, confidence and probabilities of a model at a temperature."""
    folder.mkdir()
    replace(Model.load(model), temperature=temperature).save(folder / "model.safetensors")
    classify(
        scene, folder / "lulc.tif", model=folder / "model.safetensors",
        confidence=folder / "confidence.tif", probabilities=folder / "probabilities.tif",
        settings=ClassifySettings(overlap=8), execution=Execution(chunk=chunk, device="cpu"),
    )  # fmt: skip
    rasters = []
    for name in ("lulc", "confidence", "probabilities"):
        with rasterio.open(folder / f"{name}.tif") as file:
            rasters.append(file.read().astype(int))
    return rasters


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.4, 2.5])
def test_labels_stay_and_confidence_moves(scene, model, tmp_path, temperature):
    labels, confidence, _ = mapped(scene, model, 1.0, tmp_path / "plain")
    again, moved, shares = mapped(scene, model, temperature, tmp_path / "moved")
    assert np.array_equal(labels, again)
    change = (moved - confidence) * np.sign(1 - temperature)
    assert (change >= 0).all()
    assert change.max() > 5
    assert np.array_equal(shares.max(0), moved[0])
    assert np.abs(shares.sum(0) - 255).max() <= 2
    other = mapped(scene, model, temperature, tmp_path / "chunks", chunk=1024)
    for one, two in zip((again, moved, shares), other, strict=True):
        assert np.array_equal(one, two)


def test_it_is_the_softmax_of_logits_over_the_temperature(model):
    predictor = Predictor(replace(Model.load(model), temperature=1.7), device="cpu")
    logits = torch.randn((4, 5, 6), generator=torch.Generator().manual_seed(0)) * 4
    scores = predictor.apply_temperature(torch.softmax(logits, 0) * 3)
    assert torch.allclose(scores, torch.softmax(logits / 1.7, 0), atol=1e-6)
    assert (predictor.apply_temperature(torch.zeros((4, 2, 2))) == 0).all()
