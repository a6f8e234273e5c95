"""Training and validation: apart on the ground, and even."""

import re

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.errors import TileError
from geoseg.tiles import TileSettings, check_split, open_tiles
from geoseg.tiles.cut.balance import balance_classes
from geoseg.tiles.split import assign_splits, draw_validation
from tests.support.rasters import write_raster
from tests.support.tilesets import (
    PLACE,
    WIDTH,
    classes,
    cut,
    image_mask_folder,
    noise,
    refused,
)


@st.composite
def layouts(draw):
    """Scene, row and column of tiles of a few scenes that may overlap, and the tile size (px)."""
    size = draw(st.sampled_from([8, 16, 32]))
    stride = draw(st.sampled_from([size // 2, size, size + 3]))
    places = []
    for number in range(draw(st.integers(1, 3))):
        rows, cols = draw(st.integers(1, 12)), draw(st.integers(1, 12))
        down, right = draw(st.integers(0, 200)), draw(st.integers(0, 200))
        keep = draw(st.integers(1, 4))  # of four tiles, where the others are nodata
        grid = [
            (number, down + r * stride, right + c * stride)
            for r in range(rows)
            for c in range(cols)
        ]
        places += [p for i, p in enumerate(grid) if i * 7 % 4 < keep]
    return np.array(places).T, size


def squares(row, col, size):
    """Corners (n, 4, 2) of tiles, with y upwards."""
    x, y = (
        col[:, None] + size * np.array([0, 1, 1, 0]),
        row[:, None] + size * np.array([0, 0, 1, 1]),
    )
    return np.stack([x, -y], axis=-1).astype(float)


def too_close(layout, split, *, overlapping):
    """How many pairs of training and validation tiles are less than a side apart, one by one."""
    (scene, row, col), size = layout
    train, held = np.flatnonzero(split == "train"), np.flatnonzero(split == "val")
    rows, cols = (np.abs(v[train, None] - v[held]) - size for v in (row, col))  # px between
    same = overlapping | (scene[train, None] == scene[held])
    return int((same & (np.maximum(rows, cols) < size)).sum())


@settings(deadline=None, max_examples=150)
@given(
    layouts(), st.floats(0.05, 0.6), st.integers(0, 9), st.booleans(),
    st.sampled_from(["block", "scene"]),
)  # fmt: skip
def test_training_is_a_tile_away_from_validation(layout, val, seed, overlapping, how):
    (scene, row, col), size = layout
    places = np.zeros_like(scene) if overlapping else scene
    corners = squares(row, col, size)
    try:
        split = assign_splits(corners, places, scene, how=how, val=val, seed=seed)
    except TileError:
        return  # too little to split
    assert {"train", "val"} <= set(split)
    assert too_close(layout, split, overlapping=overlapping) == 0
    for gap in np.flatnonzero(split == "gap"):  # none is set aside without need
        alone = np.where(split == "gap", "", split)
        alone[gap] = "train"
        alone[split == "train"] = ""
        assert too_close(layout, alone, overlapping=overlapping) > 0


@settings(deadline=None, max_examples=100)
@given(layouts(), st.integers(0, 9), st.booleans())
def test_the_check_counts_every_pair_that_is_too_close(layout, seed, overlapping):
    (scene, row, col), size = layout
    split = np.random.default_rng(seed).choice(["train", "val", "gap"], len(row), p=[0.1, 0.1, 0.8])
    data = {"tile": [f"t{i}" for i in range(len(row))], "split": split, "scene": scene.astype(str)}
    crs = "EPSG:32640" if overlapping else None
    polygons = shapely.polygons(squares(row, col, size))
    index = geopandas.GeoDataFrame(data, geometry=polygons, crs=crs)
    expected = too_close(layout, split, overlapping=overlapping)
    if not expected:
        check_split(index)
        return
    with pytest.raises(TileError, match=rf"^{expected:,} pairs of a training") as error:
        check_split(index)
    train, held = (int(n) for n in re.findall(r"\bt(\d+)", str(error.value)))
    assert (split[train], split[held]) == ("train", "val")


@pytest.mark.parametrize("how", ["block", "scene"])
@pytest.mark.parametrize("turn", [0, 25], ids=["north up", "turned"])
def test_scenes_that_overlap_on_the_ground_do_not_leak(tmp_path, how, turn):
    """Two scenes of 12 x 12 tiles, the one half over the other and with half its pixel size."""
    places = [PLACE, PLACE @ Affine.translation(85, 5) @ Affine.rotation(turn) @ Affine.scale(0.5)]
    scenes, labels = [], []
    for number, place in enumerate(places):
        name, pixels = f"{number}.tif", noise(height=96, width=96)
        scenes.append(write_raster(tmp_path / f"s{name}", pixels, transform=place))
        labels.append(write_raster(tmp_path / f"l{name}", classes(96, 96)[None], transform=place))
    wanted = TileSettings(size=8, split=how, val=0.5, seed=1)
    cut(scenes, labels, tmp_path / "tiles", wanted)
    index = geopandas.read_parquet(tmp_path / "tiles" / "tiles.parquet")
    train, held = (index[index["split"] == split] for split in ("train", "val"))
    between = train.union_all().distance(held.union_all())
    assert between >= 0.99 * np.sqrt(held.area.min())
    if how == "scene":
        assert held["scene"].nunique() == train["scene"].nunique() == 1
        assert (index["split"] == "gap").sum() > 20
        assert len(train) > 20


def test_scenes_of_different_crs_do_not_leak(tmp_path):
    """The same ground twice, in UTM and in degrees, and the index in degrees."""
    scene = write_raster(tmp_path / "s0.tif", noise(height=96, width=96))
    place = Affine(1e-4, 0, 57.0, 0, -9e-5, 25.315)
    other = write_raster(
        tmp_path / "s1.tif", noise(height=96, width=96), transform=place, crs="EPSG:4326"
    )
    labels = [
        write_raster(tmp_path / "l0.tif", classes(96, 96)[None]),
        write_raster(tmp_path / "l1.tif", classes(96, 96)[None], transform=place, crs="EPSG:4326"),
    ]
    wanted = TileSettings(size=8, split="block", val=0.3)
    cut([scene, other], labels, tmp_path / "tiles", wanted)
    index = geopandas.read_parquet(tmp_path / "tiles" / "tiles.parquet")
    assert index.crs == "EPSG:4326"
    assert set(index["crs"]) == {"EPSG:32640", "EPSG:4326"}
    ground = index.to_crs("EPSG:32640")
    apart = [ground[ground["split"] == split].union_all() for split in ("train", "val")]
    assert apart[0].distance(apart[1]) > 75  # m; a tile is 80 m wide
    kinds = set(zip(index["crs"], index["split"], strict=True))
    assert {(crs, "train") for crs in index["crs"]} < kinds


def grid_of(side, scenes=1):
    """Scene and corners of a square of tiles in each scene."""
    index = np.arange(side * side * scenes)
    number, place = index // side**2, index % side**2
    return number, squares(place // side * 16, place % side * 16, 16)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32660"])
def test_scenes_on_both_sides_of_180_degrees_do_not_leak(tmp_path, crs):
    """The first scene ends at 180 degrees, or in a CRS of its own beyond it; the second begins."""
    step = 1e-4
    places = {"EPSG:4326": Affine(step, 0, 180 - WIDTH * step, 0, -step, step)}
    places["EPSG:32660"] = Affine(11, 0, 833979 - 1000, 0, -11, 11)  # 180 degrees at x = 833978.6
    scenes, labels = [], []
    for name, place, own in (
        ("west", places[crs], crs), ("east", Affine(step, 0, -180, 0, -step, step), "EPSG:4326"),
    ):  # fmt: skip
        scenes.append(write_raster(tmp_path / f"{name}.tif", noise(), transform=place, crs=own))
        labels.append(write_raster(tmp_path / f"{name}_classes.tif", classes()[None],
                                   transform=place, crs=own))  # fmt: skip
    wanted = TileSettings(size=16, split="scene", val=0.5, min_valid=0)
    tiles = cut(scenes, labels, tmp_path / "tiles", wanted)
    index = geopandas.read_parquet(tmp_path / "tiles" / "tiles.parquet")
    assert (index.geometry.bounds.maxx - index.geometry.bounds.minx).max() < 2 * 16 * step
    train, val = (index[index["split"] == split].geometry for split in ("train", "val"))
    turned = [val.translate(shift) for shift in (-360, 0, 360)]
    assert min(tile.distance(other).min() for tile in train for other in turned) > 15 * step
    assert tiles.count("gap")
    index.loc[index["split"] == "gap", "split"] = "train"
    with pytest.raises(TileError, match="lie less than a tile's side apart"):
        check_split(index)


def test_a_scene_that_cannot_be_placed_beside_the_others_is_refused(tmp_path):
    local = 'LOCAL_CS["site",UNIT["metre",1]]'
    scenes = [write_raster(tmp_path / f"{n}.tif", noise(), crs=crs)
              for n, crs in enumerate(("EPSG:32640", local))]  # fmt: skip
    labels = [write_raster(tmp_path / f"{n}_classes.tif", classes()[None], crs=crs)
              for n, crs in enumerate(("EPSG:32640", local))]  # fmt: skip
    match = r"tiles of .*1\.tif cannot be placed beside those of scenes in another CRS"
    refused(TileError, match, tmp_path, scenes, labels)


@pytest.mark.parametrize("how", ["block", "scene", "random"])
@pytest.mark.parametrize("val", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_share_for_validation_is_about_what_was_asked_for(how, val, seed):
    scene, corners = grid_of(16, scenes=20)
    split = assign_splits(corners, scene, scene, how=how, val=val, seed=seed)
    assert (split == "val").mean() == pytest.approx(val, abs=0.03)
    assert np.array_equal(split, assign_splits(corners, scene, scene, how=how, val=val, seed=seed))


def test_a_scene_is_not_divided_by_a_split_of_scenes():
    scene, corners = grid_of(4, scenes=8)
    split = assign_splits(corners, scene, scene, how="scene", val=0.25, seed=0)
    assert all(len(set(split[scene == number])) == 1 for number in range(8))
    assert set(split) == {"train", "val"}


def test_folders_of_images_are_not_divided_by_a_split_of_scenes(tmp_path):
    root = image_mask_folder(tmp_path / "masks", ("Tile 1", "Tile 2", "Tile 3"))
    wanted = TileSettings(size=32, split="scene", val=0.3, min_valid=0)
    tiles = cut(root, [], tmp_path / "tiles", wanted)
    kinds = {(scene, split) for scene, split in zip(tiles.groups, tiles.splits, strict=True)}
    assert len(kinds) == 3
    assert (tiles.count("train"), tiles.count("val")) == (16, 8)


def test_without_validation_all_tiles_train():
    scene, corners = grid_of(4)
    assert set(assign_splits(corners, scene, scene, how="block", val=0, seed=0)) == {"train"}


@pytest.mark.parametrize("how", ["block", "scene"])
def test_too_little_to_split_is_said_with_a_way_out(how):
    scene, corners = grid_of(4)
    with pytest.raises(TileError, match=rf"16 tiles in 1 {how} cannot be split.*--split random"):
        assign_splits(corners, scene, scene, how=how, val=0.25, seed=0)


def test_scenes_of_the_same_ground_cannot_be_split_by_scene():
    scene, corners = grid_of(4, scenes=2)
    with pytest.raises(TileError, match="so a scene split has nothing to train on"):
        assign_splits(corners, np.zeros_like(scene), scene, how="scene", val=0.5, seed=0)


def test_blocks_of_scenes_of_the_same_ground_are_drawn_together():
    """Five dates of one place: as much is left to train on as of one."""
    scene, corners = grid_of(24, scenes=5)
    split = assign_splits(corners, np.zeros_like(scene), scene, how="block", val=0.2, seed=0)
    by_date = split.reshape(5, -1)
    assert (by_date == by_date[0]).all()


def test_a_random_split_says_that_neighbours_leak(tmp_path, caplog):
    scene = write_raster(tmp_path / "scene.tif", noise())
    labels = write_raster(tmp_path / "labels.tif", classes()[None])
    wanted = TileSettings(size=16, split="random")
    cut(scene, labels, tmp_path / "tiles", wanted)
    assert "12 of 12 validation tiles touch a training tile" in caplog.text


def test_tiles_can_be_split_again_but_not_by_blocks(tmp_path):
    tiles = open_tiles(image_mask_folder(tmp_path / "masks", ("a", "b"), count=6, size=32))
    assert tiles.resplit("random", 0.25, seed=0).count("val") == 3
    assert tiles.resplit("scene", 0.5, seed=0).count("val") == 6
    with pytest.raises(TileError, match="geoseg tile --split block"):
        tiles.resplit("block", 0.25, seed=0)
    sentence = r"^12 tiles cannot be split with a share of 0\.99 for validation, use another --val,"
    with pytest.raises(TileError, match=sentence):
        tiles.resplit("random", 0.99, seed=0)


# Even classes.


def test_tiles_with_rare_classes_are_kept_first():
    """Of 100 tiles ten hold some of a rare class, and two some of a still rarer one."""
    counts = np.zeros((100, 3), int)
    counts[:, 0] = 1000
    counts[40:50, :2] = [900, 100]
    counts[70:72, [0, 2]] = [990, 10]
    chosen = balance_classes(counts, 24, seed=0)
    assert {*range(40, 50), 70, 71} < set(chosen.tolist())
    assert len(chosen) == 24


def test_classes_even_out_as_far_as_tiles_allow():
    """Land is everywhere; a tile of water is as likely a mixed one as a pure one."""
    rng = np.random.default_rng(0)
    water = np.where(rng.random(2000) < 0.1, rng.integers(1, 1000, 2000), 0)
    counts = np.stack([1000 - water, water], axis=1)
    before, after = (
        c.sum(0)[1] / c.sum() for c in (counts, counts[balance_classes(counts, 200, 0)])
    )
    assert before < 0.06
    assert after > 0.4


@settings(max_examples=50)
@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 45), st.integers(0, 99))
def test_as_many_tiles_are_kept_as_were_asked_for(tiles, kinds, keep, seed):
    counts = np.random.default_rng(seed).integers(0, 3, (tiles, kinds)) * 7
    counts[:, 0] += counts.sum(axis=1) == 0  # no tile is without any label
    chosen = balance_classes(counts, keep, seed)
    assert len(chosen) == min(keep, tiles)
    assert (np.diff(chosen) > 0).all()
    assert 0 <= chosen.min() <= chosen.max() < tiles
    assert np.array_equal(chosen, balance_classes(counts, keep, seed))


def test_validation_keeps_its_tiles_when_training_is_balanced(tmp_path, caplog):
    scene = write_raster(tmp_path / "scene.tif", noise())
    ground = np.zeros_like(classes())
    ground[20:30, 20:60] = 1
    ground[70:75, 90:100] = 2
    labels = write_raster(tmp_path / "labels.tif", ground[None])
    plain = cut(scene, labels, tmp_path / "plain", TileSettings(size=8))
    wanted = TileSettings(size=8, balance=20)
    with caplog.at_level("INFO", logger="geoseg"):
        even = cut(scene, labels, tmp_path / "even", wanted)
    assert re.search(r"20 of \d+ training tiles kept: water [\d.]+% to [\d.]+%, grass", caplog.text)
    names = {
        split: [{t for t, s in zip(tiles.names, tiles.splits, strict=True) if s == split}
                for tiles in (plain, even)]
        for split in ("train", "val", "gap")
    }  # fmt: skip
    assert names["val"][0] == names["val"][1]
    assert names["gap"][0] == names["gap"][1]
    assert names["train"][1] < names["train"][0]
    assert even.count("train") == 20
    rare = [tiles.dataset("train").counts[1:].tolist() for tiles in (plain, even)]
    assert rare[0] == rare[1]  # all there is


@pytest.mark.parametrize("seed", range(5))
def test_large_units_are_passed_over_for_smaller_ones(seed):
    units = np.repeat([0, 1, 2], [16, 4, 4])
    splits = draw_validation(units, "block", val=0.25, seed=seed)
    assert (splits == "val").sum() == 8


def test_the_smallest_unit_is_drawn_if_all_are_too_large():
    units = np.repeat([0, 1, 2], [9, 6, 9])
    splits = draw_validation(units, "block", val=0.1, seed=0)
    assert (splits == "val").sum() == 6
