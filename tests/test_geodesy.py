"""Areas and perimeters on the ground."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS, Geod, Proj, Transformer

from geoseg.geodesy import (
    apply_affine,
    ellipsoid,
    ellipsoidal_areas,
    pixel_areas,
    polygon_areas,
    polygon_perimeters,
)
from geoseg.legend import LandCoverClass, Legend
from geoseg.polygons import FeatureBuilder, PolygonArrays
from geoseg.polygons.arrays import close_rings, concat_fields
from geoseg.polygons.pixel_measures import GridMeasures
from tests.support.class_maps import polygons_of

CELL = 1 / 12000
WORKED = {0: 85.479667, 24: 78.262790, 45: 60.849879, 60: 43.172209, 80: 15.037962}
"""m² of a cell of 1/12000 degree on WGS 84, by its southern latitude."""


def wkt(code):
    return CRS.from_user_input(code).to_wkt()


def test_an_affine_is_applied_in_one_order():
    # (0.1 * 0.7 + 0.2 * 0.3) + 0.4 and its other sums differ in the last bit.
    t = Affine(0.1, 0.2, 0.4, 0.3, -0.7, 1e6)
    x, y = np.random.default_rng(0).uniform(0, 1e4, (2, 50, 3))
    u, v = apply_affine(t, x, y)
    assert (u == t.a * x + t.b * y + t.c).all()
    assert (v == t.d * x + t.e * y + t.f).all()
    assert np.allclose(apply_affine(~t, u, v), [x, y])


def boxes(*bounds):
    return np.array([shapely.box(*b) for b in bounds], dtype=object)


@pytest.mark.parametrize(("lat", "expected"), WORKED.items())
def test_cells_in_degrees(lat, expected):
    transform = Affine(CELL, 0, 15, 0, -CELL, lat + CELL)
    assert polygon_areas(boxes((0, 0, 1, 1)), transform, wkt(4326)) == pytest.approx(
        expected, abs=1e-6
    )


@pytest.mark.parametrize(("lat", "expected"), WORKED.items())
@pytest.mark.parametrize("code", [3857, 3395])
def test_cells_in_mercator_projections_have_their_true_area(lat, expected, code):
    project = Transformer.from_crs(4326, code, always_xy=True).transform
    (left, right), (bottom, top) = project([15, 15 + CELL], [lat, lat + CELL])
    transform = Affine(right - left, 0, left, 0, bottom - top, top)
    assert polygon_areas(boxes((0, 0, 1, 1)), transform, wkt(code)) == pytest.approx(
        expected, rel=1e-7
    )


def test_areas_of_parts_add_up_to_the_zone():
    # 10 by 10 degrees at 50 to 60 north: geodesic edges would give 0.997 of it.
    transform = Affine(1, 0, 175, 0, -1, 60)
    pixels = boxes(*((c, r, c + 1, r + 1) for r in range(10) for c in range(10)))
    total = polygon_areas(boxes((0, 0, 10, 10)), transform, wkt(4326))[0]
    assert polygon_areas(pixels, transform, wkt(4326)).sum() == pytest.approx(total, rel=1e-12)
    e, b = np.sqrt(0.0066943799901413165), 6356752.314245179
    sine = np.sin(np.radians([50, 60]))
    q = sine / (1 - e**2 * sine**2) + np.arctanh(e * sine) / e
    zone = b**2 / 2 * np.radians(10) * (q[1] - q[0])
    assert total == pytest.approx(zone, rel=1e-10)


def test_the_whole_ellipsoid():
    transform = Affine(1, 0, -180, 0, -1, 90)
    whole = polygon_areas(boxes((0, 0, 360, 180)), transform, wkt(4326))[0]
    assert whole == pytest.approx(510_065_621_724_088.5, rel=1e-9)


@pytest.mark.parametrize("code", [4326, 3857, 32633])
def test_a_rotated_scene_measures_like_a_north_up_one(code):
    size = 0.001 if code == 4326 else 100
    origin = (15, 45) if code == 4326 else (500_000, 5_000_000)
    north_up = Affine(size, 0, origin[0], 0, -size, origin[1])
    quarter = Affine(0, -size, origin[0], -size, 0, origin[1])
    box, turned = boxes((3, 5, 9, 6)), boxes((5, -9, 6, -3))
    for measure in (polygon_areas, polygon_perimeters):
        expected = measure(box, north_up, wkt(code))
        assert measure(turned, quarter, wkt(code)) == pytest.approx(expected, rel=1e-6)


def test_feet_become_metres():
    square = boxes((0, 0, 10, 10))
    foot, survey_foot = 0.3048, 1200 / 3937
    for code, unit in ((2222, foot), (2263, survey_foot)):
        transform = Affine(2, 0, 1e6, 0, -2, 2e5)
        assert polygon_areas(square, transform, wkt(code)) == pytest.approx(400 * unit**2)
        assert polygon_perimeters(square, transform, wkt(code)) == pytest.approx(80 * unit)


@pytest.mark.parametrize("code", [32633, 2056, "EPSG:32633+5773"])
def test_projections_other_than_mercator_are_planar(code):
    ring = shapely.box(0, 0, 4, 4) - shapely.box(1, 1, 2, 3)
    transform = Affine(0.5, 0, 4e5, 0, -0.25, 5e6)
    polygons = np.array([ring], dtype=object)
    assert polygon_areas(polygons, transform, wkt(code)) == [14 * 0.125]
    assert polygon_perimeters(polygons, transform, wkt(code)) == [
        4 * 0.5 * 2 + 4 * 0.25 * 2 + 1 + 1
    ]


def test_a_bound_crs_is_the_one_inside():
    bound = CRS.from_proj4("+proj=utm +zone=33 +ellps=intl +towgs84=1,2,3 +type=crs")
    assert bound.is_bound
    pixel = boxes((0, 0, 1, 1))
    assert polygon_areas(pixel, Affine(10, 0, 5e5, 0, -10, 5e6), bound.to_wkt()) == [100]


def test_perimeters_in_degrees_are_geodesic_and_add_up():
    transform = Affine(CELL, 0, 15, 0, -CELL, 45)
    geod = Geod(ellps="WGS84")
    lon, lat = [15, 15 + CELL, 15 + CELL, 15, 15], [45, 45, 45 - CELL, 45 - CELL, 45]
    around = geod.line_length(lon, lat)
    one, node, wide = boxes((0, 0, 1, 1)), boxes((0, 0, 40, 1)), boxes((0, 0, 40, 1))
    node[0] = shapely.segmentize(node[0], 1)
    assert polygon_perimeters(one, transform, wkt(4326)) == pytest.approx(around, rel=1e-9)
    many = polygon_perimeters(node, transform, wkt(4326))
    assert polygon_perimeters(wide, transform, wkt(4326)) == pytest.approx(many, rel=1e-12)


def test_a_slanted_side_is_a_geodesic():
    transform = Affine(CELL, 0, 15, 0, -CELL, 45)
    triangle = np.array([shapely.Polygon([(0, 0), (0, 8), (8, 8)])], dtype=object)
    lon = 15 + np.array([0, 0, 8, 0]) * CELL
    lat = 45 - np.array([0, 8, 8, 0]) * CELL
    expected = Geod(ellps="WGS84").line_length(lon, lat)
    assert polygon_perimeters(triangle, transform, wkt(4326)) == pytest.approx(expected, rel=1e-9)


def test_perimeters_include_holes_and_keep_polygons_apart():
    ring = shapely.box(0, 0, 4, 4) - shapely.box(1, 1, 2, 3)
    polygons = np.array([ring, shapely.box(0, 0, 1, 1)], dtype=object)
    transform = Affine(10, 0, 5e5, 0, -10, 5e6)
    assert polygon_perimeters(polygons, transform, wkt(32633)).tolist() == [220, 40]
    degrees = Affine(1e-4, 0, 0, 0, -1e-4, 0)
    pair = polygon_perimeters(polygons, degrees, wkt(4326))
    assert pair[0] / pair[1] == pytest.approx(22 / 4, rel=1e-3)


def test_without_a_crs_nothing_is_measured():
    pixels = boxes((0, 0, 1, 1), (1, 0, 2, 1))
    for measure in (polygon_areas, polygon_perimeters):
        assert np.isnan(measure(pixels, Affine.identity(), None)).tolist() == [True, True]
        assert measure(pixels[:0], Affine.identity(), wkt(4326)).shape == (0,)
        assert measure(pixels[:0], Affine.identity(), wkt(3857)).shape == (0,)
        assert measure(pixels[:0], Affine.identity(), wkt(32633)).shape == (0,)


def squares(*bounds) -> PolygonArrays:
    """Rectangles of pixels, (col, row, col_end, row_end) each."""
    return concat_fields(
        [replace(polygons_of(np.zeros((e - b, c - a), np.uint8)), coords=np.array(
            [[a, b], [a, e], [c, e], [c, b]], np.int32)) for a, b, c, e in bounds]
    )  # fmt: skip


GROUND = [
    (4326, Affine(CELL, 0, 55, 0, -CELL, 25)),
    (3857, Affine(10, 0, 6.1e6, 0, -10, 2.9e6)),
    (32640, Affine(10, 0, 3e5, 0, -10, 2.8e6)),
    (32633, Affine(0.5, 0.1, 4e5, 0.1, -0.5, 5e6)),
    (2263, Affine(2, 0, 1e6, 0, -2, 2e5)),
    (3035, Affine(100, 0, 4e6, 0, -100, 3e6)),
]


@pytest.mark.parametrize(("code", "transform"), GROUND)
def test_outlines_along_pixels_measure_like_any_others(code, transform):
    actual = squares((0, 0, 1, 1), (5, 7, 900, 31), (0, 0, 3000, 4000), (2999, 3999, 3000, 4000))
    area, perimeter, true_area = GridMeasures.of(transform, wkt(code), 4000, 3000).measure(actual)
    shapes = actual.to_shapely()
    assert area == pytest.approx(polygon_areas(shapes, transform, wkt(code)), rel=1e-9)
    assert perimeter == pytest.approx(polygon_perimeters(shapes, transform, wkt(code)), rel=1e-9)
    dense = shapely.segmentize(shapes, 10)
    assert true_area == pytest.approx(ellipsoidal_areas(dense, transform, wkt(code)), rel=1e-7)


def test_a_grid_that_is_rotated_in_degrees_is_measured_vertex_by_vertex():
    assert GridMeasures.of(Affine(0, CELL, 15, CELL, 0, 45), wkt(4326), 10, 10) is None


def test_a_local_crs_has_areas_but_no_true_ones():
    local = 'LOCAL_CS["site",UNIT["metre",1]]'
    area, _, true_area = GridMeasures.of(Affine(2, 0, 0, 0, -2, 0), local, 5, 5).measure(
        squares((0, 0, 5, 5))
    )
    assert area == [100]
    assert np.isnan(true_area).all()


def test_the_same_ground_has_the_same_true_area_in_three_crs():
    # A field of about 40 by 30 km at Dubai, 170 km off the meridian of its UTM zone.
    west, south, east, north = 55.0, 24.9, 55.4, 25.2
    field = shapely.segmentize(shapely.box(west, south, east, north), 0.001)
    size = 0.0001
    polygons = polygons_of(np.zeros((3000, 4000), np.uint8))
    degrees = GridMeasures.of(Affine(size, 0, west, 0, -size, north), wkt(4326), 3000, 4000)
    expected = degrees.measure(polygons)[2][0]
    assert expected == pytest.approx(
        ellipsoidal_areas(boxes((0, 0, 1, 1)), Affine(0.4, 0, west, 0, -0.3, north), wkt(4326))[0]
    )
    for code, unit in ((32640, 10), (3857, 10)):
        project = Transformer.from_crs(4326, code, always_xy=True).transform
        outline = shapely.transform(field, project, interleaved=False)
        x, _, _, y = outline.bounds
        grid = Affine(unit, 0, x, 0, -unit, y)
        pixels = shapely.transform(outline, lambda xy, t=~grid: np.column_stack(t @ xy.T))
        assert ellipsoidal_areas(np.array([pixels]), grid, wkt(code))[0] == pytest.approx(
            expected, rel=1e-6
        )


def test_a_map_of_the_world_may_be_rounded_to_just_beyond_the_pole():
    labels = np.zeros((48, 60), np.uint8)
    labels[:, 30:] = 1
    actual = polygons_of(labels)
    sizes = []
    for north in (90.0, 90.000000000001):
        ground = GridMeasures.of(Affine(6, 0, -180, 0, -3.75, north), wkt(4326), 48, 60)
        assert ground is not None
        sizes.append(np.stack(ground.measure(actual)))
    assert np.allclose(*sizes, rtol=1e-9)


def test_a_map_of_the_world_may_reach_half_a_pixel_beyond_the_poles():
    # ERA5: 721 rows whose centres lie from pole to pole.
    grid = Affine(0.25, 0, -180.125, 0, -0.25, 90.125)
    area, perimeter, _ = GridMeasures.of(grid, wkt(4326), 721, 1440).measure(
        squares((0, 0, 1440, 721), (3, 300, 4, 301))
    )
    assert area[0] == pytest.approx(510_065_621_724_088.5, rel=1e-9)
    assert np.isfinite(perimeter).all()
    by_row = pixel_areas(grid, wkt(4326), np.arange(721), 1440)
    assert by_row.sum() * 1440 == pytest.approx(area[0], rel=1e-9)
    assert by_row[300] == pytest.approx(area[1], rel=1e-9)


def test_metres_that_are_called_degrees_have_no_area():
    grid = Affine(10, 0, 5e5, 0, -10, 4e6)
    assert np.isnan(pixel_areas(grid, wkt(4326), np.arange(3), 3)).all()
    assert np.isnan(GridMeasures.of(grid, wkt(4326), 5, 5).measure(squares((0, 0, 5, 5)))).all()


def scaled_areas(code, transform, *bounds):
    """Areas of pixels by the areal scale of the projection at their centre."""
    crs = CRS.from_user_input(code)
    col, row = (np.array(bounds, float).reshape(-1, 4)[:, :2] + 0.5).T
    to_degrees = Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    lonlat = to_degrees.transform(*apply_affine(transform, col, row))
    return abs(transform.determinant) / Proj(crs).get_factors(*lonlat).areal_scale


POLAR = [
    (3031, Affine(1000, 0, -40000, 0, -1000, -1000000)),  # across the meridian opposite lon_0
    (3413, Affine(1000, 0, 1000000, 0, -1000, 1040000)),  # across the meridian of 135 E
    (3031, Affine(1000, 0, -40500, 0, -1000, 40500)),  # around the pole
    (3413, Affine(1000, 0, -40000, 0, -1000, 40000)),  # a corner on the pole
]


@pytest.mark.parametrize(("code", "transform"), POLAR)
def test_moved_outlines_have_true_areas_at_the_poles_and_where_longitudes_jump(code, transform):
    bounds = [(c, r, c + 1, r + 1) for c in range(20, 60) for r in range(20, 60)]
    pixels = scaled_areas(code, transform, *bounds)
    whole = squares((20, 20, 60, 60))
    ground = GridMeasures.of(transform, wkt(code), 80, 80)
    xy, offsets = close_rings(whole.coords.astype(float), whole.ring_offsets)
    actual = 1600e6 + ground.corrections(xy, offsets, whole.polygon_offsets)[0]
    assert actual == pytest.approx(pixels.sum(), rel=1e-7)
    assert ground.measure(whole)[2][0] == pytest.approx(actual, rel=1e-9)
    alone = ellipsoidal_areas(whole.to_shapely(), transform, wkt(code))[0]
    around = transform.c < 0 < transform.f
    assert alone == pytest.approx(pixels.sum(), rel=1e-3 if around else 1e-6)


def test_a_hole_around_the_pole_and_pixels_at_it():
    transform = POLAR[3][1]
    ring = shapely.box(0, 0, 80, 80) - shapely.box(20, 20, 60, 60)
    bounds = [(c, r, c + 1, r + 1) for c in range(80) for r in range(80)]
    outside = [b for b in bounds if not (20 <= b[0] < 60 and 20 <= b[1] < 60)]
    polygons = np.array([ring, shapely.box(40, 40, 41, 41)])
    areas = ellipsoidal_areas(polygons, transform, wkt(3413))
    assert areas[0] == pytest.approx(scaled_areas(3413, transform, *outside).sum(), rel=1e-3)
    assert np.isnan(areas[1])


LARGE = [
    (3034, Affine(10000, 0, 1.5e6, 0, -10000, 5.5e6), 460, 600),
    (3979, Affine(30000, 0, -2600000, 0, -30000, 3900000), 160, 190),
]


@pytest.mark.parametrize(("code", "transform", "height", "width"), LARGE)
@pytest.mark.parametrize("smooth", [0, 1])
def test_polygons_of_large_projected_maps_have_true_areas(code, transform, height, width, smooth):
    rng = np.random.default_rng(0)
    corners = zip(rng.integers(0, width, 50), rng.integers(0, height, 50), strict=True)
    bounds = [(c, r, c + 1, r + 1) for c, r in corners]
    legend = Legend((LandCoverClass(0, "land", "#000000"),))
    builder = FeatureBuilder(legend, transform, wkt(code), (height, width), smooth=smooth)
    features = builder.features(squares(*bounds), builder.grid_measures(), None).rows
    share = 1 - smooth / 8  # corners that are cut lose 4 * (1/4)**2 / 2 of a pixel
    expected = scaled_areas(code, transform, *bounds) * share
    assert features["true_area_m2"].to_numpy() == pytest.approx(expected, rel=1e-5)


ROTATED_POLE = "+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18 +ellps=WGS84"
CORDEX = Affine(0.5, 0, -28, 0, -0.5, 22)


def dense_areas(polygons, transform, crs):
    """Areas by vertices that lie so dense that their chords do not matter."""
    project = ellipsoid(crs).to_equal_area
    dense = shapely.segmentize(polygons, 0.01)
    return shapely.area(
        shapely.transform(
            dense, lambda xy: np.column_stack(project(*apply_affine(transform, *xy.T)))
        )
    )


def test_areas_around_a_rotated_pole():
    crs = wkt(ROTATED_POLE)
    outlines = squares((0, 0, 1, 1), (90, 80, 91, 81), (5, 7, 40, 31), (10, 0, 12, 60))
    assert GridMeasures.of(CORDEX, crs, 90, 92) is None
    for measure in (polygon_areas, ellipsoidal_areas):
        areas = measure(outlines.to_shapely(), CORDEX, crs)
        assert areas == pytest.approx(dense_areas(outlines.to_shapely(), CORDEX, crs), rel=1e-3)
        assert areas[:2] == pytest.approx(dense_areas(outlines.to_shapely()[:2], CORDEX, crs))
    rows = np.arange(90)
    of_rows = boxes(*((0, row, 92, row + 1) for row in rows))
    expected = dense_areas(of_rows, CORDEX, crs)
    assert pixel_areas(CORDEX, crs, rows, 92) * 92 == pytest.approx(expected, rel=1e-4)
    pixel = polygon_perimeters(boxes((90, 80, 91, 81)), CORDEX, crs)[0]
    assert pixel == pytest.approx(4 * np.sqrt(areas[1]), rel=0.05)


def test_pixels_of_a_rotated_scene_have_their_mean_area_or_none():
    for size, known in ((0.001, True), (0.05, False)):
        rotated = Affine.translation(25, 60) @ Affine.rotation(40) @ Affine.scale(size, -size)
        areas = pixel_areas(rotated, wkt(4326), np.arange(50), 100)
        if known:
            of_rows = boxes(*((0, row, 100, row + 1) for row in range(50)))
            expected = polygon_areas(of_rows, rotated, wkt(4326))
            assert areas * 100 == pytest.approx(expected, rel=1e-6)
        assert np.isnan(areas).all() != known
