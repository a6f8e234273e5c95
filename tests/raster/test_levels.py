"""Levels of a scene: the nearest pixels, at powers of two."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.enums import Resampling

from geoseg.errors import SceneError
from geoseg.grid import Window
from geoseg.raster import Stack, level_shape, open_scene, read_level, warped_to
from tests.support.rasters import random_pixels, write_raster

SHAPE = (117, 203)


def nearest(pixels: np.ndarray, level: int) -> np.ndarray:
    """The law of `read_level`, in numpy: pixels (bands, height, width) of a level."""
    rows, cols = (
        np.minimum(np.arange(-(-length // 2**level)) * 2**level + 2**level // 2, length - 1)
        for length in pixels.shape[1:]
    )
    return pixels[:, rows][:, :, cols]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    pixels = random_pixels(2, *SHAPE)
    pixels[:, 40:60, 100:] = 0
    path = tmp_path_factory.mktemp("plain") / "scene.tif"
    return open_scene(write_raster(path, pixels, nodata=0)), pixels


@settings(max_examples=40)
@given(st.data())
def test_a_window_of_a_level_is_that_of_the_nearest_pixels(plain, data):
    scene, pixels = plain
    level = data.draw(st.integers(0, 9))
    height, width = level_shape(scene, level)
    row, col = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    rows, cols = data.draw(st.integers(1, height - row)), data.draw(st.integers(1, width - col))
    window = Window(row, col, rows, cols)
    read, valid = read_level(scene, level, window)
    expected = nearest(pixels, level)[:, *window.slices]
    np.testing.assert_array_equal(read, expected)
    np.testing.assert_array_equal(valid, (expected != 0).any(axis=0))


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_overviews_are_read_as_they_are_stored(tmp_path, level):
    path = write_raster(tmp_path / "scene.tif", random_pixels(1, *SHAPE))
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2, 4], Resampling.mode)
    scene = open_scene(path)
    read, _ = read_level(scene, level, Window(0, 0, *level_shape(scene, level)))
    with rasterio.open(path, overview_level=min(level, 2) - 1) as overview:
        stored = overview.read()
    np.testing.assert_array_equal(read, nearest(stored, max(0, level - 2)))


def test_a_warped_scene_has_the_levels_of_its_pixels(tmp_path):
    pixels = random_pixels(1, 90, 120)
    source = open_scene(write_raster(tmp_path / "source.tif", pixels))
    turned = source.affine @ Affine.rotation(30) @ Affine.scale(0.7)
    grid = replace(source, height=101, width=77, transform=tuple(turned)[:6])
    scene = warped_to(source, grid)
    full, full_valid = read_level(scene, 0, scene.window)
    for level in (1, 2):
        read, valid = read_level(scene, level, Window(0, 0, *level_shape(scene, level)))
        inside = np.ix_(range(100 // 2**level), range(76 // 2**level))  # the last ones lie beyond
        assert 0.5 < valid[inside].mean() < 1
        np.testing.assert_array_equal(valid[inside], nearest(full_valid[None], level)[0][inside])
        np.testing.assert_array_equal(
            (read[0] * valid)[inside], nearest(full * full_valid, level)[0][inside]
        )


def test_a_stack_has_levels(tmp_path):
    first, second = random_pixels(1, *SHAPE), random_pixels(1, *SHAPE)[:, ::-1]
    paths = [
        str(write_raster(tmp_path / f"{i}.tif", pixels)) for i, pixels in enumerate((first, second))
    ]
    scene = open_scene(Stack(tuple(paths)))
    read, _ = read_level(scene, 3, Window(0, 0, *level_shape(scene, 3)))
    np.testing.assert_array_equal(read, nearest(np.concatenate([first, second]), 3))


def test_what_has_no_such_pixels_is_refused(plain):
    scene, _ = plain
    with pytest.raises(SceneError, match="outside"):
        read_level(scene, 2, Window(0, 0, 31, 1))
    with pytest.raises(SceneError, match="no levels"):
        read_level(scene.crop(Window(3, 3, 50, 50)), 1, Window(0, 0, 2, 2))
