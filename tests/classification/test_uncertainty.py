"""The uncertainty of a map: the entropy of its scores, in bytes."""

import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch
from scipy.stats import entropy

from geoseg.classification import ClassifySettings, Execution, classify, describe_run
from geoseg.classification.pixels import relative_entropy
from geoseg.info import describe
from geoseg.model import Model
from tests.support.rasters import blocks, write_raster


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    image = np.maximum(blocks(140, 600, 3, 0), 1)
    image[:, 40:110, 100:190] = 0
    return write_raster(tmp_path_factory.mktemp("scene") / "scene.tif", image, nodata=0)


@pytest.fixture(scope="module")
def certain_model(model, tmp_path_factory):
    """A model of random weights that is sure of some pixels and not of others."""
    loaded = Model.load(model)
    with torch.no_grad():
        loaded.network.head.weight.mul_(40)
    file = tmp_path_factory.mktemp("model") / "model.safetensors"
    loaded.save(file)
    return file


def run(scene, folder, model, chunk=512, **outputs):
    folder.mkdir()
    files = {name: folder / f"{name}.tif" for name in ("uncertainty", *outputs)}
    classify(
        scene, folder / "lulc.tif", model=model, **files, settings=ClassifySettings(overlap=8),
        execution=Execution(chunk=chunk, device="cpu"), workers=1,
    )  # fmt: skip
    return {name: rasterio.open(path).read() for name, path in files.items()}


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_it_is_the_entropy_of_the_probabilities(scene, certain_model, tmp_path, temperature):
    file = tmp_path / "model.safetensors"
    replace(Model.load(certain_model), temperature=temperature).save(file)
    made = run(scene, tmp_path / "made", file, probabilities=True)
    values, shares = made["uncertainty"][0], made["probabilities"].astype(float)
    valid = shares.any(0)
    assert np.array_equal(valid, values > 0)
    assert not valid[60, 150]
    expected = 1 + 254 * entropy(shares[:, valid], axis=0) / np.log(len(shares))
    difference = np.abs(values[valid] - expected)
    assert difference.max() < 8  # the probabilities are rounded to bytes
    assert difference.mean() < 0.6
    assert np.ptp(values[valid]) > 20


def test_chunks_do_not_show_and_labels_stay_the_same(scene, certain_model, tmp_path):
    model = certain_model
    one = run(scene, tmp_path / "one", model)
    other = run(scene, tmp_path / "other", model, chunk=1024, confidence=True)
    assert np.array_equal(one["uncertainty"], other["uncertainty"])
    labels = [(tmp_path / name / "lulc.tif").read_bytes() for name in ("one", "other")]
    assert labels[0] == labels[1]


def test_the_file_says_what_it_is(scene, model, tmp_path):
    run(scene, tmp_path / "made", model)
    with rasterio.open(tmp_path / "made" / "uncertainty.tif") as file:
        assert (file.nodata, file.dtypes, file.descriptions) == (0, ("uint8",), ("uncertainty",))
        assert file.tags()["GEOSEG_OVERLAP"] == "8"
    report = json.loads((tmp_path / "made" / "lulc.json").read_text())
    assert report["config"]["uncertainty"] == str(tmp_path / "made" / "uncertainty.tif")
    assert describe(tmp_path / "made" / "uncertainty.tif").kind == "scene"


def test_it_takes_a_byte_of_disk_and_is_another_run(scene, model, tmp_path):
    plain, more = (
        describe_run(
            scene, tmp_path / "lulc.tif", model=model, settings=ClassifySettings(overlap=8), **files
        )
        for files in ({}, {"uncertainty": tmp_path / "uncertainty.tif"})
    )
    assert more.disk.certain - plain.disk.certain == 140 * 600
    assert more.memory > plain.memory
    assert more.outputs[-1].endswith("uncertainty.tif")


def test_relative_entropy_is_that_of_scipy():
    scores = torch.rand((5, 9, 11), generator=torch.Generator().manual_seed(0)) ** 4
    scores[:, 0, 0] = torch.tensor([0, 3.0, 0, 0, 0])
    scores[:, 0, 1] = 0.7
    expected = entropy(scores.double().numpy(), axis=0) / np.log(5)
    assert np.allclose(relative_entropy(scores).numpy(), expected, atol=1e-6)
    assert relative_entropy(scores)[0, 0] == 0
    assert (relative_entropy(scores[:1]) == 0).all()
