"""Tiles of one split as arrays for training."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from geoseg.errors import LabelError
from geoseg.legend import LandCoverClass, Legend
from geoseg.tiles import IGNORE_INDEX, TileSettings, open_tiles, tile
from tests.support.rasters import write_raster

LEGEND = Legend(
    (
        LandCoverClass(3, "water", "#0000ff"),
        LandCoverClass(7, "10", "#00ff00"),
        LandCoverClass(10, "rock", "#aaa000"),
    )
)
SIDE = 64
TILES = 16


def ground():
    """Values of the legend in stripes of 4 px; none in the first row of pixels."""
    values = np.array([3, 7, 10], np.uint8)[np.indices((SIDE, SIDE)).sum(axis=0) // 4 % 3]
    values[0] = IGNORE_INDEX
    return values


def pixels():
    """Three bands; the second column of pixels has no data."""
    noise = np.random.default_rng(1).integers(1, 200, (3, SIDE, SIDE)).astype(np.uint8)
    noise[:, :, 1] = 0
    return noise


@pytest.fixture
def tiles(tmp_path):
    scene = write_raster(tmp_path / "scene.tif", pixels(), nodata=0)
    labels = write_raster(tmp_path / "labels.tif", ground()[None])
    wanted = TileSettings(size=16, split="random", val=0.25, min_valid=0, preview=False)
    return tile([scene], [labels], out=tmp_path / "tiles", legend=LEGEND, settings=wanted)


def test_a_split_is_read_by_number_in_any_order(tiles):
    dataset = tiles.dataset("train")
    images, valid, labels = tiles.load("train")
    assert len(dataset) == len(images) == len(dataset.names) == 12
    indices = np.array([7, 0, 7])
    for part, whole in zip(dataset.read(indices), (images, valid, labels), strict=True):
        assert np.array_equal(part, whole[indices])


def test_the_names_are_those_of_the_tiles_read(tiles):
    for split in ("train", "val"):
        dataset = tiles.dataset(split)
        images, valid, labels = dataset.read(np.arange(len(dataset)))
        for name, image, seen, index in zip(dataset.names, images, valid, labels, strict=True):
            row, col = (int(part) for part in name.split("_")[1:])
            place = slice(row, row + 16), slice(col, col + 16)
            assert np.array_equal(image, pixels()[:, *place])
            assert np.array_equal(seen, pixels()[0][place] > 0)
            labelled = seen & (ground()[place] != IGNORE_INDEX)
            assert np.array_equal(index != IGNORE_INDEX, labelled)
            assert np.array_equal(
                np.array(LEGEND.values)[index[labelled]], ground()[place][labelled]
            )


def test_counts_are_those_of_the_labels_read(tiles):
    for split in ("train", "val"):
        labels = tiles.load(split)[2]
        assert tiles.dataset(split).counts.tolist() == [int((labels == i).sum()) for i in range(3)]


def test_a_split_without_tiles_has_nothing(tiles):
    empty = tiles.dataset("gap")
    assert (len(empty), empty.counts.tolist()) == (0, [0, 0, 0])
    assert empty.read(np.arange(0))[0].shape == (0, 3, 16, 16)


def test_the_digest_is_that_of_the_content(tiles, tmp_path):
    digest = tiles.dataset("train").digest
    assert len(digest) == 64
    shutil.move(tiles.folder, tmp_path / "elsewhere")
    moved = open_tiles(tmp_path / "elsewhere")
    assert moved.dataset("train").digest == digest
    assert moved.dataset("val").digest != digest
    assert moved.subset([0, 1]).digest != moved.subset([1, 0]).digest
    assert moved.ignoring(["rock"]).dataset("train").digest != digest


def test_a_folder_of_images_and_masks_is_known_by_its_pixels(tiles):
    """The same files, read as a set that `tile` wrote and as a folder that it did not."""
    written = tiles.subset(range(TILES))
    folder = open_tiles(_without_index(tiles), LEGEND)
    by_name = [folder.names.index(f"tiles_{name}") for name in tiles.names]
    found = folder.subset(by_name)
    assert not folder.written_by_tile
    assert found.counts.tolist() == written.counts.tolist()
    assert found.digest == written.digest
    for one, other in zip(
        found.read(np.arange(TILES)), written.read(np.arange(TILES)), strict=True
    ):
        assert np.array_equal(one, other)


def _without_index(tiles):
    for name in ("tiles.json", "tiles.parquet"):
        shutil.move(f"{tiles.folder}/{name}", f"{tiles.folder}/../{name}")
    return tiles.folder


def test_the_digest_of_a_folder_changes_with_any_pixel(tiles):
    folder = open_tiles(_without_index(tiles), LEGEND)
    before = folder.subset(range(TILES)).digest
    changed = ground()[:16, :16]
    changed[8, 8] = IGNORE_INDEX
    write_raster(folder.store.masks[0], changed[None])
    assert open_tiles(tiles.folder, LEGEND).subset(range(TILES)).digest != before


@pytest.mark.parametrize(
    ("names", "ignored"),
    [(["rock"], [10]), (["ROCK ", "3"], [3, 10]), (["10"], [7]), (["7"], [7]), ([], [])],
    ids=str,
)
def test_ignored_classes_are_read_as_not_labelled(tiles, names, ignored):
    """By name or value; "10" is the name of 7 first, and the value of rock second."""
    rest = tiles.ignoring(names)
    plain, less = tiles.dataset("train"), rest.dataset("train")
    kept = [index for index, value in enumerate(LEGEND.values) if value not in ignored]
    new_index = {old: new for new, old in enumerate(kept)}
    labels = tiles.load("train")[2]
    expected = np.vectorize(lambda index: new_index.get(index, IGNORE_INDEX))(labels)
    assert np.array_equal(less.read(np.arange(len(less)))[2], expected)
    assert less.counts.tolist() == plain.counts[kept].tolist()
    assert rest.legend.classes == tuple(LEGEND.classes[index] for index in kept)


def test_at_least_one_class_is_kept(tiles):
    with pytest.raises(LabelError, match=r"all classes of .* are ignored, keep two"):
        tiles.ignoring(["water", "10", "rock"])


def test_a_class_that_is_not_there_cannot_be_ignored(tiles):
    with pytest.raises(
        LabelError, match=r"'lava' is no class of .* \(water, 10, rock\), correct it"
    ):
        tiles.ignoring(["rock", "lava"])


def test_a_set_can_be_given_other_names_but_not_other_values(tiles, tmp_path):
    (tmp_path / "other.csv").write_text(
        "value,name,color\n3,sea,#000001\n7,bog,#000002\n10,c,#000003"
    )
    renamed = open_tiles(tiles.folder, tmp_path / "other.csv")
    assert renamed.legend.names == ("sea", "bog", "c")
    (tmp_path / "other.csv").write_text("value,name,color\n3,sea,#000001\n8,bog,#000002")
    with pytest.raises(LabelError, match=r"has the values 3, 8, but .* was cut with 3, 7, 10"):
        open_tiles(tiles.folder, tmp_path / "other.csv")


def test_the_tiles_of_two_sets_are_read_as_one(tmp_path):
    sets = []
    for seed, store in ((1, "files"), (2, "shards")):
        scene = write_raster(tmp_path / f"{seed}.tif", np.roll(pixels(), seed, 1), nodata=0)
        mask = write_raster(tmp_path / f"labels{seed}.tif", np.roll(ground(), seed, 0)[None])
        settings = TileSettings(
            size=16, split="random", val=0.25, min_valid=0, preview=False, store=store
        )
        folder = tmp_path / f"tiles{seed}"
        sets.append(tile([scene], [mask], out=folder, legend=LEGEND, settings=settings))
    first, second = sets
    joined = first.dataset_with("train", second, "val")
    parts = first.dataset("train"), second.dataset("val")
    own = len(parts[0])
    assert len(joined) == own + len(parts[1])
    order = np.random.default_rng(0).permutation(len(joined))
    read = joined.read(order)
    for number, index in enumerate(order):
        tiles, inner = (parts[0], index) if index < own else (parts[1], index - own)
        for array, wanted in zip(read, tiles.read(np.array([inner])), strict=True):
            assert np.array_equal(array[number], wanted[0])
    assert joined.names == parts[0].names + parts[1].names
    assert np.array_equal(joined.counts, parts[0].counts + parts[1].counts)
    assert not set(joined.places[:own, 0]) & set(joined.places[own:, 0])
    assert joined.digest != first.dataset_with("train", second, "train").digest
    recased = Legend(tuple(replace(c, name=c.name.title()) for c in LEGEND.classes))
    other_case = replace(second, legend=recased)
    assert first.dataset_with("train", other_case, "val").digest == joined.digest
