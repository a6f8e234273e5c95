"""Arrays in memory: the same map as that of a GeoTIFF with the same pixels."""

import logging
import tracemalloc
from dataclasses import replace

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

import geoseg
from geoseg import ClassifySettings, Execution, classify_array
from geoseg.classification.arrays import array_run
from geoseg.errors import ChunkError, GeosegError, RunError, SceneError
from geoseg.polygons import Cleaning
from tests.support.maps import map_of_file
from tests.support.models import save_model, tiny_model
from tests.support.rasters import blocks, random_pixels, write_raster

SETTINGS = ClassifySettings(overlap=8)
PLACE = {"transform": Affine(10, 0, 500000, 0, -10, 2800000), "crs": "EPSG:32640"}


def assert_same(result: geoseg.ClassifiedArray, expected: dict[str, np.ndarray]) -> None:
    for name, array in expected.items():
        own = getattr(result, name)
        assert own.dtype == np.uint8
        assert np.array_equal(own, array), name


def image(height, width, dtype, nodata) -> np.ndarray:
    """Blocks with an invalid corner, and for floats single pixels that are not finite."""
    pixels = np.maximum(blocks(height, width), 1).astype(dtype)
    if nodata is not None:
        pixels[:, : height // 5, : width // 4] = nodata
        pixels[0, -1, :9] = nodata  # one band alone does not make a pixel invalid
    if np.issubdtype(dtype, np.floating):
        pixels[1, height // 2, ::7] = np.nan
        pixels[2, height // 3, ::5] = np.inf
    return pixels


@pytest.mark.parametrize(
    ("height", "width", "dtype", "nodata", "chunk", "workers"),
    [
        (520, 1040, "uint8", 0, 512, 2),
        (520, 1040, "float32", np.nan, 1024, 1),
        (601, 333, "int16", -9999, None, 2),
        (90, 70, "uint16", None, None, 1),
        (20, 45, "uint8", 0, None, 1),  # smaller than a window
        (40, 40, "float64", -1.5, None, 1),
    ],
)
def test_the_map_of_an_array_is_that_of_a_file(
    height, width, dtype, nodata, chunk, workers, model, tmp_path
):
    pixels = image(height, width, dtype, nodata)
    scene = write_raster(tmp_path / "s.tif", pixels, nodata=nodata, **PLACE)
    expected = map_of_file(
        scene, tmp_path, model, SETTINGS, execution=Execution(chunk=chunk), workers=1
    )
    assert len(np.unique(expected["labels"])) > 2
    given = pixels.copy()
    given.flags.writeable = False  # the array of the caller is not changed
    result = classify_array(
        given, nodata=nodata, model=model, settings=SETTINGS, confidence=True, probabilities=True,
        workers=workers, **PLACE,
    )  # fmt: skip
    assert_same(result, expected)
    assert np.array_equal(given, pixels, equal_nan=True)
    assert result.transform == PLACE["transform"]
    assert result.crs.startswith("PROJCRS")
    assert result.legend.names[0] == "class 0"


def test_only_what_is_asked_for_is_returned(model):
    result = classify_array(blocks(40, 40), model=model, settings=SETTINGS)
    assert result.confidence is None
    assert result.probabilities is None
    assert result.transform == Affine.identity()
    assert result.crs is None


def test_masks_make_pixels_invalid_like_the_mask_of_a_file(model, tmp_path):
    pixels, valid = blocks(90, 120), np.ones((90, 120), bool)
    valid[30:60, 10:50] = False
    scene = write_raster(tmp_path / "s.tif", pixels, **PLACE)
    with rasterio.open(scene, "r+") as file:
        file.write_mask(valid)
    expected = map_of_file(scene, tmp_path, model, SETTINGS, workers=1)
    assert (expected["labels"] == 255).sum() == 30 * 40
    outputs = {"confidence": True, "probabilities": True}
    by_argument = classify_array(pixels, valid=valid, model=model, settings=SETTINGS, **outputs)
    masked = np.ma.array(pixels, mask=np.repeat(~valid[None], 3, axis=0))
    masked.mask[0, 0, :] = True  # one band alone does not make a pixel invalid
    by_mask = classify_array(masked, model=model, settings=SETTINGS, **outputs)
    assert_same(by_argument, expected)
    assert_same(by_mask, expected)


def test_bands_are_found_by_name_or_number(model, tmp_path):
    pixels = random_pixels(4, 60, 80)
    shuffled = pixels[[3, 2, 0, 1]]
    kwargs = {"model": model, "settings": SETTINGS}
    expected = classify_array(pixels[:3], **kwargs).labels
    names = ("nir", "Blue ", "red", "green")
    by_name = classify_array(shuffled, band_names=names, **kwargs)
    assert np.array_equal(by_name.labels, expected)
    kwargs["settings"] = replace(SETTINGS, bands=(3, 4, 2))
    assert np.array_equal(classify_array(shuffled, **kwargs).labels, expected)
    with pytest.raises(SceneError, match=r"the array has 4 bands .without names., but the model"):
        classify_array(pixels, model=model, settings=SETTINGS)


@pytest.mark.parametrize(
    "change",
    [
        {},  # pixels of 1.3 m, the model was trained on 0.5 m
        {"resolution": "scene"},
        {"resolution": 2.1, "grid": "model"},
        {"resolution": 0.9, "bbox": (500010, 2799900, 500060, 2799980)},
        {"bbox": (57.0002, 25.0, 57.0008, 26.0), "bbox_crs": "EPSG:4326"},
    ],
)
def test_grids_are_those_of_a_file(change, tmp_path):
    model = save_model(tmp_path / "m.safetensors")
    pixels = image(100, 90, "uint8", 0)
    place = {"transform": Affine(1.3, 0, 500000, 0, -1.3, 2800000), "crs": "EPSG:32640"}
    scene = write_raster(tmp_path / "s.tif", pixels, nodata=0, **place)
    settings = replace(SETTINGS, **change)
    expected = map_of_file(scene, tmp_path, model, settings, workers=1)
    result = classify_array(
        pixels, nodata=0, model=model, settings=settings, confidence=True, probabilities=True,
        **place,
    )  # fmt: skip
    assert_same(result, expected)
    with rasterio.open(tmp_path / "labels.tif") as map_:
        assert result.transform.almost_equals(map_.transform)


def test_an_area_of_interest_needs_no_folder(model, tmp_path, monkeypatch):
    pixels = blocks(90, 120)
    triangle = shapely.Polygon([(500000, 2800000), (501000, 2799500), (500200, 2799200)])
    aoi = tmp_path / "aoi.gpkg"
    geopandas.GeoDataFrame(geometry=[triangle], crs=PLACE["crs"]).to_file(aoi)
    settings = replace(SETTINGS, aoi=str(aoi))
    scene = write_raster(tmp_path / "s.tif", pixels, **PLACE)
    expected = map_of_file(scene, tmp_path / "map", model, settings, workers=1)
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    result = classify_array(pixels, model=model, settings=settings, confidence=True, **PLACE)
    assert np.array_equal(result.labels, expected["labels"])
    assert 0 < (result.labels == 255).mean() < 1
    assert list(empty.iterdir()) == []


@pytest.mark.slow
def test_other_engines_need_no_run_folder(model, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    pixels = blocks(90, 120)
    scene = write_raster(tmp_path / "s.tif", pixels, **PLACE)
    execution = Execution(engine="onnxruntime")
    expected = map_of_file(scene, tmp_path, model, SETTINGS, execution=execution, workers=1)
    result = classify_array(
        pixels, model=model, settings=SETTINGS, execution=execution, confidence=True, **PLACE
    )
    assert np.array_equal(result.labels, expected["labels"])
    assert np.array_equal(result.confidence, expected["confidence"])


def test_a_network_of_another_size_takes_other_bands_and_symmetries(tmp_path):
    model = tiny_model(tmp_path / "m.safetensors", bands=2, classes=6)
    pixels = blocks(70, 60, bands=2)
    settings = replace(SETTINGS, tta=True, window=64)
    scene = write_raster(tmp_path / "s.tif", pixels, **PLACE)
    expected = map_of_file(scene, tmp_path, model, settings, workers=1)
    result = classify_array(
        pixels, model=model, settings=settings, confidence=True, probabilities=True
    )
    assert_same(result, expected)


def test_pixels_in_any_memory_order_and_byte_order(model):
    pixels = blocks(70, 60)
    expected = classify_array(pixels, model=model, settings=SETTINGS).labels
    channels_last = np.ascontiguousarray(pixels.transpose(1, 2, 0)).transpose(2, 0, 1)
    for given in (channels_last, np.asfortranarray(pixels), pixels.astype(">i2")):
        assert np.array_equal(
            classify_array(given, model=model, settings=SETTINGS).labels, expected
        )


def test_progress_counts_all_windows(model):
    calls = []
    classify_array(
        blocks(90, 90), model=model, settings=SETTINGS, progress=lambda *call: calls.append(call)
    )
    assert calls[-1][0] == "windows"
    assert calls[-1][1] == calls[-1][2] > 0


def test_memory_holds_the_result_and_one_chunk(model):
    pixels = np.broadcast_to(np.float32(7), (3, 3000, 3000))  # takes no memory itself
    valid = np.zeros((3000, 3000), bool)
    valid[:600:20, :600:20] = True  # the rest is read, but not computed
    tracemalloc.start()
    result = classify_array(
        pixels, valid=valid, model=model, settings=SETTINGS, execution=Execution(chunk=512),
        workers=1, progress=lambda unit, done, total: done or tracemalloc.reset_peak(),
    )  # fmt: skip
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    chunk = 4 * 3 * (512 + 64) ** 2
    assert peak < result.labels.nbytes + 5 * chunk < pixels.nbytes / 3


def test_a_failing_chunk_is_named(model, monkeypatch):
    def fail(*args):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(array_run, "read_and_classify", fail)
    with pytest.raises(ChunkError, match=r"chunk at rows 0-39, columns 0-39 failed: .*out of mem"):
        classify_array(blocks(40, 40), model=model, settings=SETTINGS)


def test_an_array_without_a_valid_pixel_gets_a_warning(model, caplog):
    with caplog.at_level(logging.WARNING, "geoseg"):
        result = classify_array(
            np.zeros((3, 40, 40), np.uint8), nodata=0, model=model, settings=SETTINGS
        )
    assert (result.labels == 255).all()
    assert "no pixel of the array is valid" in caplog.text


@pytest.mark.parametrize(
    ("error", "match", "kwargs"),
    [
        (SceneError, "the array is a list, give a NumPy array", {"array": [[[1]]]}),
        (SceneError, "the array is 40 x 40, give bands x height", {"array": np.zeros((40, 40))}),
        (SceneError, "the array is 3 x 0 x 4, give bands", {"array": np.zeros((3, 0, 4))}),
        (SceneError, "has complex64 pixels", {"array": np.zeros((3, 40, 40), "complex64")}),
        (SceneError, "valid is 3 x 3 of bool.* 40 x 40", {"valid": np.ones((3, 3), bool)}),
        (SceneError, "valid is 40 x 40 of float64", {"valid": np.ones((40, 40))}),
        (SceneError, "has 3 bands, but 2 names", {"band_names": ("red", "green")}),
        (SceneError, "unknown CRS 'EPSG:0'", {"crs": "EPSG:0"}),
        (SceneError, "six affine coefficients", {"transform": (1, 2)}),
        (SceneError, "six affine coefficients", {"transform": (0, 0, 0, 0, 0, 0)}),
        (SceneError, "six affine coefficients", {"transform": "abcdef"}),
        (SceneError, "six affine coefficients", {"transform": (np.nan, 0, 0, 0, 1, 0)}),
        (SceneError, "nodata value of the array is 'x', give a number", {"nodata": "x"}),
        (GeosegError, "band_names", {"band_names": "rgb"}),
        (SceneError, "trained on uint8", {"array": np.full((3, 40, 40), 60000, np.uint16)}),
        (RunError, "cleaning is for maps in files", {"cleaning": Cleaning(min_area=5)}),
        (RunError, "creation_options is for", {"creation_options": {"COMPRESS": "LZW"}}),
        (RunError, "cannot be reprojected", {"crs_of_map": "EPSG:4326"}),
        (SceneError, "has no CRS on the earth, so the size", {"resolution": 2.0}),
        (RunError, "shard is for maps in files", {"execution": Execution(shard=(1, 2))}),
        (RunError, "overlap 32 is not smaller", {"overlap": 32}),
        (GeosegError, "number of workers is 0", {"workers": 0}),
        (GeosegError, "must be of the type ClassifySettings", {"settings": {}}),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(error, match, kwargs, tmp_path):
    model = save_model(tmp_path / "m.safetensors")
    trained = geoseg.Model.load(model)
    replace(trained, dtype="uint8").save(model)
    names = ("cleaning", "creation_options", "resolution", "overlap")
    change = {name: kwargs.pop(name) for name in names if name in kwargs}
    if "crs_of_map" in kwargs:
        change["crs"] = kwargs.pop("crs_of_map")
    arguments = {"settings": replace(SETTINGS, **change), "array": blocks(40, 40), **kwargs}
    with pytest.raises(error, match=match) as caught:
        classify_array(arguments.pop("array"), model=model, **arguments)
    assert "\n" not in str(caught.value)
