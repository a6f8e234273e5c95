"""Rasters read through another one's pixel grid."""

import numpy as np
import pytest
import rasterio
from affine import Affine

from geoseg.errors import SceneError
from geoseg.raster import (
    Stack,
    open_scene,
    read_overview,
    read_window,
    reprojected,
    same_grid,
    warped_to,
)
from tests.support.rasters import random_pixels, write_raster

HALF = Affine(20, 0, 500200, 0, -20, 2800000)
"""Pixels of twice the size, from column 20 of the grid on."""
VALUES = (np.arange(20 * 25).reshape(1, 20, 25) % 5).astype(np.uint8)


@pytest.fixture
def grid(tmp_path):
    return open_scene(write_raster(tmp_path / "grid.tif", np.zeros((3, 40, 50), np.uint8)))


def doubled(values):
    """What the grid sees of an array (20, 25): its first 15 columns, at twice the size."""
    return np.repeat(np.repeat(values[:, :15], 2, axis=0), 2, axis=1)


def write(path, kind):
    """VALUES as a raster where 3 is no data, in one of the ways to say so; perhaps 4 too."""
    if kind == "alpha":
        pixels = np.concatenate([VALUES] * 3 + [np.where(VALUES == 3, 0, 255).astype(np.uint8)])
        return write_raster(path, pixels, transform=HALF, photometric="rgb", alpha="yes")
    nodata = {"nodata": 3, "mask and nodata": 4}.get(kind)
    write_raster(path, VALUES, transform=HALF, nodata=nodata)
    if kind.startswith("mask"):
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
            file.write_mask(VALUES[0] != 3)
    return path


@pytest.mark.parametrize("kind", ["plain", "nodata", "mask", "mask and nodata", "alpha"])
@pytest.mark.parametrize("reader", ["window", "whole"])
def test_pixels_are_the_nearest_and_valid_where_the_raster_has_any(tmp_path, grid, kind, reader):
    warped = warped_to(open_scene(write(tmp_path / "values.tif", kind)), grid)
    pixels, valid = (
        read_window(warped, grid.window) if reader == "window" else read_overview(warped, 50)
    )
    missing = {"plain": [], "mask and nodata": [3, 4]}.get(kind, [3])
    expected = doubled(~np.isin(VALUES[0], missing))
    assert not valid[:, :20].any()
    assert np.array_equal(valid[:, 20:], expected)
    assert np.array_equal(pixels[0][:, 20:][expected], doubled(VALUES[0])[expected])
    assert (warped.height, warped.width, warped.crs) == (grid.height, grid.width, grid.crs)


@pytest.mark.parametrize("kind", ["mask", "alpha"])
@pytest.mark.parametrize("nodata", [0, 7])
def test_a_mask_and_a_nodata_value_both_keep_pixels_out_of_the_others(tmp_path, grid, kind, nodata):
    pixels = random_pixels(3, 40, 50)
    pixels[:, 5:15, 5:15] = nodata
    shown = np.ones((40, 50), bool)
    shown[20:30, 20:30] = False
    place = Affine.translation(3, 4) @ grid.affine
    path = tmp_path / f"{kind}.tif"
    if kind == "alpha":
        bands = np.concatenate([pixels, np.where(shown, 255, 0).astype(np.uint8)[None]])
        write_raster(path, bands, transform=place, nodata=nodata, photometric="rgb", alpha="yes")
    else:
        write_raster(path, pixels, transform=place, nodata=nodata)
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
            file.write_mask(shown)
    holes = np.where(shown & (pixels != nodata).any(axis=0), pixels, np.nan).astype(np.float32)
    oracle = write_raster(tmp_path / "nan.tif", holes, transform=place, nodata=np.nan)
    (read, valid), (expected, expected_valid) = (
        read_window(warped_to(open_scene(p), grid, "bilinear"), grid.window) for p in (path, oracle)
    )
    assert np.array_equal(valid, expected_valid)
    assert np.abs(read[:, valid] - expected[:, valid]).max() <= 0.5  # rounded


@pytest.mark.parametrize("resampling", ["nearest", "bilinear"])
def test_an_alpha_band_that_is_read_as_data_is_warped_as_data(tmp_path, grid, resampling):
    pixels = random_pixels(4, 20, 25)
    pixels[3, :, 10:] = 0
    place = HALF @ Affine.translation(0.3, 0.4)
    read = []
    for alpha in ("yes", "no"):
        photometric = "rgb" if alpha == "yes" else "minisblack"
        path = write_raster(
            tmp_path / f"{alpha}.tif", pixels, transform=place, photometric=photometric, alpha=alpha
        )
        scene = open_scene(path, bands=(1, 2, 3, 4))
        assert scene.file_bands[3].alpha == (alpha == "yes")
        read.append(read_window(warped_to(scene, grid, resampling), grid.window))
    np.testing.assert_array_equal(read[0][0], read[1][0])
    np.testing.assert_array_equal(read[0][1], read[1][1])
    assert 0.5 < read[0][1].mean() < 0.7  # the raster covers a part of the grid


@pytest.mark.parametrize(
    ("shape", "east", "crs", "same"),
    [
        ((40, 50), 0.9, "EPSG:32640", True),  # a tenth of a pixel is 1 m
        ((40, 50), 1.1, "EPSG:32640", False),
        ((40, 50), 0.0, "EPSG:32740", False),  # the southern hemisphere
        ((40, 50), 0.0, None, True),
        ((40, 50), 1.1, None, False),
        ((39, 50), 0.0, "EPSG:32640", False),
    ],
)
def test_a_grid_is_the_same_where_size_and_corners_are(tmp_path, grid, shape, east, crs, same):
    place = grid.affine @ Affine.translation(east / 10, 0)
    pixels = np.zeros((1, *shape), np.uint8)
    other = open_scene(write_raster(tmp_path / "other.tif", pixels, transform=place, crs=crs))
    assert same_grid(other, grid) is same
    assert same_grid(grid, other) is same


def test_grids_that_are_a_turn_apart_are_the_same(tmp_path):
    pixels, west = np.zeros((1, 20, 30), np.uint8), Affine(0.01, 0, -180.1, 0, -0.01, 10)
    files = {
        "west": ("EPSG:4326", west),
        "east": ("EPSG:4258", Affine.translation(360, 0) @ west),
        "beside": ("EPSG:4326", Affine.translation(359.99, 0) @ west),
    }
    rasters = {
        name: open_scene(write_raster(tmp_path / f"{name}.tif", pixels, crs=crs, transform=place))
        for name, (crs, place) in files.items()
    }
    assert same_grid(rasters["west"], rasters["east"])
    assert same_grid(rasters["east"], rasters["west"])
    assert not same_grid(rasters["west"], rasters["beside"])


def test_a_crs_without_a_way_to_the_other_is_refused(tmp_path, grid):
    local = 'LOCAL_CS["site",UNIT["metre",1]]'
    raster = open_scene(write_raster(tmp_path / "values.tif", VALUES, crs=local))
    match = r"cannot warp .*values\.tif onto another grid \(.* 'site' to .*\), check its CRS$"
    with pytest.raises(SceneError, match=match) as caught:
        warped_to(raster, grid)
    assert "{" not in str(caught.value)  # names, not the whole CRS
    with pytest.raises(
        SceneError, match=r"values\.tif to EPSG:32640 \(.* 'site' to .*\), check both CRS$"
    ):
        reprojected(raster, "EPSG:32640")


@pytest.mark.parametrize(
    ("crs", "match"),
    [
        ("EPSG:3857", r"world\.tif reaches so far beyond the area of EPSG:3857 .* cut it first"),
        ("EPSG:3413", "reaches so far beyond"),
        ("EPSG:4978", "EPSG:4978 is neither a geographic nor a projected CRS, give a code"),
        ("EPSG:5773", "EPSG:5773 is neither"),
    ],
    ids=["Mercator", "polar", "geocentric", "heights"],
)
def test_a_crs_without_a_grid_for_the_scene_is_refused(tmp_path, crs, match):
    place = Affine(1, 0, -180, 0, -1, 90)
    pixels = random_pixels(1, 180, 360)
    path = write_raster(tmp_path / "world.tif", pixels, crs="EPSG:4326", transform=place)
    with pytest.raises(SceneError, match=match):
        reprojected(open_scene(path), crs)
    whole = reprojected(open_scene(path), "ESRI:54030")
    assert read_window(whole, whole.window)[1].mean() > 0.8


def test_other_bands_of_a_warped_stack_keep_its_grid(tmp_path, grid):
    files = [
        str(write_raster(tmp_path / f"{number}.tif", VALUES + number, transform=HALF, nodata=3))
        for number in range(2)
    ]
    warped = warped_to(open_scene(Stack(tuple(files))), grid)
    chosen = warped.with_bands((2,))
    assert (chosen.transform, chosen.height, chosen.width) == (grid.transform, 40, 50)
    pixels, valid = read_window(chosen, grid.window)
    expected = doubled(VALUES[0]) + 1
    assert np.array_equal(valid[:, 20:], expected != 3)
    assert np.array_equal(pixels[0, :, 20:][valid[:, 20:]], expected[expected != 3])
