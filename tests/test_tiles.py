"""Labelled scenes into training tiles, and tiles back into arrays."""

import json

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.cli.tile import command
from geoseg.errors import GeosegError, LabelError, OutputError, SceneError, TileError
from geoseg.legend import DUBAI, LandCover, Legend
from geoseg.raster import pam_sidecar, read_whole
from geoseg.tiles import IGNORE, TileSettings, open_tiles, tile
from geoseg.tiles.split import assign
from tests.scenes import write_raster

HEIGHT, WIDTH = 100, 130
LEGEND = Legend.from_names(["water", "grass", "rock"])
PLACE = Affine(10, 0, 500000, 0, -10, 2800000)
UNREFERENCED = {"crs": None, "transform": None}
ALL = TileSettings(size=32, val=0, min_valid=0)
"""Tiles of 32 px, all of them for training."""


def noise(bands=3, height=HEIGHT, width=WIDTH, dtype="uint8"):
    return np.random.default_rng(0).integers(1, 200, (bands, height, width)).astype(dtype)


def classes(height=HEIGHT, width=WIDTH):
    """Class values 0, 1 and 2, in blocks of 10 px."""
    rows, cols = np.indices((height, width)) // 10
    return ((rows + 2 * cols) % 3).astype(np.uint8)


@pytest.fixture
def scene(tmp_path):
    return write_raster(tmp_path / "scene.tif", noise())


@pytest.fixture
def labels(tmp_path):
    return write_raster(tmp_path / "labels.tif", classes()[None])


def cut(scenes, labels, out, settings=ALL, **options):
    scenes, labels = ([p] if not isinstance(p, list) else p for p in (scenes, labels))
    return tile(scenes, labels, out=out, settings=settings, **{"legend": LEGEND, **options})


def pasted(tiles, shape=(HEIGHT, WIDTH)):
    """The masks of a tile set at their places in the scene; -1 where there is no tile."""
    canvas = np.full(shape, -1)
    index = geopandas.read_parquet(f"{tiles.folder}/tiles.parquet")
    for path, row, col in zip(tiles.store.masks, index["row"], index["col"], strict=True):
        mask = read_whole(path)[0][0]
        canvas[row : row + len(mask), col : col + len(mask)] = mask
    return canvas


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
        (LandCover(10, "a", "#000001"), LandCover(7, "b", "#000002"), LandCover(99, "c", "#000003"))
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
    assert (indices != IGNORE).all()


# Invalid in, not trained on.


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_invalid_pixels_are_not_labelled_and_masked_in_the_image(tmp_path, labels, dtype):
    pixels = noise(dtype=dtype)
    missing = 0 if dtype == "uint8" else np.nan
    pixels[:, 5:10, 40:50] = missing
    scene = write_raster(tmp_path / "scene.tif", pixels, nodata=missing)
    tiles = cut(scene, labels, tmp_path / "tiles")
    expected = np.where(np.isfinite(pixels[0]) & (pixels[0] != 0), classes(), IGNORE)
    assert np.array_equal(pasted(tiles)[:96, :128], expected[:96, :128])
    _, valid, indices = tiles.load("train")
    assert np.array_equal(valid[1], expected[:32, 32:64] != IGNORE)
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
    ground[:32, :32] = 77
    labels = write_raster(tmp_path / "labels.tif", ground[None])
    assert len(cut(scene, labels, tmp_path / "tiles", ALL)) == 11


# Where labels come from.


def test_values_beside_the_legend_are_not_labelled(tmp_path, scene):
    ground = classes()
    ground[3:6, 3:6] = 9
    labels = write_raster(tmp_path / "labels.tif", ground[None])
    found = pasted(cut(scene, labels, tmp_path / "tiles"))
    assert np.array_equal(found[:32, :32], np.where(ground == 9, IGNORE, ground)[:32, :32])


def test_the_nodata_value_of_labels_is_not_labelled(tmp_path, scene):
    labels = write_raster(tmp_path / "labels.tif", classes()[None], nodata=0)
    found = pasted(cut(scene, labels, tmp_path / "tiles"))
    assert np.array_equal(found[:32, :32], np.where(classes() == 0, IGNORE, classes())[:32, :32])


def painted(ground, colors, other=(0, 0, 0)):
    """A mask (3, height, width) of the colours of classes; ``other`` where there is none."""
    table = np.full((256, 3), other, np.uint8)
    table[: len(colors)] = colors
    return table[ground].transpose(2, 0, 1)


DUBAI_COLORS = [c.rgb for c in DUBAI.classes]


@pytest.mark.parametrize("other", [(0, 0, 0), (1, 2, 3)], ids=["black", "unknown"])
def test_colours_are_classes_and_other_colours_are_not_labelled(tmp_path, scene, other):
    ground = classes()
    ground[3:6, 3:6] = IGNORE
    mask = painted(ground, DUBAI_COLORS, other)
    labels = write_raster(tmp_path / "mask.png", mask, driver="PNG", **UNREFERENCED)
    tiles = cut(scene, labels, tmp_path / "tiles", legend=None)
    assert tiles.legend == DUBAI
    assert np.array_equal(pasted(tiles)[:32, :32], ground[:32, :32])


def test_transparent_parts_of_a_colour_mask_are_not_labelled(tmp_path, scene):
    alpha = np.where(classes() == 1, 0, 255).astype(np.uint8)
    mask = np.concatenate([painted(classes(), DUBAI_COLORS), alpha[None]])
    labels = write_raster(tmp_path / "mask.png", mask, driver="PNG", **UNREFERENCED)
    found = pasted(cut(scene, labels, tmp_path / "tiles", legend=None))
    assert np.array_equal(found[:32, :32], np.where(classes() == 1, IGNORE, classes())[:32, :32])


def write_palette(path, indices, colors, **profile):
    write_raster(path, indices[None], **profile)
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, dict(enumerate(colors)))
    return path


def test_a_palette_is_read_by_colour_and_not_by_its_order(tmp_path, scene):
    colors = [(0, 0, 0), *DUBAI_COLORS[::-1]]  # class 0 has index 6
    labels = write_palette(tmp_path / "mask.tif", 6 - classes(), colors)
    tiles = cut(scene, labels, tmp_path / "tiles", legend=None)
    assert tiles.legend == DUBAI
    assert np.array_equal(pasted(tiles)[:32, :32], classes()[:32, :32])


def test_a_palette_of_other_colours_is_a_legend_with_the_names_beside_it(tmp_path, scene):
    legend = Legend((LandCover(1, "sand", "#aa0000"), LandCover(2, "scrub", "#00bb00")))
    labels = write_palette(tmp_path / "map.tif", classes(), [(0, 0, 0), (170, 0, 0), (0, 187, 0)])
    labels.with_name("map.tif.aux.xml").write_text(pam_sidecar(legend, [1, 1]))
    tiles = cut(scene, labels, tmp_path / "tiles", legend=None)
    assert tiles.legend == legend
    assert np.array_equal(
        pasted(tiles)[:32, :32], np.where(classes() == 0, IGNORE, classes())[:32, :32]
    )


def write_polygons(path, rows, crs="EPSG:4326"):
    """Vector labels; each row has rows and columns of a rectangle (px), and the class."""
    boxes = [
        None if extent is None else shapely.box(
            500000 + 10 * extent[1], 2800000 - 10 * extent[2],
            500000 + 10 * extent[3], 2800000 - 10 * extent[0],
        )
        for extent, _ in rows
    ]  # fmt: skip
    data = {"kind": [name for _, name in rows]}
    frame = geopandas.GeoDataFrame(data, geometry=boxes, crs="EPSG:32640").to_crs(crs)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_file(path)
    return path


BY_NAME = TileSettings(size=32, val=0, min_valid=0, class_field="kind")
# (first row, first column, end row, end column), class
FIELDS = [((0, 0, 20, 30), "grass"), ((10, 10, 20, 64), " Rock "), ((40, 0, 50, 10), "WATER")]


def burnt(values):
    ground = np.full((HEIGHT, WIDTH), IGNORE)
    for (extent, _), value in zip(FIELDS, values, strict=True):
        ground[extent[0] : extent[2], extent[1] : extent[3]] = value
    return ground


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".parquet", ".shp"])
def test_vectors_of_another_crs_are_burnt_by_class_name(tmp_path, scene, suffix):
    vector = write_polygons(tmp_path / f"fields{suffix}", FIELDS)
    found = pasted(cut(scene, vector, tmp_path / "tiles", BY_NAME))
    # A later feature covers an earlier one, and ground without a feature is not labelled.
    assert np.array_equal(found[found >= 0], burnt([1, 2, 0])[found >= 0])


def test_names_without_a_legend_are_numbered_in_alphabetical_order(tmp_path, scene):
    vector = write_polygons(tmp_path / "fields.gpkg", FIELDS)
    tiles = cut(scene, vector, tmp_path / "tiles", BY_NAME, legend=None)
    assert tiles.legend.names == ("Rock", "WATER", "grass")
    found = pasted(tiles)
    assert np.array_equal(found[found >= 0], burnt([2, 0, 1])[found >= 0])


@pytest.mark.parametrize("legend", [None, Legend.from_names(list("abcdefghijkl"))])
def test_numbers_are_class_values_with_a_legend_or_without(tmp_path, scene, legend):
    rows = [(extent, number) for (extent, _), number in zip(FIELDS, [3, 11, 4], strict=True)]
    vector = write_polygons(tmp_path / "fields.gpkg", rows)
    tiles = cut(scene, vector, tmp_path / "tiles", BY_NAME, legend=legend)
    assert legend is not None or tiles.legend.values == (3, 4, 11)
    assert legend is not None or tiles.legend.names == ("3", "4", "11")
    found = pasted(tiles)
    assert np.array_equal(found[found >= 0], burnt([3, 11, 4])[found >= 0])


def test_features_without_a_class_or_a_geometry_are_left_out(tmp_path, scene):
    rows = [*FIELDS, ((0, 0, 50, 50), None), (None, "grass")]
    vector = write_polygons(tmp_path / "fields.gpkg", rows)
    found = pasted(cut(scene, vector, tmp_path / "tiles", BY_NAME))
    assert np.array_equal(found[found >= 0], burnt([1, 2, 0])[found >= 0])


def test_one_vector_file_serves_all_scenes(tmp_path):
    folder = tmp_path / "scenes"
    folder.mkdir()
    for name, col in (("a", 0), ("b", 50)):
        place = PLACE @ Affine.translation(col, 0)
        write_raster(folder / f"{name}.tif", noise(3, 32, 32), transform=place)
    vector = write_polygons(tmp_path / "fields.gpkg", FIELDS)
    tiles = cut(folder, vector, tmp_path / "tiles", BY_NAME)
    assert tiles.scenes == ("a", "b")
    masks = [read_whole(mask)[0][0] for mask in tiles.store.masks]
    assert np.array_equal(masks[0], burnt([1, 2, 0])[:32, :32])
    assert np.array_equal(masks[1], burnt([1, 2, 0])[:32, 50:82])


# Folders of images and masks.


def lab_folder(root, groups=("",), count=2, size=64, gray=True):
    """images/ and masks/ in each group, as in the lab (grey class ids) or in Dubai (colours)."""
    for group in groups:
        for kind in ("images", "masks"):
            (root / group / kind).mkdir(parents=True)
        for number in range(count):
            image, mask = (root / group / kind / f"part_{number}" for kind in ("images", "masks"))
            pixels, ground = noise(3, size, size), classes(size, size)
            write_raster(image.with_suffix(".jpg"), pixels, driver="JPEG", **UNREFERENCED)
            mask_pixels = ground[None] if gray else painted(ground, DUBAI_COLORS)
            write_raster(mask.with_suffix(".png"), mask_pixels, driver="PNG", **UNREFERENCED)
    return root


def test_the_folders_of_dubai_are_found_and_named_by_tile(tmp_path):
    root = lab_folder(tmp_path / "dubai", ("Tile 1", "Tile 2", "Tile 3"), gray=False)
    (root / "Tile 1" / "images" / "._part_0.jpg").write_bytes(b"left by a file manager")
    (root / "classes.json").write_text("{}")
    tiles = cut(root, [], tmp_path / "tiles", legend=None)
    assert len(tiles) == 3 * 2 * 4
    assert set(tiles.scenes) == {"Tile 1", "Tile 2", "Tile 3"}
    assert tiles.legend == DUBAI
    assert tiles.pixel_size is None
    assert np.array_equal(tiles.load("train")[2][0], classes()[:32, :32])


def test_the_tiles_of_the_lab_are_used_as_they_are(tmp_path):
    tiles = open_tiles(lab_folder(tmp_path / "lab", size=32))
    assert (len(tiles), tiles.size, tiles.legend) == (2, 32, DUBAI)
    tiles = tiles.split_again("random", 0, seed=0)
    images, valid, indices = tiles.load("train")
    assert images.shape == (2, 3, 32, 32)
    assert valid.all()
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
    tiles = open_tiles(tmp_path).split_again("random", 0, seed=0)
    _, valid, indices = tiles.load("train")
    for number in (0, 1):
        assert np.array_equal(valid[number], pixels[0] > 0)
        assert np.array_equal(indices[number] == IGNORE, pixels[0] == 0)


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
        tiles = open_tiles(tmp_path / "tiles", LEGEND).split_again("random", 0, seed=0)
    odd = (tiles.store.images if file == "images" else tiles.store.masks)[-1]
    write_raster(odd, pixels)
    with pytest.raises(GeosegError, match=message) as error:
        tiles.load("train")
    assert odd in str(error.value)
    assert "\n" not in str(error.value)


# Training and validation.


@st.composite
def layouts(draw):
    """Scene number, first row and first column of each tile of a few scenes, and the tile size."""
    size = draw(st.sampled_from([8, 16, 32]))
    stride = draw(st.sampled_from([size // 2, size, size + 3]))
    places = []
    for number in range(draw(st.integers(1, 3))):
        rows, cols = draw(st.integers(1, 14)), draw(st.integers(1, 14))
        keep = draw(st.integers(1, 4))  # of four tiles, where the others are nodata
        grid = [(number, r * stride, c * stride) for r in range(rows) for c in range(cols)]
        places += [p for i, p in enumerate(grid) if i * 7 % 4 < keep]
    return np.array(places).T, size


@settings(deadline=None, max_examples=100)
@given(layouts(), st.floats(0.05, 0.6), st.integers(0, 9))
def test_blocks_keep_training_a_tile_away_from_validation(layout, val, seed):
    (scene, row, col), size = layout
    try:
        split = assign(scene, row, col, size=size, how="block", val=val, seed=seed)
    except TileError:
        return  # too little to split
    train, held = np.flatnonzero(split == "train"), np.flatnonzero(split == "val")
    assert len(train)
    assert len(held)
    same = scene[train, None] == scene[held]
    apart = np.maximum(np.abs(row[train, None] - row[held]), np.abs(col[train, None] - col[held]))
    between = apart - size  # pixels between the one and the other
    assert (between[same] >= size).all()
    for gap in np.flatnonzero(split == "gap"):  # none is set aside without need
        near = (scene == scene[gap]) & (split == "val")
        away = np.maximum(np.abs(row[near] - row[gap]), np.abs(col[near] - col[gap]))
        assert away.min() - size < size


def grid_of(side, scenes=1):
    index = np.arange(side * side * scenes)
    number, place = index // side**2, index % side**2
    return number, place // side * 16, place % side * 16


@pytest.mark.parametrize("how", ["block", "scene", "random"])
@pytest.mark.parametrize("val", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_share_for_validation_is_about_what_was_asked_for(how, val, seed):
    scene, row, col = grid_of(16, scenes=20)
    split = assign(scene, row, col, size=16, how=how, val=val, seed=seed)
    assert (split == "val").mean() == pytest.approx(val, abs=0.03)
    again = assign(scene, row, col, size=16, how=how, val=val, seed=seed)
    assert np.array_equal(split, again)


def test_a_scene_is_not_divided_by_a_split_of_scenes():
    scene, row, col = grid_of(4, scenes=8)
    split = assign(scene, row, col, size=16, how="scene", val=0.25, seed=0)
    assert all(len(set(split[scene == number])) == 1 for number in range(8))
    assert set(split) == {"train", "val"}


def test_folders_of_images_are_not_divided_by_a_split_of_scenes(tmp_path):
    root = lab_folder(tmp_path / "lab", ("Tile 1", "Tile 2", "Tile 3"))
    wanted = TileSettings(size=32, split="scene", val=0.3, min_valid=0)
    tiles = cut(root, [], tmp_path / "tiles", wanted)
    kinds = {(scene, split) for scene, split in zip(tiles.scenes, tiles.splits, strict=True)}
    assert len(kinds) == 3
    assert (tiles.count("train"), tiles.count("val")) == (16, 8)


def test_without_validation_all_tiles_train():
    scene, row, col = grid_of(4)
    split = assign(scene, row, col, size=16, how="block", val=0, seed=0)
    assert set(split) == {"train"}


@pytest.mark.parametrize("how", ["block", "scene"])
def test_too_little_to_split_is_said_with_a_way_out(how):
    scene, row, col = grid_of(4)
    with pytest.raises(TileError, match=rf"16 tiles in 1 {how}s cannot be split.*--split random"):
        assign(scene, row, col, size=16, how=how, val=0.25, seed=0)


def test_tiles_can_be_split_again_but_not_by_blocks(tmp_path):
    tiles = open_tiles(lab_folder(tmp_path / "lab", ("a", "b"), count=6, size=32))
    assert tiles.split_again("random", 0.25, seed=0).count("val") == 3
    assert tiles.split_again("scene", 0.5, seed=0).count("val") == 6
    with pytest.raises(TileError, match="geoseg tile --split block"):
        tiles.split_again("block", 0.25, seed=0)


# What is refused, in one sentence, and leaves nothing behind.


def refused(error_type, match, tmp_path, *arguments, **options):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error_type, match=match) as error:
        cut(*arguments, tmp_path / "tiles", **options)
    assert "\n" not in str(error.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_more_scenes_than_labels(tmp_path, scene, labels):
    refused(TileError, "2 scenes but 1 labels, give one --labels", tmp_path, [scene] * 2, labels)


def test_a_scene_without_labels(tmp_path, scene):
    refused(TileError, r"scene\.tif has no labels, give them with --labels", tmp_path, scene, [])


def test_an_image_without_a_mask(tmp_path):
    root = lab_folder(tmp_path / "lab")
    (root / "masks" / "part_1.png").unlink()
    refused(TileError, r"no mask for part_1\.jpg, expected a file", tmp_path, root, [])


def test_a_folder_without_masks(tmp_path):
    (tmp_path / "lab" / "images").mkdir(parents=True)
    refused(TileError, "holds no images/ folder with masks/", tmp_path, tmp_path / "lab", [])


def test_an_empty_folder_of_scenes(tmp_path):
    (tmp_path / "scenes").mkdir()
    vector = write_polygons(tmp_path / "fields.gpkg", FIELDS)
    refused(TileError, "no images in", tmp_path, tmp_path / "scenes", vector, settings=BY_NAME)


def test_a_folder_of_scenes_with_a_single_mask(tmp_path, labels):
    root = lab_folder(tmp_path / "lab")
    refused(TileError, "so labels must be one too", tmp_path, root / "images", labels)


def test_labels_of_another_size(tmp_path, scene):
    labels = write_raster(tmp_path / "labels.tif", classes(50, 60)[None])
    refused(LabelError, r"are 50 x 60 px, scene .* is 100 x 130", tmp_path, scene, labels)


@pytest.mark.parametrize(
    "place",
    [
        {"transform": PLACE @ Affine.translation(0.5, 0)},
        {"transform": PLACE @ Affine.scale(1.01)},
        {"crs": "EPSG:32639"},
        {"crs": "EPSG:4326"},
        {"crs": 'LOCAL_CS["site",UNIT["metre",1]]'},
    ],
    ids=["shifted", "scaled", "zone", "degrees", "local"],
)
def test_labels_on_another_grid(tmp_path, scene, place):
    labels = write_raster(tmp_path / "labels.tif", classes()[None], **place)
    refused(LabelError, "lie on different grids, bring them onto one", tmp_path, scene, labels)


def test_labels_on_the_same_grid_but_for_noise_in_the_numbers(tmp_path, scene):
    nearly = PLACE @ Affine.translation(1e-4, 0)
    same = 'PROJCS["by hand",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",57],PARAMETER["scale_factor",0.9996],PARAMETER["false_easting",500000],PARAMETER["false_northing",0],UNIT["metre",1]]'  # noqa: E501
    labels = write_raster(tmp_path / "labels.tif", classes()[None], transform=nearly, crs=same)
    assert len(cut(scene, labels, tmp_path / "tiles")) == 12


def test_a_class_raster_without_a_legend(tmp_path, scene, labels):
    refused(
        LabelError, "have no palette, name their classes with --legend",
        tmp_path, scene, labels, legend=None,
    )  # fmt: skip


def test_a_legend_that_is_not_there(tmp_path, scene, labels):
    refused(
        LabelError, r"legend .*gone\.csv does not exist",
        tmp_path, scene, labels, legend=tmp_path / "gone.csv",
    )  # fmt: skip


@pytest.mark.parametrize("field", [None, "crop"])
def test_vectors_without_the_class_field(tmp_path, scene, field):
    vector = write_polygons(tmp_path / "fields.gpkg", FIELDS)
    wanted = TileSettings(size=32, class_field=field)
    match = "need --class-field, one of: kind"
    refused(LabelError, match, tmp_path, scene, vector, settings=wanted)


@pytest.mark.parametrize(
    ("label", "match"),
    [
        ("lava", r"'lava' is not in the legend \(water, grass, rock\)"),
        (7, "class 7 is not in the legend"),
        (1.5, "class 1.5 is not in the legend"),
    ],
)
def test_vectors_of_a_class_beside_the_legend(tmp_path, scene, label, match):
    vector = write_polygons(tmp_path / "fields.gpkg", [((0, 0, 50, 50), label)])
    refused(LabelError, match, tmp_path, scene, vector, settings=BY_NAME)


@pytest.mark.parametrize("label", [255, -1, 1.5])
def test_numbers_that_can_be_no_class_value(tmp_path, scene, label):
    vector = write_polygons(tmp_path / "fields.gpkg", [((0, 0, 50, 50), label)])
    refused(LabelError, str(label), tmp_path, scene, vector, settings=BY_NAME, legend=None)


def test_a_table_without_geometries(tmp_path, scene):
    (tmp_path / "fields.geojson").write_text(
        '{"type":"FeatureCollection","features":'
        '[{"type":"Feature","properties":{"kind":"rock"},"geometry":null}]}'
    )
    refused(
        LabelError, "hold no (geometries|feature)",
        tmp_path, scene, tmp_path / "fields.geojson", settings=BY_NAME,
    )  # fmt: skip


def test_a_damaged_vector_file(tmp_path, scene):
    (tmp_path / "fields.gpkg").write_text("nothing of the kind")
    vector = tmp_path / "fields.gpkg"
    refused(LabelError, r"cannot read labels .*fields\.gpkg", tmp_path, scene, vector)


def test_vectors_for_a_scene_without_crs(tmp_path):
    scene = write_raster(tmp_path / "scene.tif", noise(), crs=None)
    vector = write_polygons(tmp_path / "fields.gpkg", FIELDS)
    refused(LabelError, "have no CRS, assign it", tmp_path, scene, vector, settings=BY_NAME)


def test_nothing_left(tmp_path, labels):
    scene = write_raster(tmp_path / "scene.tif", np.zeros((3, HEIGHT, WIDTH), "uint8"), nodata=0)
    match = "no tile of 32 px has 0% valid and labelled pixels, lower --min-valid or --size"
    refused(TileError, match, tmp_path, scene, labels)


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
    [{"size": 0}, {"stride": 0}, {"min_valid": 1.1}, {"val": 1.0}, {"val": -0.1}, {"split": "x"}],
    ids=str,
)
def test_settings_out_of_range_are_refused_at_once(wrong):
    with pytest.raises(TileError):
        TileSettings(**wrong)


def test_an_existing_set_is_replaced_only_on_request(tmp_path, scene, labels):
    cut(scene, labels, tmp_path / "tiles")
    with pytest.raises(OutputError, match="exists, use -f to replace it"):
        cut(scene, labels, tmp_path / "tiles")
    wider = TileSettings(size=64, val=0)
    assert len(cut(scene, labels, tmp_path / "tiles", wider, overwrite=True)) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["labels.tif", "scene.tif", "tiles"]


def test_a_set_that_cannot_be_replaced_stays(tmp_path, scene, labels):
    made = cut(scene, labels, tmp_path / "tiles")
    huge = TileSettings(size=1000)
    refused(TileError, "no tile", tmp_path, scene, labels, settings=huge, overwrite=True)
    assert open_tiles(tmp_path / "tiles") == made


def test_a_folder_that_is_no_tile_set_is_never_replaced(tmp_path, scene, labels):
    (tmp_path / "tiles").mkdir()
    (tmp_path / "tiles" / "thesis.txt").write_text("years of work")
    match = "is not a tile set, so -f does not replace it"
    refused(OutputError, match, tmp_path, scene, labels, overwrite=True)


def test_a_damaged_set_is_named(tmp_path, scene, labels):
    cut(scene, labels, tmp_path / "tiles")
    (tmp_path / "tiles" / "tiles.parquet").write_bytes(b"PAR1")
    with pytest.raises(TileError, match=r"tiles is damaged \(.*tile the scenes again"):
        open_tiles(tmp_path / "tiles")


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(TileError, match="gone does not exist"):
        open_tiles(tmp_path / "gone")


def test_images_that_are_no_tiles_are_refused_with_a_way_out(tmp_path):
    root = lab_folder(tmp_path / "lab", size=64)
    write_raster(root / "images" / "part_0.jpg", noise(3, 40, 50), driver="JPEG", **UNREFERENCED)
    with pytest.raises(TileError, match=r"40 x 50 px, not a square tile, cut tiles first: geoseg"):
        open_tiles(root)


def test_a_summary_is_json(tmp_path, scene, labels):
    data = json.loads(json.dumps(cut(scene, labels, tmp_path / "tiles").to_dict()))
    assert (data["tiles"], data["splits"], data["size"]) == (12, {"train": 12}, 32)
    assert [c["name"] for c in data["classes"]] == ["water", "grass", "rock"]


# The command line.


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
