"""Windows of another side than the model was trained with, and networks with an encoder."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from geoseg.classification import ClassifySettings, Execution, classify
from geoseg.errors import ModelError
from geoseg.legend import Legend
from geoseg.model import Model, UNetSpec, choose_batch, make_network
from geoseg.raster import read_metadata, read_whole
from tests.support.rasters import random_pixels, write_raster

RGB = ("red", "green", "blue")


def labels_of(path):
    return read_whole(str(path))[0][0]


def window_tag(path):
    return read_metadata(path).tags["GEOSEG_WINDOW"]


@pytest.fixture(scope="module")
def lite(tmp_path_factory):
    """A model with EfficientNet-Lite0 and windows of 64 px."""
    torch.manual_seed(0)
    spec = UNetSpec(classes=4, width=4, depth=5, window=64, encoder="efficientnet-lite0")
    path = tmp_path_factory.mktemp("lite") / "lite.safetensors"
    Model(make_network(spec).eval(), Legend.from_names(list("abcd")), RGB).save(path)
    return path


@pytest.fixture
def scene(tmp_path):
    smooth = np.kron(random_pixels(3, 30, 40), np.ones((1, 10, 10), np.uint8))
    return write_raster(tmp_path / "scene.tif", smooth[:, :260, :330])


def test_a_map_with_other_windows_is_that_of_a_model_trained_with_them(lite, scene, tmp_path):
    settings = ClassifySettings(overlap=32, window=96)
    classify(scene, tmp_path / "option.tif", model=lite, settings=settings)
    model = Model.load(lite).with_window(96)
    model.save(tmp_path / "other.safetensors")
    classify(scene, tmp_path / "own.tif", model=tmp_path / "other.safetensors",
             settings=replace(settings, window=None))  # fmt: skip
    mapped = labels_of(tmp_path / "option.tif")
    assert window_tag(tmp_path / "option.tif") == "96"
    assert np.array_equal(mapped, labels_of(tmp_path / "own.tif"))
    classify(scene, tmp_path / "small.tif", model=lite, settings=replace(settings, window=None))
    assert not np.array_equal(mapped, labels_of(tmp_path / "small.tif"))
    assert window_tag(tmp_path / "small.tif") == "64"


def test_a_window_that_the_network_cannot_read_is_refused(lite, scene, tmp_path):
    with pytest.raises(ModelError, match="window size 80 is not a multiple of 32"):
        classify(scene, tmp_path / "m.tif", model=lite, settings=ClassifySettings(window=80))
    assert not (tmp_path / "m.tif").exists()


def test_chunks_and_workers_do_not_show_with_an_encoder(lite, tmp_path):
    scene = write_raster(tmp_path / "s.tif", random_pixels(3, 530, 700))
    maps = []
    for name, chunk, workers in (("whole", 1024, 1), ("parts", 512, 2)):
        execution = Execution(device="cpu", chunk=chunk)
        out = tmp_path / f"{name}.tif"
        classify(scene, out, model=lite, confidence=tmp_path / f"{name}-c.tif",
                 execution=execution, workers=workers)  # fmt: skip
        maps.append((out.read_bytes(), (tmp_path / f"{name}-c.tif").read_bytes()))
    assert maps[0] == maps[1]


def test_a_model_with_other_windows_has_the_same_weights_and_file(lite):
    model = Model.load(lite)
    other = model.with_window(96)
    assert other.spec == replace(model.spec, window=96)
    assert (other.path, other.hash) == (model.path, model.hash)
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, other.network.state_dict()[name])
    assert model.with_window(64) is model


@pytest.mark.parametrize(
    ("device", "window", "batch"),
    [("cpu", 128, 8), ("cpu", 256, 2), ("cpu", 512, 1), ("cuda", 128, 256), ("cuda", 256, 64)],
)
def test_a_batch_has_about_the_same_pixels_for_any_window(device, window, batch):
    assert choose_batch(None, torch.device(device), window) == batch
    assert choose_batch(3, torch.device(device), window) == 3
