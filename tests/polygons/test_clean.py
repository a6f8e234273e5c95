"""Sieve, simplify and smooth: polygons stay a coverage."""

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Transformer

from geoseg.errors import RunError
from geoseg.polygons import (
    Cleaning,
    SieveThreshold,
    polygonise_windows,
    sieve,
)
from geoseg.polygons.arrays import close_rings, concat_fields
from geoseg.polygons.clean.smooth import smooth
from tests.support.class_maps import polygons_of
from tests.support.strategies import every, grid_of, label_maps

UTM = CRS.from_epsg(32640).to_wkt()
TEN_METRES = Affine(10, 0, 500_000, 0, -10, 2_800_000)


def sieved(labels, min_weight, rows=None, cols=None, weights=None):
    height, width = labels.shape
    windows = grid_of(rows or [0, height], cols or [0, width])
    counts = np.ones(height, np.int64) if weights is None else weights
    read_clean = sieve(
        lambda window: labels[window.slices], windows, SieveThreshold(counts, min_weight), 255
    )
    out = np.full_like(labels, 77)
    for window in windows:
        out[window.slices] = read_clean(window)
    return out


def components_of(labels):
    """Component at each pixel by flood fill, -1 for nodata."""
    at = np.full(labels.shape, -1)
    count = 0
    for start in np.argwhere(labels != 255):
        if at[tuple(start)] >= 0:
            continue
        stack = [tuple(start)]
        while stack:
            pixel = stack.pop()
            at[pixel] = count
            stack += [n for n in neighbours(pixel, at) if at[n] < 0 and labels[n] == labels[pixel]]
        count += 1
    return at


def neighbours(pixel, array):
    row, col = pixel
    four = ((row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1))
    return [(r, c) for r, c in four if 0 <= r < array.shape[0] and 0 <= c < array.shape[1]]


def sieved_one_by_one(labels, min_pixels):
    """The rule of the sieve as a slow loop: absorb the smallest component, one at a time.

    Of equal ones the one with the first pixel; a grown component keeps its own first pixel.
    """
    labels = labels.copy()
    first = np.arange(labels.size).reshape(labels.shape)
    at = components_of(labels)
    for n in range(at.max() + 1):
        first[at == n] = first[at == n].min()
    while True:
        at = components_of(labels)
        small = []
        for n in range(at.max() + 1):
            pixels = np.argwhere(at == n)
            outside = [b for p in pixels for b in neighbours(tuple(p), at) if at[b] not in (n, -1)]
            if len(pixels) < min_pixels and outside:
                border = np.bincount([labels[b] for b in outside])
                small.append((len(pixels), first[tuple(pixels[0])], n, border.argmax()))
        if not small:
            return labels
        _, its_first, n, value = min(small)
        grown = at == n
        labels[grown] = value
        merged = components_of(labels)
        first[merged == merged[grown][0]] = its_first


@settings(max_examples=40, deadline=None)
@given(label_maps(), st.integers(2, 9))
def test_the_sieve_is_its_rule(scene, least):
    labels = scene[0][:12, :12]
    assert (sieved(labels, least) == sieved_one_by_one(labels, least)).all()


@settings(max_examples=150, deadline=None)
@given(label_maps(), st.integers(1, 30))
def test_the_sieve_does_not_depend_on_the_cells(scene, least):
    labels, rows, cols = scene
    assert (sieved(labels, least, rows, cols) == sieved(labels, least)).all()


@settings(max_examples=100, deadline=None)
@given(label_maps(), st.integers(1, 30))
def test_after_the_sieve_only_islands_are_small(scene, least):
    labels, rows, cols = scene
    after = sieved(labels, least, rows, cols)
    assert ((after == 255) == (labels == 255)).all()
    assert set(np.unique(after)) <= set(np.unique(labels))
    land = polygons_of(np.where(labels == 255, 255, 0).astype(np.uint8))
    for island, pixels in zip(land.to_shapely(), land.pixels, strict=True):
        actual = polygons_of(after)
        inside = shapely.contains(island, shapely.point_on_surface(actual.to_shapely()))
        assert actual.pixels[inside].min() >= min(least, pixels)


def test_an_area_takes_the_class_along_most_of_its_border():
    labels = np.array(
        [
            [1, 1, 1, 1, 1, 1],
            [1, 1, 3, 3, 2, 2],
            [2, 2, 2, 2, 2, 2],
            [2, 2, 2, 2, 2, 255],
        ],
        np.uint8,
    )
    after = sieved(labels, 3)
    # The area of two pixels has three sides towards class 1 and three towards 2: the lower one.
    assert (after[1, 2:4] == 1).all()
    labels[1, 1] = 2
    assert (sieved(labels, 3)[1, 2:4] == 2).all()


def test_rows_may_weigh_differently():
    labels = np.zeros((4, 6), np.uint8)
    labels[0, 0] = labels[3, 5] = 1
    after = sieved(labels, 3, weights=np.array([1, 2, 3, 4]))
    assert (after[0, 0], after[3, 5]) == (0, 1)


@pytest.mark.parametrize(("area", "stays"), [(400, True), (400.5, False), (399.5, True)])
def test_the_limit_is_in_square_metres(area, stays):
    labels = np.zeros((9, 9), np.uint8)
    labels[3:5, 3:5] = 1
    limit = Cleaning(min_area=area).sieve_threshold(TEN_METRES, UTM, 9, 9)
    windows = grid_of([0, 9], [0, 9])
    read_clean = sieve(lambda window: labels[window.slices], windows, limit, 255)
    assert (read_clean(windows[0])[3, 3] == 1) == stays


def test_a_polygon_of_exactly_the_limit_stays():
    metres = Affine(0.7, 0, 5e5, 0, -0.7, 4e6)  # 10 * 0.7**2 is 4.9, but 4.9 / 0.7**2 exceeds 10
    assert Cleaning(min_area=4.9).sieve_threshold(metres, UTM, 9, 9).min_weight == 10


def test_a_limit_beyond_all_areas_merges_everything():
    labels = np.zeros((9, 9), np.uint8)
    labels[3:5, 3:5] = 1
    limit = Cleaning(min_area=1e300).sieve_threshold(TEN_METRES, UTM, 9, 9)
    windows = grid_of([0, 5, 9], [0, 9])
    read_clean = sieve(lambda window: labels[window.slices], windows, limit, 255)
    assert not read_clean(windows[0]).any()


def test_in_degrees_the_limit_follows_the_rows():
    far_north = Affine(0.001, 0, 20, 0, -0.04, 80.9)
    limit = Cleaning(min_area=1e5).sieve_threshold(
        far_north, CRS.from_epsg(4326).to_wkt(), 1000, 1000
    )
    assert limit.weights[0] < limit.weights[-1]
    assert (np.diff(limit.weights) >= 0).all()


def test_without_a_crs_square_metres_are_refused():
    with pytest.raises(RunError, match="no CRS"):
        Cleaning(min_area=1).sieve_threshold(TEN_METRES, None, 9, 9)
    assert Cleaning().sieve_threshold(TEN_METRES, None, 9, 9) is None


def test_unknown_pixel_areas_are_refused():
    metres_as_degrees = Affine(10, 0, 5e5, 0, -10, 4e6)
    with pytest.raises(RunError, match=r"areas of the pixels .* unknown"):
        Cleaning(min_area=1).sieve_threshold(metres_as_degrees, CRS.from_epsg(4326).to_wkt(), 9, 9)


@pytest.mark.parametrize("wrong", [{"min_area": -1}, {"simplify": np.inf}, {"smooth": 4}])
def test_senseless_cleaning_is_refused(wrong):
    with pytest.raises(RunError):
        Cleaning(**wrong)


def blobs(size, seed=0, classes=4):
    """Labels with outlines like land cover, and a slanted edge of nodata."""
    rng = np.random.default_rng(seed)
    best = np.full((size, size), -np.inf)
    labels = np.zeros((size, size), np.uint8)
    at = np.linspace(0, 7, size)
    for value in range(classes):
        waves = sum(
            rng.normal() * np.outer(np.sin(at * f + rng.uniform(0, 6)), np.cos(at * g))
            for f, g in rng.uniform(0.5, 6, (12, 2))
        )
        waves = waves + rng.normal(0, 0.15, (size, size))
        labels[waves > best] = value
        best = np.maximum(best, waves)
    labels[np.add.outer(np.arange(size), 3 * np.arange(size)) < size] = 255
    return labels


def cleaned(labels, tolerance, rounds, side, monkeypatch):
    """Polygons of labels, vectorised in windows of ``side`` pixels."""
    grid = grid_of(every(side, labels.shape[0]), every(side, labels.shape[1]))
    monkeypatch.setattr("geoseg.polygons.polygonise.vector_windows", lambda *_: grid)
    height, width = labels.shape
    actual = concat_fields(
        list(
            polygonise_windows(
                lambda c: (labels[c.slices], None), height, width, tolerance=tolerance
            )
        )
    )
    xy, rings = smooth(actual.coords.astype(float), actual.fixed, actual.ring_offsets, rounds)
    xy, rings = close_rings(xy, rings)
    shape = (rings, actual.polygon_offsets)
    return actual, shapely.from_ragged_array(shapely.GeometryType.POLYGON, xy, shape)


def slivers(shapes):
    """Area of overlaps."""
    union = shapely.union_all(shapes)
    return shapely.area(shapes).sum() - union.area


@pytest.mark.parametrize("rounds", [0, 1, 3])
@pytest.mark.parametrize("tolerance", [0, 1, 2.5, 8])
@pytest.mark.parametrize("side", [60, 200])
def test_cleaned_polygons_are_a_coverage(tolerance, rounds, side, monkeypatch):
    labels = blobs(200)
    actual, shapes = cleaned(labels, tolerance, rounds, side, monkeypatch)
    _, plain = cleaned(labels, 0, 0, side, monkeypatch)
    assert len(shapes) == len(plain)
    assert shapely.is_valid(shapes).all()
    assert shapely.coverage_is_valid(shapes)
    assert abs(slivers(shapes)) < 1e-6
    everything = shapely.union_all(shapes)
    # Only the rim moves, and no hole opens that was none.
    assert everything.area == pytest.approx(actual.pixels.sum(), rel=0.01)
    holes = sum(len(p.interiors) for p in shapely.get_parts(everything))
    assert holes == sum(len(p.interiors) for p in shapely.get_parts(shapely.union_all(plain)))
    assert sorted(actual.pixels) == sorted(
        np.unique(components_of(labels)[labels < 255], return_counts=True)[1]
    )


@pytest.mark.parametrize("tolerance", [1, 3])
def test_fewer_vertices_near_where_they_were(tolerance, monkeypatch):
    labels = blobs(200)
    _, plain = cleaned(labels, 0, 0, 64, monkeypatch)
    _, shapes = cleaned(labels, tolerance, 0, 64, monkeypatch)
    before, after = (shapely.get_num_coordinates(s).sum() for s in (plain, shapes))
    assert after < (0.75 if tolerance == 1 else 0.5) * before
    distance = shapely.hausdorff_distance(plain, shapes)
    assert distance.max() < 6 * tolerance


def test_each_round_of_smoothing_stays_within_half_a_pixel(monkeypatch):
    labels = blobs(120)
    _, plain = cleaned(labels, 0, 0, 120, monkeypatch)
    for rounds in (1, 2, 3):
        _, shapes = cleaned(labels, 0, rounds, 120, monkeypatch)
        assert shapely.hausdorff_distance(plain, shapes).max() < 0.5


def test_a_corner_is_cut_a_quarter_pixel_from_it():
    square = polygons_of(np.pad(np.zeros((4, 4), np.uint8), 1, constant_values=255))
    xy, rings = smooth(square.coords.astype(float), square.fixed, square.ring_offsets, 1)
    assert rings.tolist() == [0, 8]
    assert sorted(map(tuple, xy.tolist()))[:2] == [(1.0, 1.25), (1.0, 4.75)]


def test_a_corner_where_three_meet_stays():
    labels = np.array([[1, 1, 1, 1], [2, 2, 3, 3]], np.uint8)
    actual = polygons_of(labels)
    xy, _ = smooth(actual.coords.astype(float), actual.fixed, actual.ring_offsets, 3)
    assert (xy == [2, 1]).all(axis=1).sum() == 3


@pytest.mark.parametrize("tolerance", [0, 2])
def test_no_sliver_opens_in_another_crs(tolerance, monkeypatch):
    labels = blobs(300)
    _, shapes = cleaned(labels, tolerance, 0, 128, monkeypatch)
    project = Transformer.from_crs(32640, 4326, always_xy=True).transform
    placed = shapely.transform(shapes, lambda xy: np.column_stack(project(*(TEN_METRES @ xy.T))))
    assert shapely.is_valid(placed).all()
    assert shapely.coverage_is_valid(placed)
    holes = [len(p.interiors) for p in shapely.get_parts(shapely.union_all(placed))]
    assert sum(holes) == sum(len(p.interiors) for p in shapely.get_parts(shapely.union_all(shapes)))
