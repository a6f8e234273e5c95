"""What a sample of pixels tells of a scene: data tagged as transparency, fill without a tag."""

import logging

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

import geoseg
from geoseg.info import as_text, describe
from geoseg.raster import open_scene, pixel_warnings, probe_pixels
from tests.support.models import as_json
from tests.support.rasters import blocks, write_raster
from tests.support.tilesets import classes, cut, noise


def warnings_of(path, **options):
    scene = open_scene(path, **options)
    return pixel_warnings(scene, probe_pixels(scene))


def pixels(bands=3, height=300, width=400):
    return np.clip(blocks(height, width, bands), 1, 254)


def with_alpha(path, alpha):
    alpha = np.broadcast_to(alpha, (300, 400)).astype(np.uint8)[None]
    return write_raster(path, np.concatenate([pixels(), alpha]), photometric="RGB", alpha="YES")


@pytest.mark.parametrize(("bands", "step"), [(32, 1), (33, 2), (100, 4)])
def test_the_sample_of_many_bands_has_fewer_pixels(tmp_path, bands, step):
    image = pixels(bands, 40, 50)
    scene = open_scene(write_raster(tmp_path / "s.tif", image))
    np.testing.assert_array_equal(probe_pixels(scene), image.reshape(bands, -1)[:, ::step])


def test_data_tagged_as_transparency_is_doubted_once(tmp_path):
    path = with_alpha(tmp_path / "s.tif", pixels(1)[0])
    [sentence] = warnings_of(path)
    assert "band 4 of" in sentence
    assert "bands=(1,2,3,4) (--bands 1,2,3,4)" in sentence
    assert not warnings_of(path, bands=(1, 2, 3, 4))


@pytest.mark.parametrize("kind", ["opaque", "half opaque", "with an edge"])
def test_true_transparency_is_not_doubted(kind, tmp_path):
    alpha = np.full((300, 400), 128 if kind == "half opaque" else 255)
    if kind == "with an edge":
        alpha[:, :50] = 0
        alpha[:, 50:60] = np.arange(10) * 25
    path = with_alpha(tmp_path / "s.tif", alpha)
    assert warnings_of(path) == []
    assert open_scene(path).unread_alphas == (4,)


@pytest.mark.parametrize(
    ("dtype", "value", "text"),
    [
        ("uint8", 255, "255"), ("uint8", 0, "0"), ("int16", -9999, "-9999"),
        ("float32", float(np.finfo("float32").min), "-3.4028234663852886e+38"),
    ],
)  # fmt: skip
def test_a_large_share_of_one_untagged_value_is_doubted(dtype, value, text, tmp_path):
    image = pixels().astype(dtype)
    image[:, :, :120] = value
    path = write_raster(tmp_path / "s.tif", image)
    [sentence] = warnings_of(path)
    assert "% of the sampled pixels" in sentence
    assert f"set nodata={text} (--nodata {text})" in sentence
    assert not warnings_of(path, nodata=float(text))
    assert not warnings_of(write_raster(tmp_path / "tagged.tif", image, nodata=value))


def test_a_little_fill_or_one_band_of_it_is_no_doubt(tmp_path):
    image = pixels()
    image[:, :, :30] = 0
    image[1, :, :200] = 0
    assert warnings_of(write_raster(tmp_path / "s.tif", image)) == []


def test_the_sample_ends_where_a_scene_cannot_be_read(tmp_path):
    path = write_raster(tmp_path / "s.tif", pixels(height=600, width=600))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    sample = probe_pixels(open_scene(path))
    assert 0 < sample.shape[1] < 600 * 600


def test_real_scenes_with_untagged_margins_are_doubted_and_others_not(shared):
    folder = shared / "data" / "scenes" / "oam_rgb_10cm"
    white = folder / "5b3622402b6a08001185f8d8_10_00004.tif"
    assert "nodata=255" in warnings_of(white)[0]
    assert not warnings_of(folder / "5dded5bc0140b80006d2e565_23.tif")


@pytest.fixture
def naip(tmp_path):
    """Four bands of data; GDAL tags the fourth one as alpha."""
    return write_raster(tmp_path / "naip.tif", noise(4))


def said(caplog, level):
    return [record.getMessage() for record in caplog.records if record.levelno == level]


def test_classify_warns_once_a_scene(naip, model, tmp_path, caplog):
    caplog.set_level(logging.INFO, "geoseg")
    settings = geoseg.ClassifySettings(overlap=8)
    geoseg.classify(naip, tmp_path / "map.tif", model=model, settings=settings)
    [sentence] = said(caplog, logging.WARNING)
    assert "(--bands 1,2,3,4)" in sentence
    assert any("band 4 of" in line and "not read as data" in line
               for line in said(caplog, logging.INFO))  # fmt: skip


def test_tile_warns_once_a_scene(naip, tmp_path, caplog):
    caplog.set_level(logging.INFO, "geoseg")
    labels = write_raster(tmp_path / "labels.tif", classes()[None])
    cut(naip, labels, tmp_path / "tiles")
    [sentence] = said(caplog, logging.WARNING)
    assert "(--bands 1,2,3,4)" in sentence
    assert any("not read as data" in line for line in said(caplog, logging.INFO))


def test_info_lists_the_alpha_band_and_how_to_read_it(naip):
    report = describe(naip)
    text = as_text(report)
    assert "4  transparency (alpha)  uint8" in text
    assert "--bands 1,2,3,4 reads it as data" in text
    assert "alphas" in as_json(report)


def test_a_band_tagged_as_nothing_is_read(tmp_path):
    path = write_raster(tmp_path / "s.tif", pixels(4))
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [*file.colorinterp[:3], ColorInterp.undefined]
    assert open_scene(path).bands == (1, 2, 3, 4)
    assert open_scene(path).unread_alphas == ()
