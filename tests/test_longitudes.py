"""Longitudes are moved by whole turns to where a raster has them."""

import numpy as np
import pytest
import shapely
from shapely import box

from geoseg.longitudes import nearest_turn, onto_longitudes, rejoined, turn_of


def moved(geometry, west, east):
    [found] = onto_longitudes(np.array([geometry]), west, east, 360.0)
    return found


@pytest.mark.parametrize(
    ("crs", "turn"),
    [("EPSG:4326", 360), ("EPSG:4807", 400), ("EPSG:4326+5773", 360), ("EPSG:32601", 0), (None, 0)],
    ids=["degrees", "gradians", "with heights", "metres", "none"],
)
def test_a_turn_is_in_units_of_the_crs(crs, turn):
    assert turn_of(crs) == pytest.approx(turn)


def test_a_longitude_moves_to_the_turn_of_another_one():
    x, places = np.array([-179.9, 179.9, 0.1, 359.0]), np.array([180.1, 180.1, 359.9, 2.0])
    assert nearest_turn(x, places, 360.0).tolist() == pytest.approx([180.1, 179.9, 360.1, -1.0])
    assert nearest_turn(x, places, 0.0) is x


@pytest.mark.parametrize(
    ("geometry", "west", "east", "expected"),
    [
        (box(-80, 0, -79, 1), 279, 282, box(280, 0, 281, 1)),
        (box(280, 0, 281, 1), -82, -79, box(-80, 0, -79, 1)),
        (box(-180, 0, -179, 1), 178, 182, box(180, 0, 181, 1)),
        (shapely.Point(-180, 0), 180, 181, shapely.Point(180, 0)),
        (box(-180, 0, 180, 1), 170, 190, box(-180, 0, 540, 1)),
        (shapely.MultiPolygon([box(179, 0, 180, 1), box(-180, 0, -179, 1)]), 178, 182,
         box(179, 0, 181, 1)),
        (shapely.MultiPoint([(179, 0), (-179, 0), (20, 0)]), 178, 182,
         shapely.MultiPoint([(179, 0), (181, 0), (20, 0)])),
        (shapely.LineString([(-181, 0), (-179, 1)]), 178, 182,
         shapely.LineString([(179, 0), (181, 1)])),
    ],
    ids=["east", "west", "to the edge", "a point on the edge", "around the world", "two halves",
         "points", "a line"],
)  # fmt: skip
def test_a_geometry_moves_to_where_the_raster_lies(geometry, west, east, expected):
    found = moved(geometry, west, east)
    assert found.equals(expected)
    assert shapely.get_num_geometries(found) == shapely.get_num_geometries(expected)


@pytest.mark.parametrize(
    "geometry",
    [box(-180, -90, 180, 90), box(10, 0, 11, 1), shapely.Point(0, 0), shapely.Polygon()],
)
def test_what_lies_there_already_or_nowhere_stays_as_it_is(geometry):
    geometries = np.array([geometry])
    assert onto_longitudes(geometries, -180.0, 180.0, 360.0) is geometries
    assert onto_longitudes(geometries, 0.0, 1.0, 0.0) is geometries


def test_a_geometry_that_proj_cut_at_180_degrees_is_joined_again():
    cut, wide = box(-179, 0, 179, 1), shapely.segmentize(box(-170, 0, 170, 1), 1)
    joined, same = rejoined(np.array([cut, wide]), 360.0)
    assert joined.equals(box(179, 0, 181, 1))
    assert same.equals(wide)


def test_a_geometry_that_proj_could_not_transform_stays_as_it_is():
    broken = shapely.Polygon([(0, 0), (np.inf, 0), (1, 1)])
    geometries = np.array([shapely.box(-179, 0, -178, 1), broken])
    moved = onto_longitudes(rejoined(geometries, 360.0), 180, 190, 360.0)
    assert moved[0].bounds == (181, 0, 182, 1)
    assert moved[1] is broken
