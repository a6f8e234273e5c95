"""Law 4: polygons are the map, whatever the chunks."""

import time
import tracemalloc
from collections import Counter
from dataclasses import fields
from typing import NamedTuple

import numpy as np
import pytest
import safetensors.numpy
import shapely
from affine import Affine
from hypothesis import given, settings
from rasterio.features import rasterize, shapes
from shapely.geometry import shape

from geoseg.grid import Window
from geoseg.polygons import ChunkOutlines, stitch_chunks, trace_chunk
from geoseg.polygons.arrays import concat_fields
from tests.support.class_maps import NO_POLYGONS, polygons_of
from tests.support.strategies import every, grid_of, label_maps


def confidence_of(labels):
    row, col = np.indices(labels.shape)
    return (row * 31 + col * 17 + 3).astype(np.uint8)


class MapPolygons(NamedTuple):
    """All polygons of a map."""

    values: np.ndarray
    pixels: np.ndarray
    confidence_sum: np.ndarray
    confidence_min: np.ndarray
    polygons: np.ndarray


def stitched(labels, rows=None, cols=None) -> MapPolygons:
    height, width = labels.shape
    confidence = confidence_of(labels)
    windows = grid_of(rows or [0, height], cols or [0, width])
    chunks = (trace_window(labels, w, confidence) for w in windows)
    arrays = concat_fields([NO_POLYGONS, *stitch_chunks(chunks, height, width)])
    return MapPolygons(*(getattr(arrays, n) for n in MapPolygons._fields[:-1]), arrays.to_shapely())


def trace_window(labels, window, confidence=None):
    in_window = None if confidence is None else confidence[window.slices]
    return trace_chunk(labels[window.slices], window, labels.shape, confidence=in_window)


def as_set(coverage):
    """Everything about each polygon, bit for bit, without the order."""
    wkb = shapely.to_wkb(coverage.polygons)
    return Counter(zip(*(column.tolist() for column in coverage[:-1]), wkb, strict=True))


def by_gdal(labels):
    """GDAL's polygons: no vertex on straight sides."""
    actual = list(shapes(labels, mask=labels != 255, connectivity=4))
    polygons = shapely.normalize([shape(geometry) for geometry, _ in actual])
    return Counter(zip([int(v) for _, v in actual], shapely.to_wkb(polygons), strict=True))


def without_junctions(coverage):
    plain = shapely.normalize(shapely.simplify(shapely.normalize(coverage.polygons), 0))
    return Counter(zip(coverage.values.tolist(), shapely.to_wkb(plain), strict=True))


def required_vertices(labels):
    """Vertices where a polygon's corner, or a change of neighbour, must have a vertex."""
    padded = np.pad(labels.astype(int), 1, constant_values=-1)
    padded[padded == 255] = -1
    a, b, c, d = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    straight = ((a == b) & (c == d)) | ((a == c) & (b == d))
    need = set()
    for values in (a, b, c, d):
        rows, cols = np.nonzero(~straight & (values >= 0))
        need |= set(zip(values[rows, cols].tolist(), cols.tolist(), rows.tolist(), strict=True))
    return need


def check_law(labels, coverage):
    polygons = coverage.polygons
    assert shapely.is_valid(polygons).all()
    assert (shapely.get_type_id(polygons) == 3).all()
    assert (shapely.area(polygons) == coverage.pixels).all()
    assert shapely.coverage_is_valid(polygons)
    assert coverage.pixels.sum() == (labels != 255).sum()
    burnt = np.full(labels.shape, 255, np.uint8)
    if len(coverage):
        pairs = zip(polygons, coverage.values.tolist(), strict=True)
        rasterize(pairs, out=burnt)
    assert (burnt == labels).all()
    vertices = {
        (int(v), int(x), int(y))
        for v, p in zip(coverage.values, polygons, strict=True)
        for x, y in shapely.get_coordinates(p)
    }
    assert vertices == required_vertices(labels)


@settings(max_examples=500, deadline=None)
@given(label_maps())
def test_one_chunk_is_what_gdal_finds_plus_junctions(scene):
    labels, _, _ = scene
    coverage = stitched(labels)
    assert without_junctions(coverage) == by_gdal(labels)
    check_law(labels, coverage)


@settings(max_examples=300, deadline=None)
@given(label_maps())
def test_the_set_of_polygons_does_not_depend_on_the_chunks(scene):
    labels, rows, cols = scene
    assert as_set(stitched(labels, rows, cols)) == as_set(stitched(labels))


@settings(max_examples=50, deadline=None)
@given(label_maps())
def test_chunked_polygons_are_the_map(scene):
    labels, rows, cols = scene
    check_law(labels, stitched(labels, rows, cols))


@settings(max_examples=40, deadline=None)
@given(label_maps())
def test_confidence_is_that_of_the_pixels_of_each_polygon(scene):
    labels, rows, cols = scene
    coverage = stitched(labels, rows, cols)
    confidence = confidence_of(labels)
    for _, pixels, total, least, polygon in zip(*coverage, strict=True):
        inside = rasterize([polygon], out_shape=labels.shape).astype(bool)
        assert inside.sum() == pixels
        assert confidence[inside].sum() == total
        assert confidence[inside].min() == least


NAMED = {
    "checkerboard": np.indices((9, 9)).sum(0) % 2,
    "checkerboard with nodata": np.where(np.indices((9, 9)).sum(0) % 2, 255, 3),
    "constant": np.full((8, 11), 4),
    "all nodata": np.full((8, 11), 255),
    "one pixel": np.array([[7]]),
    "one row": np.array([[0, 0, 1, 255, 1, 1, 0, 0]]),
    "one column": np.array([[0, 0, 1, 255, 1, 1, 0, 0]]).T,
    "hole touching the shell": np.array(
        [[1, 1, 1, 1, 0], [1, 0, 1, 1, 1], [1, 1, 0, 1, 1], [1, 1, 1, 0, 1], [1, 1, 1, 1, 1]]
    ),
    "ring across four chunks": np.pad(np.full((4, 4), 2), 2, constant_values=1),
    "spiral": np.array(
        [
            [1, 1, 1, 1, 1, 1],
            [0, 0, 0, 0, 0, 1],
            [1, 1, 1, 1, 0, 1],
            [1, 0, 0, 1, 0, 1],
            [1, 0, 1, 1, 0, 1],
            [1, 0, 0, 0, 0, 1],
            [1, 1, 1, 1, 1, 1],
        ]
    ),
}


@pytest.mark.parametrize("step", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("name", NAMED)
def test_named_shapes_in_all_chunks(name, step):
    labels = NAMED[name].astype(np.uint8)
    rows, cols = every(step, labels.shape[0]), every(step, labels.shape[1])
    coverage = stitched(labels, rows, cols)
    assert as_set(coverage) == as_set(stitched(labels))
    assert without_junctions(coverage) == by_gdal(labels)
    check_law(labels, coverage)


def test_a_ring_across_four_chunks_is_one_polygon_with_one_hole():
    labels = NAMED["ring across four chunks"].astype(np.uint8)
    coverage = stitched(labels, [0, 4, 8], [0, 4, 8])
    assert sorted(coverage.values.tolist()) == [1, 2]
    ring = coverage.polygons[coverage.values == 1][0]
    assert len(ring.interiors) == 1
    assert len(ring.exterior.coords) == 5


def test_a_vertex_where_three_classes_meet_on_a_seam_is_kept_on_the_straight_side():
    labels = np.array([[1, 1, 1, 1], [2, 2, 3, 3]], np.uint8)
    for rows, cols in (([0, 2], [0, 4]), ([0, 1, 2], [0, 4]), ([0, 1, 2], [0, 2, 4])):
        straight = stitched(labels, rows, cols).polygons[0]
        assert (2.0, 1.0) in straight.exterior.coords
        assert len(straight.exterior.coords) == 6


def test_area_of_each_class_is_its_pixels():
    labels = np.random.default_rng(0).choice(np.array([0, 1, 5, 255], np.uint8), (40, 30))
    coverage = stitched(labels, every(16, 40), every(16, 30))
    for value in (0, 1, 5):
        area = shapely.area(coverage.polygons[coverage.values == value]).sum()
        assert area == (labels == value).sum()
    assert 255 not in coverage.values


def test_outlines_survive_a_part_file():
    labels = np.random.default_rng(1).choice(np.array([0, 1, 255], np.uint8), (12, 9))
    window = Window(24, 18, 12, 9)
    outlines = trace_chunk(labels, window, (48, 48))
    stored = outlines.to_arrays()
    again = ChunkOutlines.from_arrays(
        window, safetensors.numpy.load(safetensors.numpy.save(stored))
    )
    for name in (field.name for field in fields(ChunkOutlines)):
        before, after = getattr(outlines, name), getattr(again, name)
        assert np.asarray(after).dtype == np.asarray(before).dtype
        assert np.all(after == before)
    assert len(again) == len(outlines)
    with pytest.raises(ValueError, match="do not fit"):
        ChunkOutlines.from_arrays(Window(0, 0, 9, 12), stored)


def test_sides_give_the_components_along_them():
    labels = np.random.default_rng(2).choice(np.array([0, 1, 255], np.uint8), (12, 9))
    outlines = trace_chunk(labels, Window(0, 0, 12, 9), (24, 18))
    sides = (
        (outlines.top, labels[0]),
        (outlines.bottom, labels[-1]),
        (outlines.left, labels[:, 0]),
        (outlines.right, labels[:, -1]),
    )
    for side, along in sides:
        assert (np.append(outlines.values, 255)[side] == along).all()


def test_without_confidence_the_sums_are_zero():
    assert not trace_chunk(
        np.zeros((4, 4), np.uint8), Window(0, 0, 4, 4), (4, 4)
    ).confidence_sum.any()


@pytest.mark.parametrize(
    "labels", [np.zeros((4, 5), np.uint8), np.zeros((4, 4), np.int32)], ids=["size", "type"]
)
def test_labels_that_are_not_the_chunk_are_refused(labels):
    with pytest.raises(ValueError, match=r"instead of uint8 \(4, 4\)"):
        trace_chunk(labels, Window(0, 0, 4, 4), (4, 4))


def test_chunks_out_of_order_or_missing_are_refused():
    windows = grid_of([0, 2, 4], [0, 2, 4])
    chunks = [trace_chunk(np.zeros((2, 2), np.uint8), w, (4, 4)) for w in windows]
    for wrong in (chunks[1:], chunks[::-1], [*chunks, chunks[0]]):
        with pytest.raises(ValueError, match="is not the next chunk"):
            list(stitch_chunks(wrong, 4, 4))
    with pytest.raises(ValueError, match="before the map"):
        list(stitch_chunks(chunks[:3], 4, 4))


def test_polygons_are_yielded_as_soon_as_they_are_whole():
    labels = np.zeros((8, 4), np.uint8)
    labels[::2] = 1
    read = []

    def chunks():
        for window in grid_of(every(2, 8), every(2, 4)):
            read.append(window)
            yield trace_window(labels, window)

    for batch in stitch_chunks(chunks(), 8, 4):
        for polygon in batch.to_shapely():
            bottom = polygon.bounds[3]
            # One row of chunks more is needed only to see that a polygon does not go on there.
            assert read[-1].row <= bottom


def peak_of_stitching(height):
    rng = np.random.default_rng(3)

    def chunks():
        for window in grid_of(every(64, height), every(64, 256)):
            labels = rng.choice(np.array([0, 1, 2, 3, 255], np.uint8), (64, 64))
            yield trace_chunk(labels, window, (height, 256))

    tracemalloc.start()
    try:
        for _ in stitch_chunks(chunks(), height, 256):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_scene():
    peak_of_stitching(128)  # what is loaded or compiled at first use
    assert peak_of_stitching(4096) < 1.3 * peak_of_stitching(512)


def test_shells_begin_at_their_first_pixel_and_turn_as_the_format_wants():
    labels = np.random.default_rng(5).choice(np.array([0, 1, 2, 255], np.uint8), (20, 30))
    actual = polygons_of(labels)
    north_up = actual.to_shapely(Affine(2, 0, 10, 0, -2, 50))
    south_up = actual.to_shapely(Affine(2, 0, 10, 0, 2, 50))
    for placed in (north_up, south_up):
        assert all(p.exterior.is_ccw and not any(h.is_ccw for h in p.interiors) for p in placed)
    first = actual.coords[actual.ring_offsets[actual.polygon_offsets[:-1]]]
    assert (labels[first[:, 1], first[:, 0]] == actual.values).all()
    assert (np.diff(first[:, 1].astype(np.int64) * 30 + first[:, 0]) > 0).all()


@settings(max_examples=40, deadline=None)
@given(label_maps())
def test_without_a_nodata_value_every_label_has_polygons(scene):
    labels, rows, cols = scene
    height, width = labels.shape
    chunks = [
        trace_chunk(labels[w.slices], w, labels.shape, nodata=None) for w in grid_of(rows, cols)
    ]
    actual = concat_fields(list(stitch_chunks(chunks, height, width)))
    assert actual.pixels.sum() == labels.size
    burnt = rasterize(zip(actual.to_shapely(), actual.values.tolist(), strict=True), labels.shape)
    assert (burnt == labels).all()


def test_one_polygon_with_a_hundred_thousand_holes():
    labels = np.zeros((650, 650), np.uint8)
    labels[1:-1:2, 1:-1:2] = 1
    start = time.process_time()
    actual = stitched(labels, every(100, 650), every(100, 650))
    assert time.process_time() - start < 20
    land = actual.polygons[actual.values == 0]
    assert len(land) == 1
    assert len(land[0].interiors) == (actual.values == 1).sum() == 324**2
    assert land[0].is_valid
