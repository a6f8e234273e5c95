"""Pixels of another size: the linear filter beside a slow one, and its laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.raster import mosaic, open_scene, read, read_window
from geoseg.raster.resample import LinearFilter, resample
from tests.support.rasters import random_pixels, write_raster
from tests.support.scenes import overlapping


def resized(pixels, valid, height, width):
    rows = LinearFilter(0, height, height, pixels.shape[1])
    cols = LinearFilter(0, width, width, pixels.shape[2])
    needed = np.ix_(range(rows.first, rows.end), range(cols.first, cols.end))
    return resample(pixels[:, *needed], valid[needed], rows, cols)


def slow(pixels, valid, height, width):
    """The weighted mean of the valid pixels in loops and float64; NaN where none is covered."""
    bands, inner_height, inner_width = pixels.shape
    means = np.full((bands, height, width), np.nan)
    for row, col in np.ndindex(height, width):
        total, share, covers = np.zeros(bands), 0.0, False
        for inner_row, inner_col in np.argwhere(valid):
            weight = 1.0
            overlaps = True
            for place, length, inner_place, inner in (
                (row, height, inner_row, inner_height), (col, width, inner_col, inner_width)
            ):  # fmt: skip
                size = inner / length
                distance = abs((inner_place + 0.5) - (place + 0.5) * size)
                weight *= max(0.0, 1 - distance / max(1.0, size))
                # In whole numbers, so that pixels that only touch do not overlap.
                overlaps &= inner_place * length < (place + 1) * inner
                overlaps &= (inner_place + 1) * length > place * inner
            total += weight * pixels[:, inner_row, inner_col].astype(float)
            share += weight
            covers |= bool(overlaps)
        if covers:
            means[:, row, col] = total / share
    return means


sizes = st.integers(1, 14)


@given(sizes, sizes, sizes, sizes, st.sampled_from([0.0, 0.3, 0.9]), st.integers(0, 9))
@settings(max_examples=40)
def test_pixels_are_those_of_a_slow_filter(height, width, inner_height, inner_width, holes, seed):
    rng = np.random.default_rng(seed)
    pixels = rng.normal(100, 50, (2, inner_height, inner_width)).astype(np.float32)
    valid = rng.random((inner_height, inner_width)) >= holes
    means, covers = resized(pixels, valid, height, width)
    expected = slow(pixels, valid, height, width)
    assert np.array_equal(covers, ~np.isnan(expected[0]))
    assert np.allclose(means[:, covers], expected[:, covers], rtol=1e-4, atol=1e-3)


@given(sizes, sizes, st.sampled_from(["uint8", "uint16", "int16", "float64"]))
@settings(max_examples=20)
def test_a_constant_stays_constant(height, width, dtype):
    value = 200.25 if dtype == "float64" else 199
    pixels = np.full((1, 9, 7), value, dtype)
    means, covers = resized(pixels, np.ones((9, 7), bool), height, width)
    assert means.dtype == pixels.dtype
    assert covers.all()
    assert np.allclose(means, value, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
def test_the_same_size_keeps_every_value(dtype):
    pixels = random_pixels(2, 11, 8, dtype)
    valid = random_pixels(1, 11, 8)[0] > 50
    means, covers = resized(pixels, valid, 11, 8)
    assert np.array_equal(covers, valid)
    assert np.array_equal(means[:, valid], pixels[:, valid])


def test_half_the_size_weighs_four_pixels_of_each_axis():
    """A triangle over two pixels a side: 1/8, 3/8, 3/8, 1/8."""
    pixels = random_pixels(1, 12, 12).astype(float)
    means, _ = resized(pixels, np.ones((12, 12), bool), 6, 6)
    weights = np.array([1, 3, 3, 1]) / 8
    expected = weights @ pixels[0, 3:7, 5:9] @ weights
    assert means[0, 2, 3] == pytest.approx(expected)


def test_a_third_of_the_size_weighs_five_pixels_of_each_axis():
    """A triangle over three pixels a side, with its top on a pixel: 1/9, 2/9, 3/9, 2/9, 1/9."""
    pixels = random_pixels(1, 15, 15).astype(float)
    means, _ = resized(pixels, np.ones((15, 15), bool), 5, 5)
    weights = np.array([1, 2, 3, 2, 1]) / 9
    assert means[0, 2, 3] == pytest.approx(weights @ pixels[0, 5:10, 8:13] @ weights)


def test_twice_and_three_times_the_size_interpolate_between_centres():
    pixels = np.array([[[0.0, 12.0, 36.0]]])
    valid = np.ones((1, 3), bool)
    twice, _ = resized(pixels, valid, 1, 6)
    thrice, _ = resized(pixels, valid, 1, 9)
    assert twice[0, 0].tolist() == pytest.approx([0, 3, 9, 18, 30, 36])
    assert thrice[0, 0].tolist() == pytest.approx([0, 0, 4, 8, 12, 20, 28, 36, 36])


def test_a_pixel_is_valid_if_it_covers_a_part_of_a_valid_one():
    valid = np.zeros((1, 10), bool)
    valid[0, 4] = True
    pixels = np.full((1, 1, 10), 50, np.uint8)
    for width, expected in ((10, [4]), (5, [2]), (20, [8, 9]), (4, [1]), (3, [1]), (15, [6, 7])):
        means, covers = resized(pixels, valid, 1, width)
        assert np.flatnonzero(covers[0]).tolist() == expected
        assert (means[0][covers] == 50).all()


def test_what_is_not_valid_has_no_influence():
    pixels = random_pixels(2, 10, 10).astype(np.float32)
    valid = random_pixels(1, 10, 10)[0] > 60
    clean, covers = resized(np.where(valid, pixels, 0), valid, 7, 17)
    for junk in (np.nan, np.inf, -1e30):
        means, again = resized(np.where(valid, pixels, np.float32(junk)), valid, 7, 17)
        assert np.array_equal(again, covers)
        assert np.array_equal(means, clean)
        assert np.isfinite(means[:, covers]).all()


def test_integers_are_rounded():
    pixels = np.array([[[0, 10, 11]]], np.uint8)
    means, _ = resized(pixels, np.ones((1, 3), bool), 1, 6)
    assert means[0, 0].tolist() == [0, 2, 8, 10, 11, 11]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "uint32"])
def test_the_ends_of_the_range_do_not_wrap_around(dtype):
    limits = np.iinfo(dtype)
    pixels = np.full((1, 6, 6), limits.max, dtype)
    pixels[:, :, 3:] = limits.min
    means, _ = resized(pixels, np.ones((6, 6), bool), 13, 5)
    assert means[0, :, 0].tolist() == [limits.max] * 13
    assert means[0, :, -1].tolist() == [limits.min] * 13


@pytest.mark.parametrize(("height", "width"), [(301, 213), (1303, 1201)])
def test_a_resized_mosaic_has_the_bits_of_the_resized_image(tmp_path, height, width):
    whole, paths = overlapping(tmp_path, 600, 600)
    image = open_scene(write_raster(tmp_path / "image.tif", whole)).resize(height, width)
    scenes = mosaic([open_scene(path) for path in paths]).resize(height, width)
    assert scenes.transform == image.transform
    pixels, valid = read_window(scenes, scenes.window)
    expected, _ = read_window(image, image.window)
    assert valid.all()
    assert np.array_equal(pixels, expected)


def test_a_large_window_reads_a_part_of_the_scene_at_a_time(tmp_path, monkeypatch):
    """So that a window of large pixels takes no more memory than its pixels and a block."""
    read_at_once = []

    def recording(pixels, *more):
        read_at_once.append(pixels.shape[1:])
        return resample(pixels, *more)

    monkeypatch.setattr(read, "resample", recording)
    whole = random_pixels(1, 1200, 5000)
    path = write_raster(tmp_path / "large.tif", whole)
    scene = open_scene(path).resize(120, 500)
    pixels, valid = read_window(scene, scene.window)
    assert max(max(shape) for shape in read_at_once) <= 2100
    assert len(read_at_once) == 3
    assert valid.all()
    at_once, _ = resized(whole, np.ones(whole.shape[1:], bool), 120, 500)
    assert np.array_equal(pixels, at_once)
