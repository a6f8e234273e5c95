"""Labelled scenes into training tiles."""

import click
import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from geoseg.cli.commands.tile import command
from geoseg.errors import GeosegError, SceneError, TileError
from geoseg.legend import DUBAI, LandCoverClass, Legend
from geoseg.raster import read_whole
from geoseg.tiles import IGNORE_INDEX, TileSettings, open_tiles
from tests.support import commands
from tests.support.rasters import write_raster
from tests.support.tilesets import (
    ALL,
    BY_NAME,
    FIELDS,
    HEIGHT,
    LEGEND,
    PLACE,
    UNREFERENCED,
    WIDTH,
    burnt,
    classes,
    cut,
    image_mask_folder,
    noise,
    pasted,
    refused,
    write_polygons,
)


@pytest.fixture
def scene(tmp_path):
    return write_raster(tmp_path / "scene.tif", noise())


@pytest.fixture
def labels(tmp_path):
    return write_raster(tmp_path / "labels.tif", classes()[None])


# Where tiles lie.


def test_tiles_hold_the_pixels_and_labels_of_their_place(tmp_path, scene, labels):
    tiles = cut(scene, labels, tmp_path / "tiles")
    index = geopandas.read_parquet(tmp_path / "tiles" / "tiles.parquet")
    starts = [(row, col) for row in (0, 32, 64) for col in (0, 32, 64, 96)]
    assert list(zip(index["row"], index["col"], strict=True)) == starts  # and no remainders
    for (row, col), image, mask in zip(starts, tiles.store.images, tiles.store.masks, strict=True):
        place = slice(row, row + 32), slice(col, col + 32)
        assert np.array_equal(read_whole(image)[0], noise()[:, *place])
        assert np.array_equal(read_whole(mask)[0][0], classes()[place])
        for path in (image, mask):
            with rasterio.open(path) as file:
                assert file.transform == PLACE @ Affine.translation(col, row)
                assert file.crs == "EPSG:32640"


def test_the_footprint_of_a_tile_is_in_the_index(tmp_path, scene, labels):
    tiles = cut(scene, labels, tmp_path / "tiles")
    index = geopandas.read_parquet(tmp_path / "tiles" / "tiles.parquet")
    assert index.crs == "EPSG:32640"
    for path, footprint in zip(tiles.store.images, index.geometry, strict=True):
        with rasterio.open(path) as file:
            assert footprint.equals(shapely.box(*file.bounds))


@pytest.mark.parametrize(
    ("stride", "expected"),
    [(16, 5 * 7), (40, 2 * 3), (8, 9 * 13)],
)
def test_the_stride_is_the_distance_of_tiles(tmp_path, scene, labels, stride, expected):
    wanted = TileSettings(size=32, stride=stride, val=0)
    tiles = cut(scene, labels, tmp_path / "tiles", wanted)
    assert len(tiles) == expected
    found = pasted(tiles)
    assert np.array_equal(found[found >= 0], classes()[found >= 0])


def test_a_tile_set_opens_as_it_was_made(tmp_path, scene, labels):
    made = cut(scene, labels, tmp_path / "tiles")
    opened = open_tiles(tmp_path / "tiles")
    assert opened == made
    assert opened.legend == LEGEND
    assert opened.size == 32
    assert opened.pixel_size == pytest.approx(10, rel=1e-3)
    images, valid, indices = opened.load("train")
    assert np.array_equal(images[1], noise()[:, :32, 32:64])
    assert valid.all()
    assert np.array_equal(indices[1], classes()[:32, 32:64])


def test_the_same_inputs_give_the_same_tiles(tmp_path, scene, labels):
    wanted = TileSettings(size=8, val=0.25, seed=3)
    one = cut(scene, labels, tmp_path / "one", wanted)
    two = cut(scene, labels, tmp_path / "two", wanted)
    other = cut(scene, labels, tmp_path / "other", TileSettings(size=8, val=0.25, seed=4))
    assert one.splits == two.splits != other.splits
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 2 * len(one) + 2
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_labels_of_any_value_become_indices_in_memory(tmp_path, scene):
    legend = Legend(
        (
            LandCoverClass(10, "a", "#000001"),
            LandCoverClass(7, "b", "#000002"),
            LandCoverClass(99, "c", "#000003"),
        )
    )
    values = np.array([7, 10, 99], np.uint8)[classes()]
    labels = write_raster(tmp_path / "labels.tif", values[None])
    tiles = cut(scene, labels, tmp_path / "tiles", legend=legend)
    assert np.array_equal(read_whole(tiles.store.masks[0])[0][0], values[:32, :32])
    assert np.array_equal(tiles.load("train")[2][0], classes()[:32, :32])


@pytest.mark.parametrize("bands", [1, 4, 6])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_any_number_of_bands_of_any_dtype_is_kept(tmp_path, labels, bands, dtype):
    pixels = noise(bands, dtype=dtype)
    pixels[-1, :20] = 0
    scene = write_raster(tmp_path / "scene.tif", pixels, alpha="NO")
    images, valid, indices = cut(scene, labels, tmp_path / "tiles").load("train")
    assert images.dtype == dtype
    assert np.array_equal(images[0], pixels[:, :32, :32])
    assert valid.all()
    assert (indices != IGNORE_INDEX).all()


# Invalid in, not trained on.


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_invalid_pixels_are_not_labelled_and_masked_in_the_image(tmp_path, labels, dtype):
    pixels = noise(dtype=dtype)
    missing = 0 if dtype == "uint8" else np.nan
    pixels[:, 5:10, 40:50] = missing
    scene = write_raster(tmp_path / "scene.tif", pixels, nodata=missing)
    tiles = cut(scene, labels, tmp_path / "tiles")
    expected = np.where(np.isfinite(pixels[0]) & (pixels[0] != 0), classes(), IGNORE_INDEX)
    assert np.array_equal(pasted(tiles)[:96, :128], expected[:96, :128])
    _, valid, indices = tiles.load("train")
    assert np.array_equal(valid[1], expected[:32, 32:64] != IGNORE_INDEX)
    assert np.array_equal(indices[1], expected[:32, 32:64])


def test_tiles_with_too_little_ground_are_dropped(tmp_path, labels):
    pixels = noise()
    pixels[:, :32, :20] = 0  # 63 % of the first tile
    pixels[:, :32, 32:46] = 0  # 44 % of the second
    scene = write_raster(tmp_path / "scene.tif", pixels, nodata=0)
    tiles = cut(scene, labels, tmp_path / "tiles", TileSettings(size=32, val=0))
    assert (pasted(tiles)[:32, :32] == -1).all()
    assert (pasted(tiles)[:32, 32:64] != -1).all()
    assert len(tiles) == 11


def test_a_tile_without_any_label_is_dropped_whatever_is_asked_for(tmp_path, scene):
    ground = classes()
    ground[:32, :32] = IGNORE_INDEX
    labels = write_raster(tmp_path / "labels.tif", ground[None])
    assert len(cut(scene, labels, tmp_path / "tiles", ALL)) == 11


# Folders of images and masks.


def test_the_folders_of_dubai_are_found_and_named_by_tile(tmp_path):
    root = image_mask_folder(tmp_path / "dubai", ("Tile 1", "Tile 2", "Tile 3"), gray=False)
    (root / "Tile 1" / "images" / "._part_0.jpg").write_bytes(b"left by a file manager")
    (root / "classes.json").write_text("{}")
    tiles = cut(root, [], tmp_path / "tiles", legend=None)
    assert len(tiles) == 3 * 2 * 4
    assert set(tiles.groups) == {"Tile 1", "Tile 2", "Tile 3"}
    assert tiles.legend == DUBAI
    assert tiles.pixel_size is None
    assert np.array_equal(tiles.load("train")[2][0], classes()[:32, :32])


def test_a_folder_of_images_and_masks_is_used_as_it_is(tmp_path):
    tiles = open_tiles(image_mask_folder(tmp_path / "masks", size=32))
    assert (len(tiles), tiles.size, tiles.legend) == (2, 32, DUBAI)
    tiles = tiles.resplit("random", 0, seed=0)
    images, valid, indices = tiles.load("train")
    assert images.shape == (2, 3, 32, 32)
    assert valid.all()
    assert np.array_equal(indices[0], classes(32, 32))


def test_colour_masks_of_foreign_tiles_are_decoded_and_shown_in_map_colours(tmp_path):
    tiles = open_tiles(image_mask_folder(tmp_path / "dubai", size=32, gray=False))
    assert tiles.legend == DUBAI
    indices = tiles.resplit("random", 0, seed=0).load("train")[2]
    assert np.array_equal(indices[0], classes(32, 32))


def test_invalid_pixels_of_foreign_tiles_are_not_labelled(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    write_raster(tmp_path / "masks" / "a.png", classes(32, 32)[None], driver="PNG", **UNREFERENCED)
    write_raster(tmp_path / "masks" / "b.png", classes(32, 32)[None], driver="PNG", **UNREFERENCED)
    pixels = noise(3, 32, 32)
    pixels[:, :4, :5] = 0
    write_raster(tmp_path / "images" / "a.tif", pixels, nodata=0)
    transparent = np.concatenate([noise(3, 32, 32), np.where(pixels[:1], 255, 0).astype("uint8")])
    write_raster(tmp_path / "images" / "b.png", transparent, driver="PNG", **UNREFERENCED)
    tiles = open_tiles(tmp_path).resplit("random", 0, seed=0)
    _, valid, indices = tiles.load("train")
    for number in (0, 1):
        assert np.array_equal(valid[number], pixels[0] > 0)
        assert np.array_equal(indices[number] == IGNORE_INDEX, pixels[0] == 0)


def test_scenes_of_the_same_name_are_both_kept(tmp_path):
    folders = []
    for number in (1, 2):
        folder = tmp_path / f"year{number}"
        folder.mkdir()
        write_raster(folder / "scene.tif", np.full((3, 32, 32), number, np.uint8))
        write_raster(folder / "labels.tif", classes(32, 32)[None])
        folders.append(folder)
    tiles = cut(
        [f / "scene.tif" for f in folders], [f / "labels.tif" for f in folders], tmp_path / "tiles"
    )
    assert [image.max() for image in tiles.load("train")[0]] == [1, 2]


@pytest.mark.parametrize("kind", ["foreign", "own"])
@pytest.mark.parametrize(
    ("file", "pixels", "message"),
    [
        ("images", noise(3, 16, 16), "32"),
        ("images", noise(2, 32, 32), "32"),
        ("images", noise(3, 32, 32, "uint16"), "uint16"),
        ("masks", noise(1, 16, 16), "16"),
    ],
    ids=["size", "bands", "dtype", "mask"],
)
def test_a_tile_unlike_the_first_is_named(tmp_path, scene, labels, kind, file, pixels, message):
    if kind == "own":
        tiles = cut(scene, labels, tmp_path / "tiles")
    else:
        for folder, content in (("images", noise(3, 32, 32)), ("masks", classes(32, 32)[None])):
            (tmp_path / "tiles" / folder).mkdir(parents=True)
            for name in "ab":
                write_raster(tmp_path / "tiles" / folder / f"{name}.tif", content)
        tiles = open_tiles(tmp_path / "tiles", LEGEND).resplit("random", 0, seed=0)
    odd = (tiles.store.images if file == "images" else tiles.store.masks)[-1]
    write_raster(odd, pixels, crs=None)
    with pytest.raises(GeosegError, match=message) as error:
        tiles.load("train")
    assert odd in str(error.value)
    assert "\n" not in str(error.value)


# What is refused, in one sentence, and leaves nothing behind.


def test_more_scenes_than_labels(tmp_path, scene, labels):
    refused(TileError, "2 scenes but 1 labels, give one --labels", tmp_path, [scene] * 2, labels)


def test_no_scenes(tmp_path):
    refused(TileError, "there are no scenes to tile", tmp_path, [], [])


def test_an_empty_path_is_not_the_working_folder(tmp_path):
    refused(TileError, "the path of a scene is empty", tmp_path, [""], [])


def test_a_set_may_fill_the_folder_one_is_in(tmp_path, scene, labels, monkeypatch):
    (tmp_path / "tiles").mkdir()
    monkeypatch.chdir(tmp_path / "tiles")
    assert len(cut(scene, labels, ".", overwrite=True)) == 12
    assert len(open_tiles(tmp_path / "tiles")) == 12


def test_a_scene_without_labels(tmp_path, scene):
    refused(TileError, r"scene\.tif has no labels, give them with --labels", tmp_path, scene, [])


def test_an_image_without_a_mask(tmp_path):
    root = image_mask_folder(tmp_path / "masks")
    (root / "masks" / "part_1.png").unlink()
    refused(TileError, r"no mask for part_1\.jpg, expected a file", tmp_path, root, [])


def test_a_folder_without_masks(tmp_path):
    (tmp_path / "masks" / "images").mkdir(parents=True)
    refused(TileError, "has no folder with images/ and masks/", tmp_path, tmp_path / "masks", [])


def test_an_empty_folder_of_scenes(tmp_path):
    (tmp_path / "scenes").mkdir()
    vector = write_polygons(tmp_path / "fields.gpkg", FIELDS)
    refused(TileError, "no images in", tmp_path, tmp_path / "scenes", vector, settings=BY_NAME)


def test_a_folder_of_scenes_with_a_single_mask(tmp_path, labels):
    root = image_mask_folder(tmp_path / "masks")
    refused(TileError, "so labels must be one too", tmp_path, root / "images", labels)


def test_nothing_left(tmp_path, labels):
    scene = write_raster(tmp_path / "scene.tif", np.zeros((3, HEIGHT, WIDTH), "uint8"), nodata=0)
    match = r"no pixel of .*scene\.tif.* is both valid and labelled"
    refused(TileError, match, tmp_path, scene, labels)


def test_tiles_larger_than_any_scene(tmp_path, scene, labels):
    match = r"no tile of 101 px fits into .*scene\.tif, 100 x 130 px.*lower --size"
    refused(TileError, match, tmp_path, scene, labels, settings=TileSettings(size=101))


def test_labels_too_sparse_for_the_share_asked_for(tmp_path, scene):
    ground = np.full((HEIGHT, WIDTH), IGNORE_INDEX, np.uint8)
    ground[:8, :8] = 1
    labels = write_raster(tmp_path / "sparse.tif", ground[None])
    match = "no tile of 32 px has 50% valid and labelled pixels, the best has 6.25%, lower --min-"
    refused(TileError, match, tmp_path, scene, labels, settings=TileSettings(size=32))


def test_scenes_with_and_without_a_crs(tmp_path, scene, labels):
    other = write_raster(tmp_path / "other.tif", noise(), crs=None)
    match = r"scene\.tif has a CRS and .*other\.tif has none"
    refused(TileError, match, tmp_path, [scene, other], [labels, labels])


def test_a_failing_scene_is_named_whatever_the_workers(tmp_path, scene, labels):
    damaged = write_raster(tmp_path / "damaged.tif", noise())
    damaged.write_bytes(damaged.read_bytes()[:20000])
    for workers in (1, 4):
        refused(
            SceneError, r"cannot read .*damaged\.tif", tmp_path, [scene, damaged], [labels] * 2,
            workers=workers,
        )  # fmt: skip


def test_scenes_of_two_kinds(tmp_path, scene, labels):
    other = write_raster(tmp_path / "other.tif", noise(dtype="uint16"))
    match = r"has 3 bands of uint16, .*scene\.tif has 3 of uint8"
    refused(TileError, match, tmp_path, [scene, other], [labels, labels])


def test_a_truncated_scene_leaves_nothing_behind(tmp_path, scene, labels):
    content = scene.read_bytes()
    scene.write_bytes(content[: len(content) // 2])
    refused(SceneError, "truncated or damaged", tmp_path, scene, labels)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 0},
        {"stride": 0},
        {"min_valid": 1.1},
        {"val": 1.0},
        {"val": -0.1},
        {"split": "x"},
        {"balance": 0},
        {"store": "x"},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused_at_once(wrong):
    with pytest.raises(TileError):
        TileSettings(**wrong)


# The command line.


def parsed(arguments):
    return command.make_context("tile", ["scene.tif", "--out", "t", *arguments]).params


@pytest.mark.parametrize(
    "arguments",
    [
        "a.tif b.tif --labels a.png b.png --out t --size 64",
        "a.tif b.tif --labels a.png --labels b.png --size 64 --out t",
        "--out t --size 64 a.tif b.tif --labels a.png b.png",
    ],
)
def test_several_labels_may_follow_the_option(arguments):
    context = command.make_context("tile", arguments.split())
    assert context.params["scenes"] == ("a.tif", "b.tif")
    assert context.params["labels"] == ("a.png", "b.png")
    assert context.params["size"] == 64


@pytest.mark.parametrize(
    "arguments",
    [
        ["--labels", "hay/pasture=a.gpkg", "road=b.gpkg"],
        ["--labels", "hay/pasture=a.gpkg", "--labels", "road=b.gpkg"],
    ],
)
def test_label_files_may_have_a_class_each(arguments):
    assert parsed(arguments)["labels"] == {"hay/pasture": "a.gpkg", "road": "b.gpkg"}


def test_a_class_may_have_any_path_with_an_equals_sign():
    assert parsed(["--labels", "road=year=2020/b.gpkg"])["labels"] == {"road": "year=2020/b.gpkg"}


@pytest.mark.parametrize("text", ["/vsicurl/https://h/a.tif?b=c", "https://h/a.tif?b=c", "d=1.tif"])
def test_a_file_or_an_address_with_an_equals_sign_is_no_class(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d=1.tif").touch()
    assert parsed(["--labels", text])["labels"] == (text,)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--labels", "road=b.gpkg", "a.gpkg"], "'a.gpkg' has no class, but other files have one"),
        (["--labels", "road=a.gpkg", "road=b.gpkg"], "class 'road' has several files, merge them"),
    ],
)
def test_labels_of_two_kinds_are_refused(arguments, match):
    with pytest.raises(click.BadParameter, match=match):
        parsed(arguments)


def test_classes_and_background_on_the_command_line(tmp_path, scene):
    houses = write_polygons(tmp_path / "houses.gpkg", FIELDS[:1])
    roads = write_polygons(tmp_path / "roads.gpkg", FIELDS[1:], "EPSG:32639")
    done = commands.here(
        "tile", scene, "--labels", f"building={houses}", f"road={roads}", "--background", "other",
        "--size", 32, "--val", 0, "--no-preview", "--out", tmp_path / "tiles",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    tiles = open_tiles(tmp_path / "tiles")
    assert tiles.legend.names == ("building", "road", "other")
    expected = burnt([0, 1, 1])
    expected[expected == IGNORE_INDEX] = 2
    assert np.array_equal(pasted(tiles)[:96, :128], expected[:96, :128])


def test_a_scene_that_is_given_twice_counts_as_two(tmp_path):
    """Its tiles have the same rows and columns, but other labels."""
    scene = write_raster(tmp_path / "scene.tif", noise(3))
    labels = [
        write_raster(tmp_path / f"{value}.tif", np.full_like(classes(), value)[None])
        for value in (0, 1)
    ]
    tiles = cut([scene] * 2, labels, tmp_path / "tiles")
    assert len(np.unique(tiles.places, axis=0)) == len(tiles)
    assert sorted(set(tiles.places[:, 0].tolist())) == [0, 1]


def test_a_scene_without_crs_may_be_given_twice_with_a_split(tmp_path):
    scene = write_raster(tmp_path / "scene.tif", noise(3, 400, 400), **UNREFERENCED)
    labels = [
        write_raster(tmp_path / f"{n}.tif", np.roll(classes(400, 400), n, 0)[None], **UNREFERENCED)
        for n in range(2)
    ]
    settings = TileSettings(size=16, min_valid=0)  # by block
    tiles = cut([scene] * 2, labels, tmp_path / "tiles", settings)
    splits = np.array(tiles.splits).reshape(2, -1)
    assert (splits[0] == splits[1]).all()  # the same ground
    assert set(tiles.splits) == {"train", "val", "gap"}
