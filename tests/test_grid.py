"""Geometry: the grid, its chunks and their windows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.grid import Window, WindowGrid, bounds, chunks, starts

sizes = st.integers(1, 40)


@st.composite
def grids(draw) -> WindowGrid:
    size = draw(st.integers(1, 24))
    return WindowGrid(
        draw(st.integers(1, 90)), draw(st.integers(1, 90)), size, draw(st.integers(1, size))
    )


@st.composite
def chunks_of(draw, grid: WindowGrid) -> Window:
    row = draw(st.integers(0, grid.height - 1))
    col = draw(st.integers(0, grid.width - 1))
    height = draw(st.integers(1, grid.height - row))
    return Window(row, col, height, draw(st.integers(1, grid.width - col)))


@given(st.integers(1, 500), sizes, st.data())
def test_windows_of_an_axis_cover_it_without_passing_its_end(length, size, data):
    stride = data.draw(st.integers(1, size))
    firsts = starts(length, size, stride)
    covered = {p for s in firsts for p in range(s, s + size)}
    assert covered >= set(range(length))
    assert firsts == sorted(set(firsts))
    assert max(covered) == max(length, size) - 1


@given(st.data())
def test_windows_of_an_area_are_those_of_the_lattice_that_touch_it_in_its_order(data):
    grid = data.draw(grids())
    chunk = data.draw(chunks_of(grid))
    windows = grid.windows(Window(0, 0, grid.height, grid.width))
    assert len(windows) == len(grid)
    assert grid.windows(chunk) == [w for w in windows if w.intersection(chunk)]
    assert grid.count(chunk) == len(grid.windows(chunk))


@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from([512, 1024, 2048]))
def test_chunks_partition_the_scene(height, width, size):
    partition = list(chunks(height, width, size))
    assert sum(c.height * c.width for c in partition) == height * width
    assert all(a.intersection(b) is None for a in partition for b in partition if a != b)
    assert partition == sorted(partition)


@given(st.data(), st.sampled_from([512, 1024]))
def test_chunks_of_an_area_are_those_that_touch_it_in_their_order(data, size):
    height, width = data.draw(st.integers(1, 3000)), data.draw(st.integers(1, 3000))
    row, col = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    rows, cols = data.draw(st.integers(1, 3000)), data.draw(st.integers(1, 3000))
    chunk = Window(row, col, rows, cols)
    touching = [c for c in chunks(height, width, size) if c.intersection(chunk)]
    assert list(chunks(height, width, size, chunk)) == touching


@given(st.data())
def test_relative_index_serves_the_same_pixels(data):
    grid = data.draw(grids())
    inner = data.draw(chunks_of(grid))
    outer = bounds([inner, data.draw(chunks_of(grid))])
    scene = np.arange(grid.height * grid.width).reshape(grid.height, grid.width)
    part = scene[outer.slices]
    assert np.array_equal(part[inner.relative_to(outer)], scene[inner.slices])


def test_the_last_window_is_pulled_back_to_end_on_the_edge():
    assert starts(300, 128, 96) == [0, 96, 172]
    assert starts(128, 128, 96) == [0]
    assert starts(90, 128, 96) == [0]


@pytest.mark.parametrize("values", [(0, 0, 0, 1), (0, 0, 1, -1), (-1, 0, 1, 1)])
def test_an_impossible_window_is_refused_at_birth(values):
    with pytest.raises(ValueError, match="not a window"):
        Window(*values)


@pytest.mark.parametrize("size", [0, 500, -512])
def test_chunks_of_a_size_that_splits_blocks_are_refused(size):
    with pytest.raises(ValueError, match="multiple of 512"):
        list(chunks(100, 100, size))


@pytest.mark.parametrize("stride", [0, 33])
def test_a_stride_that_leaves_gaps_is_refused(stride):
    with pytest.raises(ValueError, match="stride"):
        WindowGrid(100, 100, 32, stride)
