"""Geometries burnt onto the pixels of a window."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from geoseg.grid import Window
from geoseg.legend import NODATA
from geoseg.raster import Scene, open_scene
from geoseg.vectors import burn
from tests.support.rasters import write_raster
from tests.support.strategies import cuts, grid_of

HEIGHT, WIDTH = 24, 30
PIXELS = np.ones((1, HEIGHT, WIDTH), np.uint8)


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Scene:
    return open_scene(write_raster(tmp_path_factory.mktemp("burn") / "scene.tif", PIXELS))


@st.composite
def places(draw):
    """Transforms with sizes and origins whose digits are rounded, one of them turned."""
    size = draw(st.sampled_from([10.0, 28.5, 0.3, 1 / 3600]))
    x, y = draw(st.sampled_from([(500_000.0, 2_800_000.0), (630_534.1, 228_513.2), (-59.87, 25.3)]))
    turned = Affine.rotation(draw(st.sampled_from([0, 0, 30])))
    return Affine.translation(x, y) @ turned @ Affine.scale(size, -size)


HALVES = st.integers(0, 2 * max(HEIGHT, WIDTH)).map(lambda n: n / 2)
"""Rows or columns of edges and centres of pixels, where a coordinate is easily rounded across."""
NEAR = HALVES | st.floats(-2, max(HEIGHT, WIDTH) + 2)


@st.composite
def shapes(draw):
    """Points and boxes in pixels, many of them on edges and centres of pixels."""
    col, row = draw(NEAR), draw(NEAR)
    if draw(st.booleans()):
        return shapely.Point(col, row)
    return shapely.box(col, row, col + draw(HALVES), row + draw(HALVES))


@given(
    places(), st.lists(shapes(), min_size=1, max_size=8), st.sampled_from([0, 7, NODATA]),
    cuts(HEIGHT), cuts(WIDTH),
)  # fmt: skip
def test_a_pixel_has_the_same_value_in_every_window(scene, place, pixels, outside, rows, cols):
    scene = replace(scene, transform=tuple(place)[:6])
    geometries = shapely.transform(np.array(pixels), lambda x, y: place @ (x, y), interleaved=False)
    values = np.arange(len(pixels)).astype(np.uint8)
    whole = burn(geometries, values, scene, scene.window, outside)
    for window in grid_of(rows, cols):
        part = burn(geometries, values, scene, window, outside)
        assert np.array_equal(part, whole[*window.relative_to(scene.window)])


@given(
    st.lists(
        st.tuples(st.floats(-1, WIDTH + 1), st.floats(-1, HEIGHT + 1)), min_size=1, max_size=20
    )
)
def test_a_point_labels_the_pixel_in_which_it_lies(scene, pixels):
    scene = replace(scene, transform=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0))
    values = np.arange(len(pixels)).astype(np.uint8)
    expected = np.full((HEIGHT, WIDTH), NODATA, np.uint8)
    for value, (col, row) in zip(values, pixels, strict=True):
        if 0 <= col < WIDTH and 0 <= row < HEIGHT:
            expected[int(row), int(col)] = value  # the later one wins
    burnt = burn(shapely.points(pixels), values, scene, scene.window, NODATA)
    assert np.array_equal(burnt, expected)


@given(
    st.lists(st.tuples(*[st.floats(0, HEIGHT)] * 6), min_size=1, max_size=6),
    st.sampled_from([0, NODATA]),
)
def test_a_polygon_labels_the_pixels_whose_centres_lie_in_it(scene, triangles, outside):
    scene = replace(scene, transform=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0))
    polygons = shapely.polygons([np.reshape(corners, (3, 2)) for corners in triangles])
    values = (1 + np.arange(len(polygons))).astype(np.uint8)
    rows, cols = np.indices((HEIGHT, WIDTH)) + 0.5
    expected = np.full((HEIGHT, WIDTH), outside, np.uint8)
    on_edge = np.zeros((HEIGHT, WIDTH), bool)
    for value, polygon in zip(values, polygons, strict=True):
        expected[shapely.contains_xy(polygon, cols, rows)] = value
        on_edge |= shapely.distance(polygon.boundary, shapely.points(cols, rows)) < 1e-6
    burnt = burn(polygons, values, scene, scene.window, outside)
    assert np.array_equal(burnt[~on_edge], expected[~on_edge])


def test_nothing_is_outside_everywhere(scene):
    burnt = burn(np.array([]), np.array([], np.uint8), scene, Window(3, 4, 5, 6), 9)
    assert np.array_equal(burnt, np.full((5, 6), 9))
