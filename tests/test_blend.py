"""Law 2: no edge cases. The rim counts like the rest, whatever the taper."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.overrides import TorchFunctionMode

from geoseg.blend import TAPERS, blend, blend_batches, taper_profile, weight_sums
from geoseg.grid import Window, WindowGrid

geometry = st.tuples(
    st.integers(16, 70), st.integers(16, 70), st.integers(4, 16), st.data(), st.sampled_from(TAPERS)
)


class CountAdditions(TorchFunctionMode):
    """Count the additions to a tensor in place."""

    number = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.number += func.__name__ in ("add_", "__iadd__")
        return func(*args, **(kwargs or {}))


def blended(grid: WindowGrid, chunk: Window, kind: str, model) -> np.ndarray:
    """Blend what ``model`` says of each window (channels, size, size), divided by the weights."""
    weights = taper_profile(kind, grid.size, grid.size - grid.stride)
    windows = grid.windows(chunk)
    total = blend(
        ((w, model(w)) for w in windows), chunk, np.outer(weights, weights), np.zeros, classes=2
    )
    rows = weight_sums(grid.rows, weights, chunk.row, chunk.row_end)
    cols = weight_sums(grid.cols, weights, chunk.col, chunk.col_end)
    return total / np.outer(rows, cols)


@given(geometry)
def test_an_identity_model_returns_the_image(drawn):
    height, width, size, data, kind = drawn
    grid = WindowGrid(height, width, size, data.draw(st.integers(1, size)))
    image = np.random.default_rng(height * width).random((2, height, width))
    whole = Window(0, 0, height, width)
    result = blended(grid, whole, kind, lambda w: image[:, *w.slices])
    np.testing.assert_allclose(result, image, rtol=1e-9)


@given(geometry)
def test_a_constant_model_returns_a_constant_map(drawn):
    height, width, size, data, kind = drawn
    grid = WindowGrid(height, width, size, data.draw(st.integers(1, size)))
    constant = np.full((2, size, size), 0.3)
    result = blended(grid, Window(0, 0, height, width), kind, lambda w: constant)
    np.testing.assert_allclose(result, 0.3, rtol=1e-9)


@given(geometry)
def test_part_of_an_area_has_the_same_bits_as_in_the_whole(drawn):
    height, width, size, data, kind = drawn
    grid = WindowGrid(height, width, size, data.draw(st.integers(1, size)))
    whole = Window(0, 0, height, width)
    row, col = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    chunk = Window(row, col, data.draw(st.integers(1, height - row)), width - col)

    def model(window):
        return np.random.default_rng((window.row, window.col)).random((2, size, size), np.float32)

    expected = blended(grid, whole, kind, model)[:, *chunk.slices]
    assert np.array_equal(blended(grid, chunk, kind, model), expected)


@given(st.integers(2, 128), st.data(), st.sampled_from(TAPERS))
def test_weights_are_symmetric_and_none_is_zero(size, data, kind):
    weights = taper_profile(kind, size, data.draw(st.integers(0, size - 1)))
    assert weights.shape == (size,)
    assert (weights > 0).all()
    assert (weights <= 1).all()
    np.testing.assert_allclose(weights, weights[::-1], rtol=1e-12)


@pytest.mark.parametrize("kind", ["hann", "linear"])
def test_weights_of_neighbours_add_up_to_one_over_the_overlap(kind):
    weights = taper_profile(kind, 128, 32)
    np.testing.assert_allclose(weights[-32:] + weights[:32], 1)
    assert (weights[32:-32] == 1).all()


def test_half_overlap_gives_the_hann_window():
    expected = np.sin(np.pi * (np.arange(128) + 0.5) / 128) ** 2
    np.testing.assert_allclose(taper_profile("hann", 128, 64), expected)


def test_crop_takes_each_pixel_from_the_window_that_has_it_deepest():
    grid = WindowGrid(16, 40, 16, 12)

    def model(window):
        return np.full((2, 16, 16), float(window.col))

    result = blended(grid, Window(0, 0, 16, 40), "crop", model)[0, 8]
    np.testing.assert_allclose(result[:14], 0, atol=1e-4)
    np.testing.assert_allclose(result[14:26], 12, atol=1e-4)
    np.testing.assert_allclose(result[26:], 24, atol=1e-4)


def test_a_window_beside_the_area_is_refused():
    with pytest.raises(ValueError, match="does not touch"):
        blend(
            [(Window(0, 0, 4, 4), np.ones((1, 4, 4)))], Window(8, 8, 4, 4), np.ones((4, 4)),
            np.zeros, 1,
        )  # fmt: skip


@given(geometry)
def test_batches_give_the_bits_of_single_windows(drawn):
    """Also in part of the scene, without some of the windows, and where the last one is shifted."""
    height, width, size, data, kind = drawn
    grid = WindowGrid(height, width, size, data.draw(st.integers(1, size)))
    row, col = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    chunk = Window(
        row, col, data.draw(st.integers(1, height - row)), data.draw(st.integers(1, width - col))
    )
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    share = data.draw(st.sampled_from([1, 0.9, 0.5, 0]))
    windows = [w for w in grid.windows(chunk) if rng.random() < share]
    scores = torch.from_numpy(rng.random((len(windows), 2, size, size), np.float32))
    profile = taper_profile(kind, size, size - grid.stride)
    weights = torch.from_numpy(np.outer(profile, profile).astype(np.float32))
    plain = blend(zip(windows, scores, strict=True), chunk, weights, torch.zeros, 2)
    batches = (scores * weights).split(data.draw(st.integers(1, 20)))
    assert torch.equal(blend_batches(batches, windows, chunk, torch.zeros, 2), plain)


def test_a_row_of_windows_takes_few_additions():
    """As many as windows lie over a pixel, and one for each window at the edges of the chunk."""
    grid, chunk = WindowGrid(400, 4000, 32, 24), Window(100, 1000, 200, 1000)
    windows = grid.windows(chunk)
    scores = torch.rand(len(windows), 1, 32, 32)
    with CountAdditions() as additions:
        blend_batches([scores], windows, chunk, torch.zeros, 1)
    rows = len({window.row for window in windows})
    assert len(windows) > 40 * rows
    assert 3 * rows <= additions.number <= 6 * rows


def test_batches_refuse_a_window_beside_the_area():
    scores = torch.ones(1, 1, 4, 4)
    with pytest.raises(ValueError, match="not inside"):
        blend_batches([scores], [Window(0, 0, 4, 4)], Window(8, 8, 4, 4), torch.zeros, 1)
