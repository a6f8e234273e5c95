"""Training windows: the areas of adjacent tiles, what is drawn, and the pixels."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.model import Scaling
from geoseg.tiles import IGNORE_INDEX, TileDataset
from geoseg.training.batches import (
    BatchLoader,
    TileLayout,
    WindowDraws,
    cover,
    draw_epoch,
    epoch_size,
)
from geoseg.training.batches.draw import MIN_STEPS, place_windows, tile_shares
from tests.support.tilesets import apart
from tests.support.training import LEGEND, SIZE, ground, make_tiles, small, small_standard
from tests.support.training import one_thread as one_thread

ROWS, COLS = 4, 6
"""Tiles of the set of the tests."""


def layout_of(cells, size=8):
    """The layout of tiles at (scene, row, column) in steps of a tile."""
    places = np.array([[scene, row * size, col * size] for scene, row, col in cells])
    return TileLayout(size, places)


# Connected tiles.


def test_an_extent_is_the_rectangle_around_connected_tiles():
    #   scene 0: a row of three and one below its end; apart from it, one tile.   scene 1: one tile
    cells = [(0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 1, 2), (0, 3, 0), (1, 0, 1)]
    extents = layout_of(cells).extents.tolist()
    assert extents[:4] == [[0, 0, 16, 24], [0, -8, 16, 16], [0, -16, 16, 8], [-8, -16, 8, 8]]
    assert extents[4:] == [[0, 0, 8, 8], [0, 0, 8, 8]]


def test_tiles_that_overlap_are_not_adjacent():
    places = np.array([[0, 0, 0], [0, 0, 4], [0, 0, 8]])  # 8 px, every 4 px
    assert TileLayout(8, places).extents.tolist() == [[0, 0, 8, 16], [0, 0, 8, 8], [0, -8, 8, 8]]


def test_without_places_no_tile_has_neighbours():
    layout = TileLayout(8, apart(3))
    assert layout.extents.tolist() == [[0, 0, 8, 8]] * 3
    assert layout.neighbours(1, range(-1, 2), range(1)).tolist() == [[-1], [1], [-1]]


def test_neighbours_are_found_by_their_place():
    layout = layout_of([(0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1, 0)])
    assert layout.neighbours(1, range(2), range(-1, 2)).tolist() == [[0, 1, -1], [-1, 2, -1]]


def test_windows_are_as_large_as_tiles_cover_them():
    square = [(0, row, col) for row in range(3) for col in range(3)]
    assert layout_of(square).largest_window(4, 256) == 24  # 28 px: 73 % are covered
    assert layout_of(square).largest_window(16, 256) == 16
    assert layout_of(square).largest_window(4, 20) == 20
    assert layout_of([(0, 0, 0)]).largest_window(4, 256) == 8
    assert layout_of([(0, 0, 0)]).largest_window(16, 256) == 0


def test_tiles_in_the_form_of_an_l_do_not_count_what_they_do_not_cover():
    corner = [(0, row, 0) for row in range(8)] + [(0, 7, col) for col in range(1, 8)]
    assert layout_of(corner).extents[0].tolist() == [0, 0, 64, 64]
    assert layout_of(corner).largest_window(4, 64) <= 12


def test_a_few_missing_tiles_do_not_make_windows_smaller():
    rng = np.random.default_rng(0)
    cells = [(0, row, col) for row in range(12) for col in range(12) if rng.random() < 0.9]
    assert layout_of(cells).largest_window(8, 48) == 48


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_covering_windows_show_each_pixel_once(data):
    cells = data.draw(
        st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 3)),
                 min_size=1, max_size=12, unique=True)
    )  # fmt: skip
    layout, window = layout_of(cells), data.draw(st.integers(1, 20))
    shown = np.zeros((2, 64, 64), np.int64)
    draws = cover(layout, window)
    for tile, row, col, side in zip(draws.tile, draws.row, draws.col, draws.side, strict=True):
        scene, tile_row, tile_col = layout.places[tile]
        rows, cols = tile_row + row, tile_col + col
        assert min(rows, cols) >= 0
        shown[scene, rows : rows + side, cols : cols + side] += 1
    for scene, row, col in cells:
        assert (shown[scene, 8 * row : 8 * row + 8, 8 * col : 8 * col + 8] == 1).all()
    assert shown.max() == 1


# What is drawn.


def test_rare_classes_are_drawn_more_often():
    counts = np.array([[100, 0], [75, 0], [0, 7]])
    shares = tile_shares(counts)
    root = 175**0.5, 7**0.5
    assert shares == pytest.approx(
        [root[0] / sum(root) * 100 / 175, root[0] / sum(root) * 75 / 175, root[1] / sum(root)]
    )


def test_a_class_without_pixels_is_not_drawn():
    assert tile_shares(np.array([[5, 0], [5, 0]])).tolist() == [0.5, 0.5]


def test_with_pseudo_labels_tiles_without_labels_are_drawn_too():
    assert tile_shares(np.array([[5, 5], [0, 0]])).tolist() == [1, 0]
    assert tile_shares(np.array([[5, 5], [0, 0]]), 0.5).tolist() == [0.5, 0.5]
    assert tile_shares(np.array([[5, 5], *[[0, 0]] * 4]), 0.5).tolist() == [0.5, *[0.125] * 4]
    assert tile_shares(np.array([*[[5, 5]] * 3, [0, 0]]), 0.5).tolist() == [0.25] * 4
    assert tile_shares(np.array([[5, 5], [5, 5]]), 0.5).tolist() == [0.5, 0.5]
    layout, counts = layout_of([(0, 0, n) for n in range(2)]), np.array([[5, 5], [0, 0]])
    for pseudo_labels in (False, True):
        draws = draw_epoch(small_standard(pseudo_labels=pseudo_labels), layout, counts, 8, 0)
        assert set(draws.tile.tolist()) == ({0, 1} if pseudo_labels else {0})


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_windows_lie_among_connected_tiles_and_show_their_tile(data):
    cells = data.draw(
        st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 3)),
                 min_size=1, max_size=12, unique=True)
    )  # fmt: skip
    window, seed = data.draw(st.integers(2, 40)), data.draw(st.integers(0, 100))
    layout = layout_of(cells)
    tiles = np.arange(len(cells)).repeat(5)
    draws = place_windows(tiles, layout, window, (0.5, 2.0), np.random.default_rng(seed))
    first_row, first_col, end_row, end_col = layout.extents[tiles].T
    for start, first, end in (
        (draws.row, first_row, end_row), (draws.col, first_col, end_col)
    ):  # fmt: skip
        inside = (start >= first) & (start + draws.side <= end)
        around = (start <= first) & (start + draws.side >= end)
        assert (inside | around).all()
    for start in (draws.row, draws.col):
        contains = (start <= 0) & (start + draws.side >= 8)
        inside = (start >= 0) & (start + draws.side <= 8)
        assert (contains | inside).all()
    shortest = np.minimum(end_row - first_row, end_col - first_col)
    assert (draws.side >= window // 2).all()
    assert (draws.side <= np.minimum(2 * window, np.maximum(shortest, window))).all()


def test_scales_are_from_half_to_double_and_even_in_their_logarithm():
    layout = layout_of([(0, row, col) for row in range(8) for col in range(8)], size=64)
    draws = place_windows(
        np.zeros(4000, np.int64), layout, 128, (0.5, 2.0), np.random.default_rng(0)
    )
    logarithms = np.log2(draws.side / 128)
    assert logarithms.min() < -0.98
    assert logarithms.max() > 0.98
    assert logarithms.mean() == pytest.approx(0, abs=0.04)


def test_an_epoch_shows_as_many_pixels_as_the_tiles_have():
    standard = small_standard(batch_size=4)
    assert epoch_size(standard, 1000, 64, 128) == 1000 * 64**2 // 128**2 + 2  # whole batches
    assert epoch_size(standard, 3, 64, 128) == MIN_STEPS * 4
    assert epoch_size(small(), 1000, 64, 64) == 1000


def test_draws_depend_on_seed_and_epoch_only():
    layout, counts = layout_of([(0, 0, n) for n in range(6)]), np.full((6, 2), 9)
    draw = [
        draw_epoch(small_standard(seed=seed), layout, counts, 16, epoch)
        for seed, epoch in ((1, 4), (1, 4), (1, 5), (2, 4))
    ]
    columns = [np.stack([d.tile, d.row, d.col, d.side]) for d in draw]
    assert np.array_equal(columns[0], columns[1])
    assert not np.array_equal(columns[0], columns[2])
    assert not np.array_equal(columns[0], columns[3])


def test_sampling_by_tiles_shows_each_tile_once():
    layout = layout_of([(0, 0, n) for n in range(6)])
    draws = draw_epoch(small(), layout, np.full((6, 2), 9), 8, 0)
    assert sorted(draws.tile.tolist()) == list(range(6))
    assert draws.tile.tolist() != list(range(6))
    assert set(draws.side.tolist()) == {8}
    assert not draws.row.any()


# The pixels.


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A tile set of a whole scene, with pixels that tell their place; one tile is missing."""
    rows, cols = np.indices((ROWS * SIZE, COLS * SIZE))
    pixels = np.stack([rows, cols]).astype(np.uint8)
    labels = ground(*rows.shape)
    labels[2 * SIZE : 3 * SIZE, SIZE : 2 * SIZE] = 255
    tiles = make_tiles(
        tmp_path_factory.mktemp("windows"), val=0, labels=labels, pixels=pixels, legend=LEGEND
    )
    assert len(tiles) == ROWS * COLS - 1
    valid = labels != 255
    return tiles, np.where(valid, pixels, 0), np.where(valid, labels, IGNORE_INDEX)


def loader_of(tiles, device="cpu", **options):
    dataset = tiles.dataset("train")
    layout = TileLayout(tiles.size, dataset.places)
    scaling = Scaling((0.0, 0.0), (255.0, 255.0))
    return BatchLoader(dataset, layout, scaling, torch.device(device), **options)


def joined(batches):
    """Images, labels and valid masks of all batches."""
    parts = [(batch.images, batch.labels, batch.valid) for batch in batches]
    return [torch.cat(part) for part in zip(*parts, strict=True)]


@pytest.mark.parametrize("resident", [True, False])
def test_windows_are_cut_from_the_scene(scene, resident, monkeypatch):
    tiles, pixels, labels = scene
    monkeypatch.setattr("geoseg.training.batches.loader._TILES_PER_READ", 4)
    if not resident:
        monkeypatch.setattr("geoseg.training.batches.loader._MEMORY_SHARE", 0)
    loader = loader_of(tiles)
    indices = np.arange(len(tiles))
    draws = place_windows(indices, loader.layout, 24, (1.0, 1.0), np.random.default_rng(0))
    batches = [draws.take(slice(start, start + 5)) for start in range(0, len(draws), 5)]
    images, classes, valid = joined(loader.load(batches, 24))
    for number, (row, col) in enumerate(zip(draws.row, draws.col, strict=True)):
        _, tile_row, tile_col = tiles.places[number]
        part = (
            slice(tile_row + row, tile_row + row + 24), slice(tile_col + col, tile_col + col + 24),
        )  # fmt: skip
        assert np.array_equal(images[number].numpy(), pixels[:, *part])
        assert np.array_equal(classes[number].numpy(), labels[part])
        assert np.array_equal(valid[number].numpy(), labels[part] != IGNORE_INDEX)


@pytest.mark.parametrize("window", [32, 24])
@pytest.mark.parametrize("resident", [True, False])
def test_batches_are_on_the_device(scene, resident, window, monkeypatch):
    """The device "meta" computes nothing, and stands for a GPU that is not CUDA's."""
    if not resident:
        monkeypatch.setattr("geoseg.training.batches.loader._MEMORY_SHARE", 0)
    loader = loader_of(scene[0], "meta")
    side = np.array([window])
    [batch] = loader.load([WindowDraws(*np.zeros((3, 1), np.int64), side)], window)
    assert {batch.images.device.type, batch.labels.device.type, batch.valid.device.type} == {"meta"}


def test_a_split_is_loaded_a_few_tiles_at_a_time(scene, monkeypatch):
    monkeypatch.setattr("geoseg.training.batches.loader._TILES_PER_READ", 4)
    sizes = []
    true_read = TileDataset.read
    monkeypatch.setattr(
        TileDataset, "read",
        lambda self, indices: (sizes.append(len(indices)), true_read(self, indices))[1],
    )  # fmt: skip
    loader = loader_of(scene[0])
    assert max(sizes) == 4 < len(loader)
    list(loader.load([WindowDraws.of_tiles(np.arange(len(loader)), SIZE)], SIZE))
    assert sum(sizes) < 2 * len(loader)  # nothing is read again


def test_processes_of_one_machine_share_its_memory(scene, monkeypatch):
    tiles, _, _ = scene
    monkeypatch.setattr("geoseg.training.batches.loader.available_memory", lambda: 1 << 40)
    read = []
    true_read = type(tiles.dataset("train")).read
    monkeypatch.setattr(
        type(tiles.dataset("train")), "read",
        lambda self, indices: (read.append(len(indices)), true_read(self, indices))[1],
    )  # fmt: skip
    loader_of(tiles)
    assert read[-1] == len(tiles)
    needed = sum(part.nbytes for part in true_read(tiles.dataset("train"), np.arange(len(tiles))))
    monkeypatch.setattr("geoseg.training.batches.loader.available_memory", lambda: 3 * needed)
    for sharers, resident in ((1, True), (2, False)):
        read.clear()
        loader_of(tiles, sharers=sharers)
        assert (len(tiles) in read) == resident


def test_a_window_of_another_scale_shows_the_same_ground(scene):
    tiles, _, labels = scene
    loader = loader_of(tiles)
    draws = WindowDraws(*(np.array(v) for v in ([0, 0], [0, 0], [0, 0], [16, 32])))
    [batch] = loader.load([draws], 32)
    doubled = labels[:16, :16].repeat(2, 0).repeat(2, 1)
    assert np.array_equal(batch.labels[0].numpy(), doubled)
    assert np.array_equal(batch.labels[1].numpy(), labels[:32, :32])
    rows = batch.images[0, 0, 4:-4, 0].numpy()  # a ramp of one step a pixel, stretched by 2
    assert np.allclose(np.diff(rows), 0.5)
    [halved] = loader.load([draws.take(slice(1, 2))], 16)
    means = np.arange(32).reshape(16, 2).mean(1)
    assert np.allclose(halved.images[0, 0, 2:-2, 0].numpy(), means[2:-2], atol=0.05)


def test_whole_tiles_are_read_as_they_are(scene):
    tiles, _, _ = scene
    images, valid, labels = tiles.dataset("train").read(np.arange(len(tiles)))
    loader = loader_of(tiles)
    whole = WindowDraws.of_tiles(np.arange(len(tiles)), SIZE)
    parts = list(loader.load_all(whole, 7, SIZE))
    assert [len(part.labels) for part in parts] == [7, 7, 7, 2]
    for read, expected in zip(joined(parts), (images, labels, valid), strict=True):
        assert np.array_equal(read.numpy(), expected)


@pytest.mark.parametrize("window", [12, 16, 24, 40])
def test_resampled_pixels_are_averages_of_valid_pixels(tmp_path, window):
    """An image of one value, with stripes and single pixels without data."""
    labels, valid = ground(2 * SIZE, 2 * SIZE), np.ones((2 * SIZE, 2 * SIZE), bool)
    valid[::7], valid[:, 5] = False, False
    valid[np.random.default_rng(0).random(valid.shape) < 0.1] = False
    pixels = np.where(valid, 200, 0)[None].repeat(2, 0).astype(np.uint8)
    tiles = make_tiles(tmp_path, labels=labels, pixels=pixels, nodata=0, val=0)
    dataset = tiles.dataset("train")
    layout = TileLayout(SIZE, dataset.places)
    scaling = Scaling((10.0, 20.0), (255.0, 255.0))
    loader = BatchLoader(dataset, layout, scaling, torch.device("cpu"))
    side = np.array([2 * SIZE])
    first = int(np.flatnonzero((dataset.places[:, 1:] == 0).all(1))[0])
    draws = WindowDraws(np.array([first]), np.array([0]), np.array([0]), side)
    [batch] = loader.load([draws], window)
    assert batch.valid.any()
    assert not batch.valid.all()
    images = batch.images.permute(0, 2, 3, 1)
    torch.testing.assert_close(images[batch.valid], torch.full((int(batch.valid.sum()), 2), 200.0))
    assert (images[~batch.valid] == torch.tensor([10.0, 20.0])).all()
