"""Scenes in, GeoTIFFs out: what is valid, what is refused, and what is written."""

import os
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rio_cogeo.cogeo import cog_validate
from scipy.io import netcdf_file

from geoseg.errors import LabelError, OutputError, SceneError
from geoseg.grid import Window
from geoseg.legend import LandCoverClass, Legend
from geoseg.raster import (
    RasterProfile,
    Stack,
    open_scene,
    read_metadata,
    read_overview,
    read_palette,
    read_whole,
    read_window,
    write_cog,
    write_tile,
)
from geoseg.raster.warp import reprojected
from geoseg.styles.gdal_pam import pam_sidecar, read_categories
from tests.support.paths import names_in
from tests.support.rasters import random_pixels, write_raster

HEIGHT, WIDTH = 12, 17
UTM = (10.0, 0.0, 500000.0, 0.0, -10.0, 2800000.0)


def noise(bands=3, height=HEIGHT, width=WIDTH, dtype="uint8"):
    return random_pixels(bands, height, width, dtype)


def read_all(path, **options):
    scene = open_scene(path, **options)
    return read_window(scene, scene.window)


def hole(height=HEIGHT, width=WIDTH):
    """True but for a corner of 4 x 5 pixels."""
    valid = np.ones((height, width), bool)
    valid[:4, :5] = False
    return valid


# What is valid.


def test_without_nodata_or_mask_all_is_valid(tmp_path):
    pixels = noise()
    pixels[:, 3, 3] = 0
    result, valid = read_all(write_raster(tmp_path / "s.tif", pixels))
    assert np.array_equal(result, pixels)
    assert valid.all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32", "float64"])
def test_the_nodata_tag_makes_pixels_invalid_in_every_dtype(tmp_path, dtype):
    pixels = noise(dtype=dtype)
    pixels[:, ~hole()] = 0
    path = write_raster(tmp_path / "s.tif", pixels, nodata=0)
    result, valid = read_all(path)
    assert result.dtype == dtype
    assert np.array_equal(valid, hole())


def test_a_pixel_is_nodata_only_where_all_chosen_bands_are(tmp_path):
    pixels = noise()
    pixels[0, 1, 1] = 0
    pixels[:2, 2, 2] = 0
    pixels[:, 3, 3] = 0
    path = write_raster(tmp_path / "s.tif", pixels, nodata=0)
    assert np.argwhere(~read_all(path)[1]).tolist() == [[3, 3]]
    assert np.argwhere(~read_all(path, bands=(2, 1))[1]).tolist() == [[2, 2], [3, 3]]


def test_nodata_can_be_overridden(tmp_path):
    pixels = noise()
    pixels[:, ~hole()] = 7
    path = write_raster(tmp_path / "s.tif", pixels, nodata=0)
    assert np.array_equal(read_all(path, nodata=7)[1], (pixels != 7).any(0))
    assert open_scene(path, nodata=7).with_bands((1,)).nodata == 7


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("nodata", [None, np.nan, -9999])
def test_what_is_not_finite_in_any_band_is_invalid(tmp_path, value, nodata):
    pixels = noise(dtype="float32")
    pixels[1, ~hole()] = value
    _, valid = read_all(write_raster(tmp_path / "s.tif", pixels, nodata=nodata))
    assert np.array_equal(valid, hole())


def test_an_odd_nodata_value_of_a_float_raster_is_found(tmp_path):
    lowest = float(np.finfo("float32").min)
    pixels = noise(dtype="float32")
    pixels[:, ~hole()] = lowest
    _, valid = read_all(write_raster(tmp_path / "s.tif", pixels, nodata=lowest))
    assert np.array_equal(valid, hole())


def with_alpha(path, dtype="uint8", **profile):
    pixels = noise(4, dtype=dtype)
    pixels[3] = np.where(hole(), np.iinfo(dtype).max, 0)
    return write_raster(path, pixels, photometric="RGB", alpha="YES", **profile)


def with_band_masks(path, masks, **profile):
    """Write a raster whose bands have masks of their own, which are True where they are valid."""
    write_raster(path, noise(len(masks)), **profile)
    names = {f"INTERNAL_MASK_FLAGS_{band}": "0" for band in range(1, len(masks) + 1)}
    flags = {"driver": "GTiff", "count": len(masks), "height": HEIGHT, "width": WIDTH}
    with rasterio.open(f"{path}.msk", "w", dtype="uint8", **flags) as file:
        file.write(np.multiply(masks, 255).astype("uint8"))
        file.update_tags(**names)
    return path


def test_a_pixel_is_invalid_where_the_masks_of_all_chosen_bands_say_so(tmp_path):
    wide = hole()
    wide[:8] = False
    path = with_band_masks(tmp_path / "s.tif", [wide, hole(), wide])
    assert np.array_equal(read_all(path)[1], hole())
    assert np.array_equal(read_all(path, bands=(3, 1))[1], wide)
    assert np.array_equal(read_whole(path)[1], hole())
    scene = open_scene(path)
    part = Window(2, 3, 8, 7)
    assert np.array_equal(read_window(scene, part)[1], hole()[part.slices])
    assert scene.masked
    assert read_metadata(path).mask == "mask"
    assert read_overview(scene, 6)[1].shape[0] <= 6


def test_a_scene_whose_bands_have_masks_is_not_warped(tmp_path):
    """GDAL would ignore the masks."""
    path = with_band_masks(tmp_path / "s.tif", [hole()] * 3)
    with pytest.raises(SceneError, match=r"s\.tif has a mask of its own, which .* -mask mask\)"):
        reprojected(open_scene(path), "EPSG:32641")


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_alpha_is_no_band_but_makes_pixels_invalid(tmp_path, dtype):
    path = with_alpha(tmp_path / "s.tif", dtype)
    pixels, valid = read_all(path)
    assert len(pixels) == 3
    assert np.array_equal(valid, hole())
    assert open_scene(path).masked


def test_alpha_counts_beside_a_nodata_value(tmp_path):
    # GDAL's own mask forgets the alpha band as soon as there is a nodata value.
    _, valid = read_all(with_alpha(tmp_path / "s.tif", nodata=0))
    assert np.array_equal(valid, hole())


def test_alpha_can_be_read_as_data_where_it_is_asked_for(tmp_path):
    # GDAL marks the fourth of four byte bands as alpha, even if it is near infrared.
    pixels = noise(4)
    pixels[3, 0, 0] = 0
    path = write_raster(tmp_path / "s.tif", pixels)
    result, valid = read_all(path, bands=(1, 2, 3, 4))
    assert np.array_equal(result, pixels)
    assert valid.all()


def test_transparent_pixels_of_a_png_are_invalid(tmp_path):
    pixels = noise(4)
    pixels[3] = np.where(hole(), 255, 0)
    path = write_raster(tmp_path / "s.png", pixels, driver="PNG", crs=None, transform=None)
    result, valid = read_all(path)
    assert np.array_equal(result, pixels[:3])
    assert np.array_equal(valid, hole())


@pytest.mark.parametrize("internal", [True, False], ids=["internal", ".msk"])
def test_a_mask_of_the_dataset_makes_pixels_invalid(tmp_path, internal):
    path = write_raster(tmp_path / "s.tif", noise())
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal), rasterio.open(path, "r+") as file:
        file.write_mask(hole())
    assert (tmp_path / "s.tif.msk").exists() is not internal
    assert np.array_equal(read_all(path)[1], hole())


def test_invalid_pixels_stay_invalid_at_reduced_size(tmp_path):
    path = with_alpha(tmp_path / "s.tif", nodata=0)
    pixels, valid = read_overview(open_scene(path), WIDTH)
    assert np.array_equal(valid, hole())
    assert pixels.shape == (3, HEIGHT, WIDTH)
    small, valid = read_overview(open_scene(path), 4)
    assert small.shape == (3, 3, 4)
    assert not valid[0, 0]
    assert valid[2, 3]


# Windows.


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    path = tmp_path_factory.mktemp("scene") / "s.tif"
    return open_scene(write_raster(path, noise(), tiled=True, blockxsize=16, blockysize=16))


@st.composite
def windows(draw):
    row, col = draw(st.integers(0, HEIGHT - 1)), draw(st.integers(0, WIDTH - 1))
    height, width = st.integers(1, HEIGHT - row), st.integers(1, WIDTH - col)
    return Window(row, col, draw(height), draw(width))


@settings(deadline=None, max_examples=50)
@given(windows())
def test_a_window_is_that_part_of_the_scene(scene, window):
    pixels, valid = read_window(scene, window)
    assert np.array_equal(pixels, noise()[:, *window.slices])
    assert valid.shape == (window.height, window.width)


@pytest.mark.parametrize("window", [Window(50, 0, 2, 2), Window(0, 0, 200, 2)])
def test_a_window_that_is_not_inside_of_the_scene_is_refused(scene, window):
    with pytest.raises(SceneError, match=r"is outside of .*s\.tif"):
        read_window(scene, window)


def test_threads_read_the_same_as_one(tmp_path):
    pixels = noise(1, 256, 256, "uint16")
    path = write_raster(tmp_path / "s.tif", pixels, tiled=True, blockxsize=32, blockysize=32)
    scene = open_scene(path)
    places = [Window(row, col, 40, 40) for row in range(0, 216, 9) for col in range(0, 216, 9)]
    together = threading.Barrier(4)

    def check(number):
        together.wait(10)
        return all(
            np.array_equal(read_window(scene, w)[0], pixels[:, *w.slices])
            for w in places[number::4]
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(check, range(4)))


def test_a_file_that_was_replaced_is_read_anew(tmp_path):
    path = write_raster(tmp_path / "s.tif", np.full((1, 4, 4), 1, np.uint8))
    before = open_scene(path)
    assert read_window(before, before.window)[0].max() == 1
    write_raster(tmp_path / "new.tif", np.full((1, 4, 4), 2, np.uint8)).replace(path)
    after = open_scene(path)
    assert read_window(after, after.window)[0].min() == 2
    with pytest.raises(SceneError, match=r"s\.tif changed while it was in use, start again"):
        read_window(before, before.window)


def test_a_file_that_this_machine_lacks_is_called_missing(tmp_path):
    path = write_raster(tmp_path / "s.tif", np.full((1, 4, 4), 1, np.uint8))
    scene = open_scene(path)
    path.unlink()
    with pytest.raises(SceneError, match=r"s\.tif is not there on .*: it was moved or deleted, or"):
        read_window(scene, scene.window)


# What a scene says of itself.


def test_bands_are_named_by_colour_and_description(tmp_path):
    path = write_raster(tmp_path / "s.tif", noise(4), photometric="RGB", alpha="NO")
    with rasterio.open(path, "r+") as file:
        file.set_band_description(3, "Azul ")
        file.set_band_description(4, "NIR")
    assert open_scene(path).band_names == ("red", "green", "azul", "nir")
    assert open_scene(write_raster(tmp_path / "g.tif", noise(1))).band_names == ("",)


def test_bands_come_in_the_order_asked_for(scene):
    swapped = scene.with_bands((3, 1, 1))
    assert swapped.band_names == ("blue", "red", "red")
    assert np.array_equal(read_window(swapped, scene.window)[0], noise()[[2, 0, 0]])
    assert open_scene(scene.path, bands=(3, 1, 1)) == swapped


@pytest.mark.parametrize("bands", [(9,), (0,), (-1, 2), (1, 4)])
def test_bands_that_are_not_there_are_refused(scene, bands):
    with pytest.raises(
        SceneError, match=r"has bands 1 to 3 .red, green, blue., not .*, choose others .*--bands"
    ):
        open_scene(scene.path, bands=bands)


def vrt_of(path, *parts):
    """A VRT with one band of each raster."""
    bands = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{i}"><SimpleSource>'
        f'<SourceFilename relativeToVRT="0">{part}</SourceFilename><SourceBand>1</SourceBand>'
        f"</SimpleSource></VRTRasterBand>"
        for i, (part, kind) in enumerate(parts, 1)
    )
    path.write_text(
        f'<VRTDataset rasterXSize="{WIDTH}" rasterYSize="{HEIGHT}">{bands}</VRTDataset>'
    )
    return path


def test_bands_of_several_dtypes_get_one_that_holds_them_all(tmp_path):
    low, high = noise(1, dtype="int16") - 300, noise(1, dtype="uint16") + 60000
    path = vrt_of(
        tmp_path / "s.vrt",
        (write_raster(tmp_path / "low.tif", low), "Int16"),
        (write_raster(tmp_path / "high.tif", high), "UInt16"),
    )
    pixels, _ = read_all(path)
    assert pixels.dtype == np.int32
    assert np.array_equal(pixels, np.concatenate([low.astype(int), high]))
    assert open_scene(path, bands=(2,)).dtype == "uint16"


def test_the_text_of_a_vrt_is_a_scene(tmp_path):
    source = write_raster(tmp_path / "s.tif", noise(1))
    text = vrt_of(tmp_path / "s.vrt", *[(source, "Byte")] * 5).read_text()
    assert len(text) > 255
    assert len(read_all(text)[0]) == 5
    assert open_scene(text).size is None


def test_a_scene_is_plain_data(scene):
    data = scene.to_dict()
    assert data["bands"] == (1, 2, 3)
    assert (data["height"], data["width"]) == (HEIGHT, WIDTH)
    assert data["transform"] == UTM


@pytest.mark.parametrize(
    ("crs", "transform", "metres"),
    [
        ("EPSG:32640", Affine(10, 0, 500000, 0, -10, 2800000), 10),
        ("EPSG:32640", Affine(10, 0, 500000, 0, -10, 2800000) @ Affine.rotation(30), 10),
        ("EPSG:32640", Affine(0, 10, 500000, 10, 0, 2800000), 10),
        # A foot is 0.3048 m.
        ("EPSG:2263", Affine(3.28084, 0, 980000, 0, -3.28084, 200000), 1),
        # One degree at the equator: 111.32 km eastward, 110.57 km northward.
        ("EPSG:4326", Affine(1e-4, 0, 10, 0, -1e-4, 0), 11.094),
        # At 60 degrees north a degree of longitude is half as long.
        ("EPSG:4326", Affine(1e-4, 0, 10, 0, -1e-4, 60), 7.886),
        # Web Mercator stretches by 1 / cos(60 degrees).
        ("EPSG:3857", Affine(10, 0, 0, 0, -10, 8399737.9), 5.006),
        # On the date line, and on the pole.
        ("EPSG:4326", Affine(1e-4, 0, 179.99915, 0, -1e-4, 0), 11.094),
        ("EPSG:3413", Affine(10, 0, -85, 0, -10, 60), 10 / 0.97),
    ],
)
def test_the_pixel_size_is_that_on_the_ground(tmp_path, crs, transform, metres):
    path = write_raster(tmp_path / "s.tif", noise(1), crs=crs, transform=transform)
    assert open_scene(path).pixel_size == pytest.approx(metres, rel=3e-3)


@pytest.mark.parametrize("crs", [None, 'LOCAL_CS["site",UNIT["metre",1]]', "EPSG:4326"])
def test_a_raster_without_a_place_on_earth_has_no_pixel_size(tmp_path, crs):
    assert open_scene(write_raster(tmp_path / "s.tif", noise(1), crs=crs)).pixel_size is None


def test_the_facts_of_a_file(tmp_path):
    path = with_alpha(
        tmp_path / "s.tif", compress="deflate", tiled=True, blockxsize=16, blockysize=16
    )
    facts = read_metadata(path)
    assert (facts.driver, facts.compression, facts.mask, facts.block) == (
        "GTiff",
        "deflate",
        "alpha",
        (16, 16),
    )


def test_the_compression_of_a_format_that_rasterio_does_not_know_is_named(tmp_path):
    path = write_raster(tmp_path / "s.mrf", noise(), driver="MRF")
    assert (read_metadata(path).driver, read_metadata(path).compression) == ("MRF", "png")


# What is refused, in one sentence.


def one_sentence(error):
    text = str(error.value)
    return "\n" not in text and not text.endswith(".") and text


@pytest.mark.parametrize("content", [None, b"", b"hello", b"II*\x00"])
def test_what_is_no_raster_is_named(tmp_path, content):
    path = tmp_path / "s.tif"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SceneError, match="check the path and the format") as error:
        open_scene(path)
    assert one_sentence(error).count(str(path)) == 1


def test_an_empty_folder_is_no_scene(tmp_path):
    with pytest.raises(SceneError, match=r"has no raster files .*, give the folder with"):
        open_scene(tmp_path)


def test_an_empty_path_is_not_the_working_folder(tmp_path, monkeypatch):
    write_raster(tmp_path / "s.tif", noise(1))
    monkeypatch.chdir(tmp_path)
    for source in ("", " ", Stack(("",))):
        with pytest.raises(SceneError, match="path of a scene is empty, give"):
            open_scene(source)


def test_complex_pixels_are_refused(tmp_path):
    path = write_raster(tmp_path / "s.tif", np.ones((1, 4, 4), np.complex64))
    with pytest.raises(SceneError, match="complex64 pixels, but geoseg reads integers"):
        open_scene(path)


def test_a_raster_of_nothing_but_alpha_is_refused(tmp_path):
    path = write_raster(tmp_path / "s.tif", noise(1))
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [ColorInterp.alpha]
    with pytest.raises(SceneError, match="no bands to read"):
        open_scene(path)


def test_a_file_of_several_rasters_is_refused_with_their_names(tmp_path):
    path = tmp_path / "cube.nc"
    with netcdf_file(path, "w") as file:
        for name in ("y", "x"):
            file.createDimension(name, 4)
        for name in ("red", "nir"):
            file.createVariable(name, "f4", ("y", "x"))[:] = 1
    with pytest.raises(SceneError, match=r"cube\.nc holds 2 rasters, .*cube\.nc:red, or") as error:
        open_scene(path)
    assert one_sentence(error)
    scene = open_scene(Stack((f"netcdf:{path}:nir", f"netcdf:{path}:red")))
    assert read_window(scene, scene.window)[0].shape == (2, 4, 4)


def test_ground_control_points_alone_are_refused_with_a_way_out(tmp_path):
    points = [
        GroundControlPoint(row, col, 50 + col / 1000, 20 - row / 1000)
        for row, col in [(0, 0), (0, WIDTH), (HEIGHT, 0)]
    ]
    path = write_raster(tmp_path / "s.tif", noise(1), crs="EPSG:4326", transform=None, gcps=points)
    for source in (path, Stack((path,))):
        with pytest.raises(SceneError, match=r"s\.tif .* points only.*: gdalwarp") as error:
            open_scene(source)
        assert one_sentence(error)


@pytest.mark.parametrize("transform", [Affine(0, 0, 5, 0, 0, 5), Affine(1, 0, np.nan, 0, -1, 5)])
def test_pixels_without_size_or_place_are_refused(tmp_path, transform):
    path = write_raster(tmp_path / "s.tif", noise(1), transform=transform)
    for source in (path, Stack((str(path),))):
        with pytest.raises(SceneError, match="no size or no place") as error:
            open_scene(source)
        assert one_sentence(error)


BIG = Window(0, 0, 200, 200)


@pytest.mark.parametrize(
    ("driver", "profile"),
    [
        ("GTiff", {}),
        ("GTiff", {"compress": "deflate", "tiled": True, "blockxsize": 64, "blockysize": 64}),
        ("PNG", {"crs": None, "transform": None}),
        ("JPEG", {"crs": None, "transform": None}),
    ],
    ids=["strips", "tiles", "PNG", "JPEG"],
)
def test_a_truncated_file_is_an_error_and_not_zeros(tmp_path, driver, profile):
    path = write_raster(tmp_path / "s", noise(3, 200, 200), driver=driver, **profile)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SceneError, match="truncated or damaged") as error:
        read_window(open_scene(path), BIG)
    assert "at rows 0-199, columns 0-199" in one_sentence(error)
    with pytest.raises(SceneError, match="may be truncated or damaged"):
        read_whole(path)


def test_a_damaged_block_is_an_error_only_where_it_is(tmp_path):
    path = write_raster(
        tmp_path / "s.tif", noise(1, 128, 128), compress="deflate", tiled=True,
        blockxsize=64, blockysize=64,
    )  # fmt: skip
    with rasterio.open(path) as file:
        offset = int(file.get_tag_item("BLOCK_OFFSET_1_1", "TIFF", bidx=1))
    content = bytearray(path.read_bytes())
    content[offset : offset + 100] = bytes(100)
    path.write_bytes(content)
    scene = open_scene(path)
    with pytest.raises(SceneError, match="at rows 64-127, columns 64-127"):
        read_window(scene, Window(64, 64, 64, 64))
    assert np.array_equal(
        read_window(scene, Window(0, 0, 64, 64))[0], noise(1, 128, 128)[:, :64, :64]
    )


# Small files out.


@pytest.mark.parametrize("bands", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_tile_comes_back_as_it_was(tmp_path, bands, dtype):
    pixels = noise(bands, 16, 16, dtype)
    pixels[:, 0, 0] = 0
    write_tile(tmp_path / "t.tif", pixels, transform=Affine(*UTM), crs="EPSG:32640")
    result, valid = read_whole(tmp_path / "t.tif")
    assert result.dtype == dtype
    assert np.array_equal(result, pixels)
    assert valid.all()
    assert open_scene(tmp_path / "t.tif").transform == UTM


def test_a_tile_keeps_what_is_invalid_inside(tmp_path):
    valid = hole(16, 16)
    write_tile(tmp_path / "t.tif", noise(4, 16, 16), transform=Affine(*UTM), crs=None, valid=valid)
    assert np.array_equal(read_whole(tmp_path / "t.tif")[1], valid)
    assert names_in(tmp_path) == ["t.tif"]


def test_a_tile_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(OutputError, match=r"cannot write t\.tif in .*gone"):
        write_tile(tmp_path / "gone" / "t.tif", noise(), transform=Affine(*UTM), crs=None)


# Large files out.

CLASSES = Legend((LandCoverClass(0, "a", "#ff0000"), LandCoverClass(3, "b", "#00ff00")))


def target(bands=1, height=700, width=600, **looks):
    looks = {"transform": UTM, "crs": "EPSG:32640", **looks}
    return RasterProfile(height=height, width=width, bands=bands, **looks)


def blocks(pixels):
    """Pixels in blocks of 512, the bottom ones first."""
    _, height, width = pixels.shape
    for row in range(0, height, 512)[::-1]:
        for col in range(0, width, 512):
            window = Window(row, col, min(512, height - row), min(512, width - col))
            yield window, pixels[:, *window.slices]


@pytest.fixture(scope="module")
def labels():
    """Classes 0 and 3 in specks, with a border of nodata."""
    rng = np.random.default_rng(1)
    pixels = rng.choice(np.array([0, 3], np.uint8), (1, 700, 600))
    pixels[:, :100] = 255
    return pixels


@pytest.fixture(scope="module")
def cog(tmp_path_factory, labels):
    path = tmp_path_factory.mktemp("cog") / "lulc.tif"
    looks = target(
        nodata=255, overviews="mode", names=("land cover",), tags={"geoseg": "1"},
        colormap={c.value: c.rgb for c in CLASSES.classes},
    )  # fmt: skip
    write_cog(path, looks, blocks(labels))
    return path


def test_a_map_comes_back_as_it_was(cog, labels):
    pixels, valid = read_all(cog)
    assert np.array_equal(pixels, labels)
    assert np.array_equal(valid, labels[0] != 255)


def test_a_map_is_a_cloud_optimized_geotiff(cog):
    valid, errors, notes = cog_validate(cog, strict=True)
    assert (valid, errors, notes) == (True, [], [])
    facts = read_metadata(cog)
    assert facts.block == (512, 512)
    assert facts.overviews == (2,)
    assert facts.tags["geoseg"] == "1"
    assert names_in(cog.parent) == ["lulc.tif"]


@pytest.mark.parametrize("colors", [None, {0: (255, 0, 0), 3: (0, 255, 0)}])
def test_overviews_of_classes_hold_nothing_but_classes(tmp_path, labels, colors):
    looks = target(nodata=255, overviews="mode", colormap=colors)
    write_cog(tmp_path / "m.tif", looks, blocks(labels))
    with rasterio.open(tmp_path / "m.tif", overview_level=0) as small:
        assert set(np.unique(small.read())) == {0, 3, 255}


def test_a_map_has_its_colours_and_its_nodata(cog):
    assert {v: read_palette(cog)[v] for v in (0, 3)} == {0: "#ff0000", 3: "#00ff00"}
    assert open_scene(cog).nodata == 255
    assert open_scene(cog).band_names == ("land cover",)


def test_a_raster_without_colours_has_no_palette(tmp_path):
    assert read_palette(write_raster(tmp_path / "s.tif", noise(1))) == {}


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:32640", (0.1, 0, 500000.123456789, 0, -0.1, 2800000.987654321)),
        ("EPSG:4326", (1 / 3600, 0, 55 + 1 / 7, 0, -1 / 3600, 25 - 1 / 3)),
        ("EPSG:32640", tuple(Affine(*UTM) @ Affine.rotation(12.5))[:6]),
        ("EPSG:32640", (10, 0, 500000, 0, 10, 2800000)),
        (None, (1, 0, 0, 0, 1, 0)),
    ],
    ids=["metres", "degrees", "rotated", "south up", "none"],
)
def test_a_map_has_exactly_the_place_of_its_scene(tmp_path, crs, transform):
    path = tmp_path / "m.tif"
    source = write_raster(tmp_path / "s.tif", noise(1), crs=crs, transform=Affine(*transform))
    scene = open_scene(source)
    looks = target(height=HEIGHT, width=WIDTH, crs=scene.crs, transform=scene.transform)
    write_cog(path, looks, [(scene.window, noise(1))])
    assert open_scene(path).transform == transform
    assert open_scene(path).crs == scene.crs


def test_the_same_map_is_the_same_bytes(cog, labels, tmp_path):
    again = tmp_path / "other.tif"
    looks = target(
        nodata=255, overviews="mode", names=("land cover",), tags={"geoseg": "1"},
        colormap={c.value: c.rgb for c in CLASSES.classes},
    )  # fmt: skip
    write_cog(again, looks, blocks(labels))
    assert again.read_bytes() == cog.read_bytes()


@pytest.mark.parametrize("bands", [3, 4, 6])
def test_bands_of_scores_are_named_and_none_is_transparency(tmp_path, bands):
    names = tuple(f"class {i}" for i in range(bands))
    pixels = noise(bands, 40, 30)
    pixels[-1] = 0
    write_cog(tmp_path / "p.tif", target(bands, 40, 30, names=names), blocks(pixels))
    scene = open_scene(tmp_path / "p.tif")
    assert scene.band_names == names
    result, valid = read_window(scene, scene.window)
    assert np.array_equal(result, pixels)
    assert valid.all()


def test_a_failing_block_leaves_nothing_and_replaces_nothing(tmp_path):
    path = tmp_path / "m.tif"
    path.write_text("what was there")

    def failing():
        yield Window(0, 0, 512, 512), noise(1, 512, 512)
        raise SceneError("the second block fails")

    with pytest.raises(SceneError, match="the second block"):
        write_cog(path, target(), failing())
    assert path.read_text() == "what was there"
    assert names_in(tmp_path) == ["m.tif"]


FULL_DISK = """
import resource, signal, sys
import numpy as np
from affine import Affine
from pathlib import Path
from geoseg.errors import OutputError
from geoseg.grid import Window
from geoseg.raster import RasterProfile, write_cog, write_tile

kind, path, limit = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
pixels = np.random.default_rng(0).integers(0, 255, (1, 600, 600), dtype=np.uint8)
try:
    if kind == "cog":
        target = RasterProfile(600, 600, 1, (1, 0, 0, 0, -1, 0), None)
        write_cog(path, target, [(Window(0, 0, 512, 600), pixels[:, :512]),
                                 (Window(512, 0, 88, 600), pixels[:, 512:])])
    else:
        write_tile(path, pixels[:, :100, :100], transform=Affine.identity(), crs=None)
except OutputError as error:
    sys.exit(f"OutputError: {error}")
"""


@pytest.mark.parametrize(
    ("kind", "limit"),
    # In the middle of the blocks, at the end of the intermediate file, and of the COG.
    [("cog", 100_000), ("cog", 360_000), ("cog", 400_000), ("tile", 9_000)],
)
def test_a_full_disk_is_an_error(tmp_path, kind, limit):
    path = tmp_path / "m.tif"
    command = [sys.executable, "-W", "ignore", "-c", FULL_DISK, kind, path, str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("OutputError: cannot write m.tif in")
    assert last.endswith("then run the same command again")
    if kind == "cog":
        assert names_in(tmp_path) == []


def test_a_disk_with_room_is_none(tmp_path):
    path = tmp_path / "m.tif"
    command = [sys.executable, "-W", "ignore", "-c", FULL_DISK, "cog", path, "1000000"]
    subprocess.run(command, capture_output=True, check=True)
    assert open_scene(path).width == 600


# The sidecar.

NAMED = Legend(
    (
        LandCoverClass(1, "R&D <park>", "#010203"),
        LandCoverClass(4, 'fields "wet"', "#ff0000"),
        LandCoverClass(5, "کشت", "#00ff00"),
    )
)


def test_the_category_of_a_value_is_at_its_place(tmp_path):
    root = ET.fromstring(pam_sidecar(NAMED, [7, 0, 9]))
    names = [c.text or "" for c in root.iterfind("PAMRasterBand/CategoryNames/Category")]
    assert names == ["", "R&D <park>", "", "", 'fields "wet"', "کشت"]


def test_the_attribute_table_has_a_row_for_each_class():
    root = ET.fromstring(pam_sidecar(NAMED, [7, 0, 9]))
    table = root.find("PAMRasterBand/GDALRasterAttributeTable")
    columns = [name.text for name in table.iterfind("FieldDefn/Name")]
    rows = [[cell.text for cell in row] for row in table.iterfind("Row")]
    assert dict(zip(columns, rows[0], strict=True)) == {
        "Value": "1", "Class": "R&D <park>", "Red": "1", "Green": "2", "Blue": "3", "Alpha": "255",
        "Count": "7",
    }  # fmt: skip
    assert len(rows) == 3


def test_categories_are_read_back(tmp_path):
    path = tmp_path / "m.tif"
    path.with_name("m.tif.aux.xml").write_text(pam_sidecar(NAMED, [1, 2, 3]), encoding="utf-8")
    assert read_categories(path) == {c.value: c.name for c in NAMED.classes}
    assert read_categories(tmp_path / "other.tif") == {}


def test_gdal_reads_the_sidecar(tmp_path):
    path = write_raster(tmp_path / "m.tif", noise(1))
    path.with_name("m.tif.aux.xml").write_text(pam_sidecar(NAMED, [1, 2, 3]), encoding="utf-8")
    rasterio.shutil.copy(path, tmp_path / "m.vrt", driver="VRT")  # which takes the names along
    names = ET.parse(tmp_path / "m.vrt").iterfind("VRTRasterBand/CategoryNames/Category")
    assert [n.text for n in names] == [None, "R&D <park>", None, None, 'fields "wet"', "کشت"]


def test_the_names_in_a_vrt_are_read(tmp_path):
    path = write_raster(tmp_path / "m.tif", noise(1))
    sidecar = path.with_name("m.tif.aux.xml")
    sidecar.write_text(pam_sidecar(NAMED, [1, 2, 3]), encoding="utf-8")
    rasterio.shutil.copy(path, tmp_path / "m.vrt", driver="VRT")
    assert read_categories(tmp_path / "m.vrt") == read_categories(path)
    sidecar.unlink()
    rasterio.shutil.copy(path, tmp_path / "other.vrt", driver="VRT")
    assert read_categories(tmp_path / "other.vrt") == {}


@pytest.mark.parametrize(
    "text",
    [
        "<PAMDataset>",
        '<?xml version="1.0" encoding="unknown"?><PAMDataset/>',
        pam_sidecar(NAMED, [1, 2, 3])
        .replace("Category>", "Other>")
        .replace("<F>1</F><F>R", "<F>inf</F><F>R"),
    ],
)
def test_a_damaged_sidecar_is_named(tmp_path, text):
    (tmp_path / "m.tif.aux.xml").write_text(text, encoding="utf-8")
    with pytest.raises(LabelError, match=r"m\.tif\.aux\.xml"):
        read_categories(tmp_path / "m.tif")


def test_a_map_that_does_not_read_back_as_written_is_refused(tmp_path, monkeypatch):
    true_copy = rasterio.shutil.copy

    def copy_badly(source, path, **_):
        true_copy(source, path, driver="GTiff")
        with rasterio.open(path, "r+") as file:
            file.write(np.zeros((1, 1, 1), np.uint8), window=((70, 71), (80, 81)))

    monkeypatch.setattr(rasterio.shutil, "copy", copy_badly)
    profile = RasterProfile(90, 100, 1, (1, 0, 0, 0, -1, 0), None)
    pixels = np.full((1, 90, 100), 7, np.uint8)
    with pytest.raises(OutputError, match=r"cannot write m\.tif .*did not read back as written"):
        write_cog(tmp_path / "m.tif", profile, [(Window(0, 0, 90, 100), pixels)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["vrt", "mask", "zip", "archive in an address"])
def test_files_that_gdal_reads_with_a_raster_are_a_part_of_its_version(tmp_path, kind):
    """A source of a VRT, a mask beside the file and an archive change what the raster shows."""
    path, other = tmp_path / "a.tif", tmp_path / "a.tif"
    pixels = np.arange(1200, dtype=np.uint8).reshape(1, 30, 40)

    def write(pixels):
        write_raster(tmp_path / "a.tif", pixels)
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.write(tmp_path / "a.tif", "a.tif")

    write(pixels)
    if kind == "vrt":
        path = tmp_path / "a.vrt"
        path.write_text(
            '<VRTDataset rasterXSize="40" rasterYSize="30"><VRTRasterBand dataType="Byte" '
            'band="1"><SimpleSource><SourceFilename relativeToVRT="1">a.tif</SourceFilename>'
            "</SimpleSource></VRTRasterBand></VRTDataset>"
        )
    elif kind == "mask":
        other = write_raster(tmp_path / "a.tif.msk", np.full((1, 30, 40), 255, np.uint8))
    else:
        other = tmp_path / "a.zip"
        path = f"/vsizip/{other}/a.tif" if kind == "zip" else f"zip://{other}!a.tif"
    first = open_scene(path)
    (tmp_path / "a.tif.aux.xml").write_text("<PAMDataset/>")  # QGIS writes statistics there
    assert open_scene(path).determinants() == first.determinants()
    read_window(first, first.window)
    if kind == "mask":
        write_raster(other, np.zeros((1, 30, 40), np.uint8))
    else:
        write(pixels[:, ::-1])
    os.utime(other, ns=(1, 1))
    assert open_scene(path).determinants() != first.determinants()
    with ThreadPoolExecutor() as pool, pytest.raises(SceneError, match="changed while it was in"):
        pool.submit(read_window, first, first.window).result()
