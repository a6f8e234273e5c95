"""Tiles of products, stacks and STAC items: what `classify` reads, `tile` reads too."""

import json
from dataclasses import replace

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

import geoseg
from geoseg.errors import SceneError, TileError
from geoseg.grid import bounds
from geoseg.legend import Legend
from geoseg.raster import Scene, Stack, open_scene, read_window
from geoseg.tiles import IGNORE_INDEX, TileSettings, open_tiles
from geoseg.tiles.cut.read_batches import plan_read_batches
from tests.support.commands import here, refused
from tests.support.products import (
    MARGIN,
    NORTH,
    WEST,
    write_band,
    write_landsat,
    write_safe,
    write_stac_item,
)
from tests.support.rasters import write_raster
from tests.support.refusals import refusal
from tests.support.servers import web
from tests.support.tilesets import cut
from tests.support.training import one_thread, run  # noqa: F401 - a fixture

SIZE = 16
LEGEND = Legend.from_names(["water", "grass"])
WHOLE = TileSettings(size=SIZE, val=0, min_valid=0)
CRS = "EPSG:32631"


@pytest.fixture(scope="module")
def safe(tmp_path_factory):
    return write_safe(tmp_path_factory.mktemp("safe"))


def ground(pixel, size=1200):
    """Two classes in blocks of 60 m."""
    rows, cols = np.indices((size // pixel, size // pixel)) // (60 // pixel)
    return ((rows + cols) % 2).astype(np.uint8)


def label_raster(path, pixel=10, size=1200, labels=None):
    labels = ground(pixel, size) if labels is None else labels
    transform = Affine(pixel, 0, WEST, 0, -pixel, NORTH)
    return write_raster(path, labels[None], crs=CRS, transform=transform)


def label_polygons(path, size=1200):
    """The western half is water, the eastern half grass."""
    half = size // 2
    halves = [shapely.box(WEST + x, NORTH - size, WEST + x + half, NORTH) for x in (0, half)]
    frame = geopandas.GeoDataFrame({"kind": LEGEND.names}, geometry=halves, crs=CRS)
    frame.to_crs("EPSG:4326").to_file(path)
    return path


def tiles_of(scenes, labels, out, **changes):
    return cut(scenes, labels, out, replace(WHOLE, **changes), legend=LEGEND)


def check_pixels(tiles, scene):
    """Each tile has the pixels of its window of the scene, and no labels on invalid pixels."""
    index = geopandas.read_parquet(f"{tiles.folder}/tiles.parquet")
    images, valid, labels = tiles.load("train")
    pixels, expected = read_window(scene, scene.window)
    for number, (row, col) in enumerate(zip(index["row"], index["col"], strict=True)):
        place = slice(row, row + SIZE), slice(col, col + SIZE)
        assert np.array_equal(valid[number], expected[place])
        inside = expected[place]
        assert np.array_equal(images[number][:, inside], pixels[:, *place][:, inside])
        assert (labels[number][~inside] == IGNORE_INDEX).all()
    return index


@pytest.mark.parametrize("make", [write_safe, write_landsat, write_stac_item])
def test_a_product_is_cut_by_the_names_of_its_bands(tmp_path, make):
    product = make(tmp_path / "product")
    labels = label_raster(tmp_path / "labels.tif")
    tiles = tiles_of(product, labels, tmp_path / "tiles", bands=("nir", "red", "swir16"))
    scene = open_scene(str(product)).with_bands(("nir", "red", "swir16"))
    index = check_pixels(tiles, scene)
    assert tiles.band_names == scene.band_names
    assert tiles.dtype == "uint16"
    assert tiles.pixel_size == pytest.approx(scene.pixel_size)
    assert set(index["scene"]) == {str(product)}
    assert set(index["group"]) == {product.stem}
    assert index["tile"][0].startswith(product.stem)
    rows = MARGIN // round(scene.transform[0])
    assert not read_window(scene, scene.window)[1][:rows].any()


def test_the_metadata_file_and_the_folder_are_one_scene(tmp_path, safe):
    labels = label_raster(tmp_path / "labels.tif")
    of_folder, of_file = (
        tiles_of(path, labels, tmp_path / name, bands=("red", "nir"))
        for path, name in ((safe, "a"), (safe / "MTD_MSIL2A.xml", "b"))
    )
    assert of_folder.checksums == of_file.checksums


def test_a_folder_of_products_is_a_folder_of_scenes(tmp_path):
    for offset in (None, -1000):
        write_safe(tmp_path / "scenes", size=600, offset=offset)
    vector = label_polygons(tmp_path / "labels.gpkg", size=600)
    settings = {"bands": ("red",), "class_field": "kind"}
    tiles = tiles_of(tmp_path / "scenes", vector, tmp_path / "tiles", **settings)
    stems = {path.stem for path in (tmp_path / "scenes").iterdir()}
    assert set(tiles.groups) == stems
    assert len(stems) == 2


def test_scenes_of_one_name_get_the_names_of_their_folders_too(tmp_path):
    items = [write_stac_item(tmp_path / name, size=600) for name in ("a", "b")]
    labels = label_raster(tmp_path / "labels.tif", size=600)
    settings = {"bands": ("red",), "split": "scene", "val": 0.5}
    with pytest.raises(TileError, match="a scene split has nothing to train on"):
        tiles_of(items, [labels] * 2, tmp_path / "same ground", **settings)
    tiles = tiles_of(items, [labels] * 2, tmp_path / "tiles", bands=("red",))
    assert set(tiles.groups) == {"a_item", "b_item"}
    assert {name.rsplit("_", 2)[0] for name in tiles.names} == {"a_item", "b_item"}


@pytest.fixture
def bands(tmp_path):
    """Files of one scene: 10 m and 20 m."""
    folder = tmp_path / "bands"
    folder.mkdir()
    sizes = {"red": 10, "nir": 10, "swir": 20}
    return [
        write_band(folder / f"{name}.tif", number, 1200, pixel, nodata=0)
        for number, (name, pixel) in enumerate(sizes.items())
    ]


def test_a_stack_is_one_scene(tmp_path, bands):
    labels = label_raster(tmp_path / "labels.tif")
    stack = Stack(tuple(map(str, bands)))
    tiles = tiles_of([stack], labels, tmp_path / "tiles")
    index = check_pixels(tiles, open_scene(stack))
    assert len(tiles.band_names) == 3
    assert set(index["scene"]) == {stack.name}
    assert set(index["group"]) == {"red"}


def test_a_folder_is_many_scenes_or_a_stack(tmp_path, bands):
    """Without --stack each file is a scene; with it, they are its bands, named by their files."""
    folder = bands[0].parent
    vector = label_polygons(tmp_path / "labels.gpkg")
    command = [
        "tile", folder, "--labels", vector, "--class-field", "kind", "--size", SIZE, "--val", 0,
        "--no-preview", "--out",
    ]  # fmt: skip
    assert here(*command, tmp_path / "many").returncode == 0
    assert set(open_tiles(tmp_path / "many").groups) == {"red", "nir", "swir"}
    done = here(*command, tmp_path / "one", "--stack", "--bands", "swir,red")
    assert done.returncode == 0, done.stderr
    tiles = open_tiles(tmp_path / "one")
    assert tiles.band_names == ("swir", "red")
    assert set(tiles.groups) == {"bands"}
    check_pixels(tiles, open_scene(str(folder)).with_bands(("swir", "red")))


def test_a_mosaic_is_refused(tmp_path, bands):
    with refusal(TileError, r"mosaic of .*red\.tif and 1 more cannot be cut", tmp_path):
        tiles_of([geoseg.Mosaic(tuple(map(str, bands[:2])))], ["x.tif"], tmp_path / "tiles")


def test_a_stack_has_all_bands_of_a_file_of_several(tmp_path, bands):
    colours = np.stack([np.full((120, 120), value, np.uint16) for value in (1, 2, 3)])
    place = {"crs": CRS, "transform": Affine(10, 0, WEST, 0, -10, NORTH)}
    optical = write_raster(tmp_path / "optical.tif", colours, photometric="rgb", **place)
    labels = label_raster(tmp_path / "labels.tif")
    stack = Stack((str(optical), str(bands[0])))
    tiles = tiles_of([stack], labels, tmp_path / "tiles")
    assert tiles.band_names == ("optical_1", "optical_2", "optical_3", "red")  # as two are red
    images, valid, _ = tiles.load("train")
    assert (images.transpose(0, 2, 3, 1)[valid][:, :3] == [1, 2, 3]).all()


# Reflectance.


def test_reflectance_is_the_stored_value_times_scale_plus_offset(tmp_path, safe):
    labels = label_raster(tmp_path / "labels.tif")
    tiles = tiles_of(safe, labels, tmp_path / "tiles", bands=("nir", "red"), reflectance=True)
    stored = tiles_of(safe, labels, tmp_path / "stored", bands=("nir", "red"))
    values, valid, indices = tiles.load("train")
    numbers, stored_valid, stored_indices = stored.load("train")
    assert tiles.dtype == values.dtype == "float32"
    assert np.array_equal(valid, stored_valid)
    assert np.array_equal(indices, stored_indices)
    assert not valid.all()
    where = np.broadcast_to(valid[:, None], values.shape)
    assert np.allclose(values[where], numbers[where] * 1e-4 - 0.1, atol=1e-6)


def test_a_stack_with_a_band_of_floats_holds_physical_values(tmp_path, safe):
    """`classify` reads it so too, because the model is one of floats."""
    heights = np.full((1, 120, 120), 250.0, np.float32)
    transform = Affine(10, 0, WEST, 0, -10, NORTH)
    dem = write_raster(tmp_path / "dem.tif", heights, crs=CRS, transform=transform)
    labels = label_raster(tmp_path / "labels.tif")
    stack = Stack((str(safe), str(dem)))
    tiles = tiles_of([stack], labels, tmp_path / "tiles", bands=("red", 13))
    images, valid, _ = tiles.load("train")
    assert tiles.dtype == "float32"
    assert images[:, 0][valid].max() < 1
    assert (images[:, 1][valid] == 250).all()


def test_bands_of_one_file_with_nodata_in_one_of_them_are_invalid_as_reflectance(tmp_path):
    """A value of reflectance cannot be missing in one band only."""
    pixels = np.full((2, 32, 32), 3000, np.uint16)
    pixels[0, :, 20:] = 0
    path = write_raster(tmp_path / "two.tif", pixels, nodata=0)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (1e-4, 1e-4), (-0.1, -0.1)
    labels = write_raster(tmp_path / "labels.tif", ground(30, 960)[None])
    tiles = tiles_of([Stack((str(path),))], labels, tmp_path / "tiles", reflectance=True)
    images, valid, indices = tiles.load("train")
    assert np.isfinite(images.transpose(0, 2, 3, 1)[valid]).all()
    assert valid.sum() == 32 * 20
    assert np.array_equal(indices != IGNORE_INDEX, valid)


def test_reflectance_needs_a_scale(tmp_path, bands):
    labels = label_raster(tmp_path / "labels.tif")
    for scene in (str(bands[0]), Stack(tuple(map(str, bands)))):
        with refusal(TileError, r"red\.tif.* has no scale .*--reflectance", tmp_path):
            tiles_of([scene], labels, tmp_path / "tiles", reflectance=True)


def test_a_model_of_reflectance_reads_scenes_of_any_baseline(tmp_path):
    """The same ground has the same labels, with the offset of baseline 04.00 and without."""
    new = write_safe(tmp_path / "new", size=600, offset=-1000, added=1000)
    old = write_safe(tmp_path / "old", size=600, offset=None)
    bands = ("red", "nir", "swir16")
    scene = open_scene(str(old)).with_bands(("nir",))
    classes = (read_window(scene, scene.window)[0][0] > 5000).astype(np.uint8)
    labels = label_raster(tmp_path / "labels.tif", labels=classes)
    tiles = tiles_of(new, labels, tmp_path / "tiles", bands=bands, reflectance=True)
    model = run(tiles, tmp_path / "m.safetensors", epochs=12, lr=0.01, dropout=0.0)
    assert model.dtype == "float32"
    assert max(model.spec.scaling.high) < 1.1
    maps = []
    settings = geoseg.ClassifySettings(overlap=4)
    for safe in (new, old):
        out = tmp_path / f"{safe.parent.name}.tif"
        geoseg.classify(str(safe), out, model=model.path, settings=settings)
        with rasterio.open(out) as file:
            maps.append(file.read(1))
    assert np.array_equal(*maps)
    assert set(np.unique(maps[0])) == {0, 1, 255}


# Resolution.


@pytest.mark.parametrize("metres", [20, 15.0, 6])
def test_tiles_have_the_pixel_size_that_is_asked_for(tmp_path, safe, metres):
    labels = label_raster(tmp_path / "labels.tif")
    tiles = tiles_of(safe, labels, tmp_path / "tiles", bands=("nir", "red"), resolution=metres)
    side = round(1200 / metres)
    scene = open_scene(str(safe)).with_bands(("nir", "red")).resize(side, side)
    check_pixels(tiles, scene)
    assert tiles.pixel_size == pytest.approx(metres, rel=0.01)
    metadata = json.loads((tmp_path / "tiles" / "tiles.json").read_text())
    assert metadata["pixel_size"] == tiles.pixel_size


@pytest.mark.parametrize("kind", ["raster", "vector"])
def test_labels_lie_on_the_grid_of_the_resampled_scene(tmp_path, safe, kind):
    """Pixels of 20 m have the class at their centre."""
    if kind == "raster":
        labels = label_raster(tmp_path / "labels.tif")
        expected = ground(10)[1::2, 1::2]
        settings = {}
    else:
        labels = label_polygons(tmp_path / "labels.gpkg")
        expected = (np.indices((60, 60))[1] >= 30).astype(np.uint8)
        settings = {"class_field": "kind"}
    tiles = tiles_of(safe, labels, tmp_path / "t", bands=("red",), resolution=20, **settings)
    index = geopandas.read_parquet(tmp_path / "t" / "tiles.parquet")
    _, valid, values = tiles.load("train")
    for number, (row, col) in enumerate(zip(index["row"], index["col"], strict=True)):
        of_tile = np.where(
            valid[number], expected[row : row + SIZE, col : col + SIZE], IGNORE_INDEX
        )
        assert np.array_equal(values[number], of_tile)


def test_a_resolution_needs_a_pixel_size(tmp_path):
    scene = write_raster(tmp_path / "scene.tif", np.ones((1, 40, 40), "u1"), crs=None)
    labels = write_raster(tmp_path / "labels.tif", ground(30)[None], crs=None)
    with refusal(SceneError, r"scene\.tif has no CRS on the earth.*--resolution", tmp_path):
        tiles_of(scene, labels, tmp_path / "tiles", resolution=5)


@pytest.mark.parametrize("metres", [0, -1.0, float("inf"), float("nan")])
def test_a_resolution_is_above_0(metres):
    with pytest.raises(TileError, match=r"resolution is .* m, it must be above 0"):
        TileSettings(resolution=metres)


# Refused, on the command line.


def message(tmp_path, *arguments):
    """The one sentence of a refusal, which leaves nothing behind."""
    labels = label_raster(tmp_path / "labels.tif")
    before = sorted(tmp_path.rglob("*"))
    sentence = refused(here("tile", "--labels", labels, "--out", tmp_path / "tiles", *arguments))
    assert sorted(tmp_path.rglob("*")) == before
    return sentence


def test_a_missing_band_is_named_with_what_there_is(tmp_path, safe):
    sentence = message(tmp_path, safe, "--bands", "red,pan")
    assert "(coastal, blue, green, red, " in sentence
    assert "not pan, choose others" in sentence


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"crs": "EPSG:32632"}, "other.tif has another CRS than"),
        ({"transform": Affine(10, 0, WEST + 60, 0, -10, NORTH)}, "other.tif has another extent"),
    ],
)
def test_bands_that_do_not_lie_together_are_refused(tmp_path, bands, other, words):
    place = {"crs": CRS, "transform": Affine(10, 0, WEST, 0, -10, NORTH), **other}
    band = write_raster(tmp_path / "other.tif", np.ones((1, 120, 120), np.uint16), **place)
    assert words in message(tmp_path, "--stack", bands[0], band)


def test_products_with_other_bands_need_names(tmp_path, safe):
    folders = [tmp_path / name for name in ("a", "b")]
    for folder, names in zip(folders, (("red", "nir"), ("green", "nir")), strict=True):
        folder.mkdir()
        for name in names:
            write_band(folder / f"{name}.tif", 1, 1200, 10)
    labels = label_raster(tmp_path / "labels.tif")
    stacks = [Stack((str(folder),)) for folder in folders]
    with refusal(TileError, "has the bands green, nir, and .* has nir, red, choose", tmp_path):
        tiles_of(stacks, [labels] * 2, tmp_path / "tiles")


def test_an_item_without_assets_is_refused(tmp_path):
    item = write_stac_item(tmp_path / "item")
    item.write_text(json.dumps({**json.loads(item.read_text()), "assets": {}}))
    assert "item.json" in message(tmp_path, item)


def test_a_folder_of_labels_is_not_that_of_one_scene(tmp_path, safe, bands):
    with refusal(TileError, r"are a folder, but .*\.SAFE is one scene, give a file of", tmp_path):
        tiles_of(safe, bands[0].parent, tmp_path / "tiles")


def test_a_stack_has_no_images_and_masks(tmp_path, bands):
    with refusal(TileError, r"stack of .*red\.tif has no labels, give them", tmp_path):
        tiles_of([Stack((str(bands[0]),))], [], tmp_path / "tiles")


def test_what_does_not_answer_is_refused(tmp_path, monkeypatch, tmp_path_factory):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    item = write_stac_item(tmp_path / "item")
    with web(tmp_path / "item", tmp_path_factory.mktemp("control") / "control.json") as server:
        assert "HTTP status 404" in message(tmp_path, f"{server.address}/no.json")
        item.write_text(item.read_text().replace("./nir.tif", f"{server.address}/gone.tif"))
        assert "gone.tif" in message(tmp_path, item)


# Memory.


@pytest.mark.parametrize("metres", [40, 200])
def test_a_batch_reads_no_more_of_a_large_scene_that_is_resampled(metres):
    """The pixels that are read count, not those that come out."""
    scene = Scene(
        "large.tif", 20_000, 20_000, "uint16", (10, 0, WEST, 0, -10, NORTH), CRS, (1, 2, 3),
        ("", "", ""), None, masked=False, size=1, modified=1,
    )  # fmt: skip
    tiled = scene.with_pixel_size(metres)
    factor = tiled.affine.a / 10
    batches = plan_read_batches(tiled, NoLabels(), 0, SIZE, SIZE)
    areas = [bounds(list(batch.windows)) for batch in batches]
    read = max(area.height * area.width for area in areas) * factor**2 * 3 * 2
    assert 8 << 20 < read <= 16 << 20


class NoLabels:
    """Labels that are not read."""

    legend = LEGEND

    def clipped_to(self, window):
        return self
