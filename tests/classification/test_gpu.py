"""The map of a GPU: made with batches, graphs and streams, on a CPU by a stand-in for CUDA."""

import numpy as np
import pytest
import rasterio
import torch

from geoseg.classification import ClassifySettings, Execution, classify
from geoseg.classification import pixels as pixels_module
from geoseg.model import load_predictor
from geoseg.model.cuda import GraphedFunction
from tests.support.cuda import FakeCuda
from tests.support.rasters import blocks, write_raster

SETTINGS = {
    "hann": ClassifySettings(overlap=8),
    "most of a window overlaps": ClassifySettings(overlap=21, blend="crop"),
    "no overlap": ClassifySettings(overlap=0),
    "symmetries": ClassifySettings(overlap=12, blend="linear", tta=True),
}
NAMES = ("lulc.tif", "conf.tif", "probs.tif", "uncertainty.tif", "lulc.gpkg")


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Two chunks, with windows without a valid pixel in the middle and at an edge."""
    image = np.maximum(blocks(140, 600, 3, 0), 1)
    image[:, 40:110, 100:190] = 0
    image[:, :, 560:] = 0
    return write_raster(tmp_path_factory.mktemp("scene") / "scene.tif", image, nodata=0)


def maps(scene, folder, model, settings):
    classify(
        scene, folder / "lulc.tif", model=model, polygons=folder / "lulc.gpkg",
        confidence=folder / "conf.tif", probabilities=folder / "probs.tif",
        uncertainty=folder / "uncertainty.tif", settings=settings,
        execution=Execution(device="cpu", chunk=512), workers=1,
    )  # fmt: skip
    return {name: (folder / name).read_bytes() for name in NAMES}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_the_path_of_a_gpu_makes_the_map_of_the_cpu(scene, model, settings, tmp_path, monkeypatch):
    (tmp_path / "cpu").mkdir()
    expected = maps(scene, tmp_path / "cpu", model, settings)
    cuda = FakeCuda(monkeypatch)
    predictors = []

    def on_fake_cuda(source):
        if not predictors:
            predictor = load_predictor(source, None)
            predictor.by_batch = True
            predictor._compute = GraphedFunction(predictor._compute, torch.device("cpu"))
            predictors.append(predictor)
        return predictors[0]

    monkeypatch.setattr(pixels_module, "cached_predictor", on_fake_cuda)
    (tmp_path / "gpu").mkdir()
    assert maps(scene, tmp_path / "gpu", model, settings) == expected
    assert cuda.captures == 1
    with rasterio.open(tmp_path / "gpu" / "lulc.tif") as labels:
        assert len(np.unique(labels.read())) > 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_gpu_makes_the_same_files_twice(scene, model, precision, tmp_path):
    made = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        classify(
            scene, folder / "lulc.tif", model=model, polygons=folder / "lulc.gpkg",
            confidence=folder / "conf.tif", probabilities=folder / "probs.tif",
            uncertainty=folder / "uncertainty.tif",
            settings=ClassifySettings(overlap=8, precision=precision),
            execution=Execution(device="cuda", chunk=512),
        )  # fmt: skip
        made.append({name: (folder / name).read_bytes() for name in NAMES})
    assert made[0] == made[1]
