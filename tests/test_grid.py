"""Geometry: the lattice, its chunks and their windows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.grid import Window, WindowGrid, bounds, chunks, starts

sizes = st.integers(1, 40)


@st.composite
def lattices(draw) -> WindowGrid:
    size = draw(st.integers(1, 24))
    return WindowGrid(
        draw(st.integers(1, 90)), draw(st.integers(1, 90)), size, draw(st.integers(1, size))
    )


@st.composite
def areas(draw, lattice: WindowGrid) -> Window:
    row = draw(st.integers(0, lattice.height - 1))
    col = draw(st.integers(0, lattice.width - 1))
    height = draw(st.integers(1, lattice.height - row))
    return Window(row, col, height, draw(st.integers(1, lattice.width - col)))


@given(st.integers(1, 500), sizes, st.data())
def test_windows_of_an_axis_cover_it_without_passing_its_end(length, size, data):
    stride = data.draw(st.integers(1, size))
    found = starts(length, size, stride)
    covered = {p for s in found for p in range(s, s + size)}
    assert covered >= set(range(length))
    assert found == sorted(set(found))
    assert max(covered) == max(length, size) - 1


@given(st.data())
def test_windows_of_an_area_are_those_of_the_lattice_that_touch_it_in_its_order(data):
    lattice = data.draw(lattices())
    area = data.draw(areas(lattice))
    everything = lattice.windows(Window(0, 0, lattice.height, lattice.width))
    assert len(everything) == len(lattice)
    assert lattice.windows(area) == [w for w in everything if w.intersection(area)]
    assert lattice.count(area) == len(lattice.windows(area))


@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from([512, 1024, 2048]))
def test_chunks_partition_the_scene(height, width, size):
    found = list(chunks(height, width, size))
    assert sum(c.height * c.width for c in found) == height * width
    assert all(a.intersection(b) is None for a in found for b in found if a != b)
    assert found == sorted(found)


@given(st.data(), st.sampled_from([512, 1024]))
def test_chunks_of_an_area_are_those_that_touch_it_in_their_order(data, size):
    height, width = data.draw(st.integers(1, 3000)), data.draw(st.integers(1, 3000))
    row, col = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    rows, cols = data.draw(st.integers(1, 3000)), data.draw(st.integers(1, 3000))
    area = Window(row, col, rows, cols)
    touching = [c for c in chunks(height, width, size) if c.intersection(area)]
    assert list(chunks(height, width, size, area)) == touching


@given(st.data())
def test_relative_index_serves_the_same_pixels(data):
    lattice = data.draw(lattices())
    inner = data.draw(areas(lattice))
    outer = bounds([inner, data.draw(areas(lattice))])
    scene = np.arange(lattice.height * lattice.width).reshape(lattice.height, lattice.width)
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
