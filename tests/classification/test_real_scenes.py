"""The laws on real scenes and on small ones like them, and on the sample scene."""

from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from PIL import Image

from geoseg import ClassifySettings, Execution, Model, classify
from geoseg.legend import DUBAI_MASKS
from geoseg.metrics import Confusion
from tests.support.paths import SAMPLE
from tests.support.rasters import write_raster
from tests.support.realdata import Data


@pytest.fixture(scope="module")
def tile4(data, tmp_path_factory) -> Path:
    """A part of Dubai's Tile 4 as one scene (really 1100 x 1200 px), in EPSG:32640."""
    folder = data.dubai(4) / "images"
    parts = []
    for number in (1, 2, 4, 5):
        with rasterio.open(folder / f"image_part_{number:03d}.jpg") as part:
            parts.append(part.read())
    rows = [np.concatenate(parts[i : i + 2], axis=2) for i in (0, 2)]
    image = np.concatenate(rows, axis=1)[:, :1100, :1200]
    return write_raster(
        tmp_path_factory.mktemp("dubai") / "tile4.tif", image,
        transform=Affine(0.5, 0, 320000, 0, -0.5, 2790000), tiled=True,
    )  # fmt: skip


@pytest.mark.slow
def test_chunks_and_workers_do_not_show_on_a_real_scene(data, tile4, tmp_path):
    maps, polygons = [], []
    for chunk, workers in ((512, 2), (1024, 2), (2048, 1)):
        out = tmp_path / f"{chunk}.tif"
        classify(
            tile4, out, polygons=tmp_path / f"{chunk}.fgb", settings=ClassifySettings(overlap=16),
            execution=Execution(chunk=chunk), workers=workers,
        )  # fmt: skip
        maps.append(out.read_bytes())
        _, _, wkb, columns = pyogrio.raw.read(tmp_path / f"{chunk}.fgb")
        shapes = (shapely.normalize(g).wkb for g in shapely.from_wkb(wkb))
        polygons.append(set(zip(shapes, columns[0], columns[2], columns[4], strict=True)))
    assert maps[0] == maps[1] == maps[2]
    assert polygons[0] == polygons[1] == polygons[2]
    assert len(polygons[0]) > (500 if data.real else 100)


def test_the_model_lab_is_the_reference_network():
    model = Model.load("lab")
    assert model.trainable_parameters == 1_941_190
    assert model.band_names == ("red", "green", "blue")
    assert model.legend.names[:5] == ("building", "land", "road", "vegetation", "water")


@pytest.mark.slow
def test_the_sample_scene_is_mapped_as_it_is_labelled(tmp_path):
    classify(
        SAMPLE / "parana.tif", tmp_path / "lulc.tif", model=SAMPLE / "parana.safetensors",
        settings=ClassifySettings(nodata=0),
    )  # fmt: skip
    with (
        rasterio.open(SAMPLE / "parana.tif") as scene,
        rasterio.open(tmp_path / "lulc.tif") as map_,
    ):
        assert np.array_equal(map_.read(1) == 255, (scene.read() == 0).all(0))
        labels, transform = map_.read(1), map_.transform
    frame = pyogrio.read_dataframe(SAMPLE / "parana_labels.gpkg")
    names = Model.load(SAMPLE / "parana.safetensors").legend.names
    burnt = rasterio.features.rasterize(
        [(g, names.index(n)) for g, n in zip(frame.geometry, frame.name, strict=True)],
        labels.shape, 255, transform=transform,
    )  # fmt: skip
    labelled = burnt != 255
    assert (labels[labelled] == burnt[labelled]).mean() > 0.9


def test_the_bundled_model_has_a_pretrained_encoder_and_five_classes():
    model = Model.load()
    assert (model.spec.encoder, model.spec.window) == ("efficientnet-lite0", 256)
    assert model.legend.names == ("building", "land", "road", "vegetation", "water")
    assert model.temperature != 1


@pytest.mark.parametrize("factor", [2, 3])
def test_the_pixels_of_the_model_give_the_better_map(shared, tmp_path, factor):
    """Of two images with larger pixels; `benchmarks/resolution.py` has all of a folder."""
    tile, size = Data(shared / "data", real=True).dubai(3), 0.88 * factor
    classes = [c for c in DUBAI_MASKS.classes if c.name != "unlabelled"]
    matrices = {name: Confusion.zeros(len(classes)) for name in ("scene", "model")}
    for number in (1, 2):
        name = f"image_part_{number:03d}"
        image = Image.open(tile / "images" / f"{name}.jpg").reduce(factor)
        scene = write_raster(
            tmp_path / f"{name}.tif", np.moveaxis(np.asarray(image), 2, 0),
            transform=Affine(size, 0, 320000, 0, -size, 2790000),
        )  # fmt: skip
        mask = np.asarray(Image.open(tile / "masks" / f"{name}.png").convert("RGB"))
        colors = mask[factor // 2 :: factor, factor // 2 :: factor]
        reference = np.full((image.height, image.width), 255, np.uint8)
        for index, land_cover in enumerate(classes):
            found = (colors == land_cover.rgb).all(axis=2)
            reference[: len(found), : found.shape[1]][found] = index
        for resolution, matrix in matrices.items():
            out = tmp_path / f"{name}-{resolution}.tif"
            classify(scene, out, settings=ClassifySettings(resolution=resolution), workers=1)
            with rasterio.open(out) as map_:
                of_image = Confusion.of(map_.read(1), reference, len(classes), ignore=255)
            matrices[resolution] = matrix + of_image
    assert matrices["model"].mean_iou > matrices["scene"].mean_iou + 0.01
