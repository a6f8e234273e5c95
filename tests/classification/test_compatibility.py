"""Whether a model suits a scene, and a precision suits the machine."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine

from geoseg.classification import ClassifySettings, classify
from geoseg.classification.prepare.compatibility import (
    check_value_range,
    match_bands,
    pixel_size_warning,
    scene_warnings,
)
from geoseg.errors import ModelError
from geoseg.info import as_text, describe
from geoseg.legend import DUBAI, DUBAI_MASKS, Legend
from geoseg.model import Model, UNetSpec, device, make_network, slow_precision
from geoseg.raster import open_scene
from tests.support.commands import here, refused
from tests.support.models import as_json
from tests.support.rasters import write_raster
from tests.support.training import make_tiles, run
from tests.support.training import one_thread as one_thread
from tests.support.training import tiles as tiles


def small_model(classes=2, **about):
    spec = UNetSpec(bands=1, classes=classes, width=2, depth=1, window=16)
    legend = Legend.from_names(["field", "road", "water"][:classes])
    return Model(make_network(spec), legend, ("gray",), **about)


def scene_of(path, metres):
    """A scene with pixels of this size, near the central meridian of a UTM zone."""
    transform = (metres, 0, 500000, 0, -metres, 2800000)
    return write_raster(path, np.full((1, 40, 40), 9, np.uint8), transform=transform)


# Pixel sizes.


@pytest.mark.parametrize(
    ("sizes", "metres", "words"),
    [
        ((0.1, 0.5), 0.04, "pixels of 0.04 m, the model was trained on 0.1 to 0.5 m"),
        ((0.1, 0.5), 0.06, None),
        ((0.1, 0.5), 0.9, None),
        ((0.1, 0.5), 300, "pixels of 300 m, the model was trained on 0.1 to 0.5 m"),
        ((10, 10), 4, "pixels of 4 m, the model was trained on 10 m"),
        (None, 300, None),
    ],
)
def test_a_scene_far_outside_the_range_of_pixel_sizes_is_told(tmp_path, sizes, metres, words):
    model = small_model(pixel_size_range=sizes)
    warning = pixel_size_warning(open_scene(scene_of(tmp_path / "s.tif", metres)), model)
    assert (warning is None) if words is None else (words in warning)


def test_training_keeps_the_range_that_is_given_or_the_pixel_size_of_the_tiles(tiles, tmp_path):
    with_range = run(tiles, tmp_path / "a.safetensors", epochs=1, pixel_size_range=(0.1, 0.5))
    assert with_range.pixel_size_range == (0.1, 0.5)
    assert with_range.pixel_size == tiles.pixel_size
    own = run(tiles, tmp_path / "b.safetensors", epochs=1)
    assert own.pixel_size_range == (tiles.pixel_size, tiles.pixel_size)
    nowhere = make_tiles(tmp_path / "c", crs=None, transform=None)
    unknown = run(nowhere, tmp_path / "c.safetensors", epochs=1)
    assert unknown.pixel_size_range is None
    with pytest.raises(ModelError, match=r"range 0\.5 to 0\.1 m is not in order"):
        run(tiles, tmp_path / "d.safetensors", pixel_size_range=(0.5, 0.1))


@pytest.mark.parametrize(
    ("text", "words"),
    [("0.3", "Pixel size  0.3 m"), ("0.1,0.5", "Pixel size  0.1 to 0.5 m")],
)
def test_the_command_takes_a_pixel_size_or_a_range_and_info_prints_it(tiles, tmp_path, text, words):
    out = tmp_path / "m.safetensors"
    done = here(
        "train", tiles.folder, "--out", out, "--pixel-size", text, "--epochs", 1, "--recipe", "lab",
        "--width", 2,
        "--depth", 1, "--pictures", 0, "--device", "cpu",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = describe(out)
    assert words in as_text(report)
    sizes = [float(size) for size in text.split(",")]
    assert as_json(report)["pixel_size_range"] == [sizes[0], sizes[-1]]
    wrong = here("train", tiles.folder, "--out", out, "--pixel-size", "big")
    assert wrong.returncode == 2
    assert "'big' is not a size in metres like 0.3 or 0.1,0.5" in wrong.stderr


def test_info_says_where_no_pixel_size_is_known(tmp_path):
    small_model().save(tmp_path / "m.safetensors")
    report = describe(tmp_path / "m.safetensors")
    assert "Pixel size  not known" in as_text(report)
    assert as_json(report)["pixel_size_range"] is None


# Classes.


def test_a_model_of_one_class_is_refused_by_classify_and_opened_by_info(tmp_path):
    path = tmp_path / "m.safetensors"
    small_model(classes=1).save(path)
    done = here("classify", scene_of(tmp_path / "s.tif", 1), "--model", path, "--out",
                tmp_path / "o.tif")  # fmt: skip
    assert "knows only the class 'field', so its map would be that class" in refused(done)
    assert not (tmp_path / "o.tif").exists()
    assert "0 field" in here("info", path).stdout


# Precision.


@pytest.mark.parametrize(
    ("precision", "kind", "flags", "slow"),
    [
        ("bf16", "cpu", ["fpu", "avx2"], True),
        ("bf16", "cpu", ["fpu", "avx2", "avx512_bf16"], False),
        ("bf16", "cpu", ["amx_bf16"], False),
        ("bf16", "cpu", ["asimd", "bf16"], False),
        ("bf16", "cpu", ["asimd"], True),
        ("bf16", "cpu", [], False),
        ("fp32", "cpu", ["avx2"], False),
        ("bf16", "cuda", ["avx2"], False),
    ],
)
def test_bf16_is_slow_on_a_cpu_without_it(precision, kind, flags, slow):
    assert (slow_precision(precision, kind, flags) is not None) == slow


def test_the_flags_of_this_cpu_are_found():
    flags = device.cpu_flags()
    assert all(isinstance(flag, str) for flag in flags)


def test_classify_and_train_warn_of_slow_bf16(tiles, model, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(device, "cpu_flags", lambda: {"avx2"})
    scene = write_raster(tmp_path / "s.tif", np.full((3, 40, 40), 7, np.uint8))
    settings = ClassifySettings(precision="bf16", overlap=8)
    sentence = "this CPU has no bf16 arithmetic and computes bf16 several times slower than fp32"
    with caplog.at_level(logging.WARNING, "geoseg"):
        classify(scene, tmp_path / "lulc.tif", model=model, settings=settings)
        assert caplog.text.count(sentence) == 1
        run(tiles, tmp_path / "m.safetensors", epochs=1, precision="bf16")
        assert caplog.text.count(sentence) == 2
        run(tiles, tmp_path / "n.safetensors", epochs=1, precision="fp32")
        assert caplog.text.count(sentence) == 2


@pytest.mark.parametrize(("metres", "warned"), [(0.02, True), (0.5, False), (5, True), (300, True)])
def test_the_bundled_model_knows_the_pixel_sizes_of_its_training(tmp_path, metres, warned):
    transform = Affine(metres, 0, 500000, 0, -metres, 2800000)
    scene = write_raster(tmp_path / "s.tif", np.ones((3, 9, 9), np.uint8), transform=transform)
    warning = pixel_size_warning(open_scene(scene), Model.load("default"))
    assert ("trained on 0.7 to 1.1 m" in (warning or "")) is warned


@pytest.mark.parametrize(
    ("dtype", "factor", "warned"),
    [("float32", 1, False), ("float32", 10_000, True), ("uint16", 1, True), ("uint8", 0.01, False)],
)
def test_values_of_another_range_in_the_dtype_of_the_training_are_warned_about(
    tmp_path, dtype, factor, warned
):
    """Reflectance times 10,000, and bytes in a file of 16 bits; but bytes may be dark."""
    high = {"float32": 0.4, "uint16": 20_000, "uint8": 255}[dtype]
    spec = UNetSpec(bands=1, classes=2, width=2, depth=1, window=16, high=(high,))
    model = Model(make_network(spec), Legend.from_names(["a", "b"]), ("gray",), dtype=dtype)
    largest = factor * (0.3 if dtype == "float32" else 200)
    values = np.linspace(0, largest, 900).reshape(1, 30, 30).astype(dtype)
    scene = open_scene(write_raster(tmp_path / "s.tif", values))
    sample = values.reshape(1, -1).astype(float)
    check_value_range(scene, model, sample)
    warnings = scene_warnings(scene, model, sample, bands_chosen=True)
    assert any(f"{dtype} values up to about" in warning for warning in warnings) is warned


def test_a_band_is_not_read_twice_because_two_bands_of_the_model_have_its_name(tmp_path):
    model = replace(Model.load("default"), band_names=("red", "red", "green"))
    scene = open_scene(write_raster(tmp_path / "s.tif", np.ones((3, 9, 9), np.uint8)))
    assert match_bands(scene.with_bands((1, 2, 3)), model, None).bands == (1, 2, 3)


def test_the_model_lab_draws_maps_in_map_colours():
    model = Model.load("lab")
    assert model.legend == DUBAI
    assert model.legend != DUBAI_MASKS


@pytest.mark.parametrize(
    ("names", "warns"),
    [
        (("red", "nir", "swir16"), True),
        (("blue", "green", "red"), False),  # they are found by their names
        (("red", "green", ""), False),
        (("green", "red", ""), True),
        (("band 1", "band 2", "band 3"), False),
        (("", "", ""), False),
    ],
)
def test_bands_with_the_names_of_others_are_warned_about(names, warns, model, tmp_path, caplog):
    path = write_raster(
        tmp_path / "s.tif", np.full((3, 40, 40), 7, np.uint8), photometric="minisblack"
    )
    with rasterio.open(path, "r+") as scene:
        scene.descriptions = names
    settings = ClassifySettings(overlap=8)
    words = f"the bands of {path} are {', '.join(name or 'without a name' for name in names)}, and"
    with caplog.at_level(logging.WARNING, "geoseg"):
        classify(path, tmp_path / "a.tif", model=model, settings=settings)
        assert (words in caplog.text) == warns
        caplog.clear()
        classify(path, tmp_path / "b.tif", model=model, settings=replace(settings, bands=(1, 2, 3)))
        assert words not in caplog.text


def test_the_near_infrared_of_landsat_has_two_names(model, tmp_path, caplog):
    bands = ("nir", "red", "green")
    loaded = replace(Model.load(model), band_names=bands)
    loaded.save(tmp_path / "m.safetensors")
    pixels = np.full((3, 40, 40), 7, np.uint8)
    path = write_raster(tmp_path / "s.tif", pixels, photometric="minisblack")
    with rasterio.open(path, "r+") as scene:
        scene.descriptions = ("nir08", "red", "green")
    settings = ClassifySettings(overlap=8)
    with caplog.at_level(logging.WARNING, "geoseg"):
        classify(path, tmp_path / "a.tif", model=tmp_path / "m.safetensors", settings=settings)
    assert "the bands of" not in caplog.text
