"""Patches measured block by block, and drawn from candidates."""

from dataclasses import replace

import numpy as np
import pytest

from geoseg.grid import Window
from geoseg.suggestion import patches as patches_module
from geoseg.suggestion.draw import describe_patches, draw_patches
from geoseg.suggestion.patches import (
    BlockPixels,
    Patches,
    blocks,
    find_candidates,
    measure_patches,
)

SHAPE = (70, 90)
VALUES = (0, 2, 7)


def block(seed=0):
    """A block with nodata, pixels of unknown uncertainty, and gaps in one of two bands."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(np.array([0, 2, 7, 255], np.uint8), SHAPE)
    labels[:32, 32:64] = 255
    uncertainty = rng.random(SHAPE, np.float32)
    uncertainty[labels == 255] = np.nan
    bands = rng.normal(100, 20, (2, *SHAPE)).astype(np.float32)
    bands[0, 5:9] = np.nan
    bands[1, 32:64, :32] = np.nan
    return BlockPixels(labels, uncertainty, bands)


def measured(pixels, size=32):
    window = Window(64, 128, *SHAPE)
    return measure_patches(pixels, window, VALUES, size, np.random.default_rng(0))


def random_patches(number, rng):
    return Patches(
        row=rng.integers(0, 100, number) * 32, col=rng.integers(0, 100, number) * 32,
        classes=rng.integers(0, 50, (number, 3)) + 1, uncertainty=rng.integers(0, 4, number) / 4,
        bins=rng.integers(0, 9, (number, 8)), bands=rng.normal(size=(number, 4)),
        tie=rng.random(number),
    )  # fmt: skip


def alike(number, columns):
    """Patches in a row, 32 px apart, of one class, one uncertainty and one colour."""
    one = {
        "row": np.zeros(number, int), "col": np.arange(number) * 32,
        "classes": np.tile([1024, 0, 0], (number, 1)), "uncertainty": np.full(number, 0.5),
        "bins": np.tile([0, 0, 0, 0, 1024, 0, 0, 0], (number, 1)), "bands": np.zeros((number, 0)),
        "tie": np.linspace(0, 1, number),
    }  # fmt: skip
    return replace(Patches(**one), **columns)


def test_what_is_measured_is_what_the_pixels_of_a_patch_have():
    pixels = block()
    found = measured(pixels)
    assert len(found) == 9
    for n, (row, col) in enumerate(zip(found.row - 64, found.col - 128, strict=True)):
        part = slice(row, row + 32), slice(col, col + 32)
        labels, valid = pixels.labels[part], pixels.labels[part] != 255
        assert found.classes[n].tolist() == [(labels == value).sum() for value in VALUES]
        values = pixels.uncertainty[part][valid]
        assert found.uncertainty[n] == pytest.approx(values.mean() if valid.any() else 0)
        assert found.bins[n].tolist() == np.histogram(values, 8, (0, 1))[0].tolist()
        for band in range(2):
            numbers = pixels.bands[band][part][valid & np.isfinite(pixels.bands[band][part])]
            moments = [numbers.mean(), numbers.std()] if len(numbers) else [np.nan, np.nan]
            moment = found.bands[n, 2 * band : 2 * band + 2]
            assert moment == pytest.approx(moments, rel=1e-5, nan_ok=True)
    assert np.isnan(found.bands).sum() == 6  # a patch without class, and one without a band


def test_the_best_of_parts_are_the_best_of_all():
    rng = np.random.default_rng(0)
    first, second = random_patches(40, rng), random_patches(30, rng)
    at_once, one_by_one = first.joined(second).best(12), first.best(12).joined(second).best(12)
    for name in Patches.__slots__:
        assert np.array_equal(getattr(at_once, name), getattr(one_by_one, name))
    assert (
        at_once.total_uncertainty.min()
        >= np.sort(np.r_[first.total_uncertainty, second.total_uncertainty])[-12]
    )


@pytest.mark.parametrize("side", [32, 64, 4096])
def test_blocks_do_not_change_the_patches_and_have_the_given_size(monkeypatch, side):
    monkeypatch.setattr(patches_module, "_BLOCK_SIZE", side)
    pixels, read = block(), []

    def read_block(window):
        read.append(window)
        return BlockPixels(
            pixels.labels[window.slices], pixels.uncertainty[window.slices],
            pixels.bands[(slice(None), *window.slices)],
        )  # fmt: skip

    found = find_candidates(read_block, blocks(*SHAPE, 32), VALUES, 32, 5, seed=3)
    assert sum(w.height * w.width for w in read) == SHAPE[0] * SHAPE[1]
    assert max(max(w.height, w.width) for w in read) <= max(side, 32)
    whole = measured(pixels)
    best = np.argsort(-whole.total_uncertainty)[:5]
    assert found.row.tolist() == (whole.row[best] - 64).tolist()
    assert found.col.tolist() == (whole.col[best] - 128).tolist()
    assert np.allclose(found.bands, whole.bands[best], equal_nan=True)


def test_a_map_without_a_class_has_no_candidates():
    empty = replace(block(), labels=np.full(SHAPE, 255, np.uint8))
    windows = blocks(*SHAPE, 128)
    assert find_candidates(lambda window: empty, windows, VALUES, 128, 5, seed=0) is None


def test_rare_kinds_of_patches_are_drawn_before_the_common_one_again():
    classes = np.tile([1024, 0, 0], (200, 1))
    classes[[20, 50, 90]] = [0, 1024, 0]
    classes[[110, 150]] = [0, 0, 1024]
    patches = alike(200, {"classes": classes})
    for seed in range(20):
        drawn = draw_patches(patches, 3, 0, np.random.default_rng(seed))
        assert sorted(classes[drawn].argmax(1)) == [0, 1, 2]


def test_a_patch_of_another_colour_is_drawn():
    bands = np.zeros((100, 2))
    bands[40] = 9, 3
    patches = alike(100, {"bands": bands})
    for seed in range(20):
        assert 40 in draw_patches(patches, 2, 0, np.random.default_rng(seed))


def test_the_more_uncertain_a_patch_the_more_often_it_is_drawn_first():
    uncertainty = np.r_[np.full(10, 0.1), np.full(10, 0.3)]
    patches = alike(20, {"uncertainty": uncertainty})
    first = [draw_patches(patches, 1, 0, np.random.default_rng(n))[0] for n in range(800)]
    share = np.mean(uncertainty[first] == 0.3)
    assert share == pytest.approx(0.75, abs=0.05)  # three standard errors


def test_patches_are_different_and_not_close_and_begin_a_larger_draw():
    patches = random_patches(400, np.random.default_rng(1))
    drawn = draw_patches(patches, 30, 160, np.random.default_rng(5))
    assert len(set(drawn.tolist())) == 30
    places = np.stack([patches.row, patches.col], 1)[drawn]
    apart = np.abs(places[:, None] - places[None]).max(2)
    assert apart[~np.eye(30, dtype=bool)].min() >= 160
    fewer = draw_patches(patches, 12, 160, np.random.default_rng(5))
    assert fewer.tolist() == drawn[:12].tolist()


def test_where_no_patch_remains_there_are_fewer():
    assert len(draw_patches(alike(10, {}), 10, 64, np.random.default_rng(0))) in (4, 5)
    sure = alike(4, {"uncertainty": np.zeros(4)})
    assert sorted(draw_patches(sure, 9, 0, np.random.default_rng(0))) == [0, 1, 2, 3]


def test_a_constant_band_and_a_band_without_data_have_features_of_zero():
    bands = np.array([[1.0, 5, np.nan], [2.0, 5, np.nan], [3.0, 5, np.nan]])
    vectors = describe_patches(alike(3, {"bands": bands}))
    assert np.isfinite(vectors).all()
    assert (vectors[:, -2:] == 0).all()
