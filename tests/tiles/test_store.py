"""Tile sets on disk: their index, their stores, and that none is ever half there."""

import errno
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
from affine import Affine
from pyarrow import parquet
from pyproj import CRS

from geoseg.errors import OutputError, TileError
from geoseg.legend import LandCoverClass, Legend
from geoseg.raster import read_whole
from geoseg.tiles import IGNORE_INDEX, TileSettings, open_tiles
from geoseg.tiles.store.index import pixel_columns
from tests.support.rasters import write_raster
from tests.support.tilesets import (
    ALL,
    LEGEND,
    PLACE,
    UNREFERENCED,
    classes,
    cut,
    image_mask_folder,
    noise,
    refused,
)

SHARDS = replace(ALL, store="shards")


@pytest.fixture
def scene(tmp_path):
    pixels = noise()
    pixels[:, :9, :50] = 0
    return write_raster(tmp_path / "scene.tif", pixels, nodata=0)


@pytest.fixture
def labels(tmp_path):
    ground = classes()
    ground[50:60] = IGNORE_INDEX
    return write_raster(tmp_path / "labels.tif", ground[None])


def files_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.*"))}


# The index.


def test_the_index_says_what_is_in_each_tile(tmp_path, scene, labels):
    tiles = cut(scene, labels, tmp_path / "tiles")
    index = geopandas.read_parquet(tmp_path / "tiles" / "tiles.parquet")
    _, valid, indices = tiles.load("train")
    assert index["valid"].tolist() == pytest.approx(valid.mean(axis=(1, 2)), abs=1e-6)
    assert index["labelled"].tolist() == pytest.approx((indices != 255).mean(axis=(1, 2)), abs=1e-6)
    for number, name in enumerate(LEGEND.names):
        assert index[f"pixels_{name}"].tolist() == (indices == number).sum(axis=(1, 2)).tolist()
    assert index["checksum"].is_unique
    assert index["crs"].unique().tolist() == ["EPSG:32640"]
    assert CRS(tiles.crs) == CRS("EPSG:32640")
    assert tiles.bounds == pytest.approx((500000, 2799040, 501280, 2800000))


def test_the_index_says_to_others_what_its_geometry_is(tmp_path, scene, labels):
    cut(scene, labels, tmp_path / "tiles")
    path = tmp_path / "tiles" / "tiles.parquet"
    about = json.loads(parquet.read_schema(path).metadata[b"geo"])
    assert about["columns"]["geometry"]["geometry_types"] == ["Polygon"]
    assert about["columns"]["geometry"]["crs"]["id"] == {"authority": "EPSG", "code": 32640}


def test_images_without_a_place_have_an_index_too(tmp_path):
    cut(image_mask_folder(tmp_path / "masks"), [], tmp_path / "tiles")
    index = geopandas.read_parquet(tmp_path / "tiles" / "tiles.parquet")
    assert index.crs is None
    assert index["crs"].isna().all()
    assert index.total_bounds.tolist() == [0, -64, 64, 0]  # px, y upwards


def test_columns_of_classes_are_plain_words_and_no_two_alike():
    names = ["Bare soil", "bare-soil", "Wald/Forst", "Ödland", "??", "x"]
    legend = Legend(tuple(LandCoverClass(i + 3, n, "#000000") for i, n in enumerate(names)))
    assert pixel_columns(legend) == [
        "pixels_bare_soil_3", "pixels_bare_soil_4", "pixels_wald_forst", "pixels_ödland",
        "pixels__7", "pixels_x",
    ]  # fmt: skip


# Stores.


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("size", [32, 9])
def test_shards_hold_what_files_hold(tmp_path, labels, dtype, size, monkeypatch):
    monkeypatch.setattr("geoseg.tiles.store.npy_shards._MAX_SHARD_BYTES", 20_000)
    pixels = noise(dtype=dtype)
    pixels[:, :9, :50] = 0
    scene = write_raster(tmp_path / "scene.tif", pixels, nodata=0)
    files = cut(scene, labels, tmp_path / "files", replace(ALL, size=size))
    shards = cut(scene, labels, tmp_path / "shards", replace(SHARDS, size=size))
    assert len(list((tmp_path / "shards" / "shards").iterdir())) > 1
    assert shards.dataset("train").digest == files.dataset("train").digest
    assert (shards.names, shards.splits) == (files.names, files.splits)
    order = np.random.default_rng(0).integers(0, len(files), 50)
    both = zip(files.dataset("train").read(order), shards.dataset("train").read(order), strict=True)
    for one, other in both:
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)
        assert other.flags.c_contiguous
        assert other.flags.writeable


def test_a_shard_is_read_by_numpy_alone(tmp_path, scene, labels):
    """The README's promise: row i of the index is record i of the shard."""
    tiles = cut(scene, labels, tmp_path / "tiles", SHARDS)
    shard = np.load(tmp_path / "tiles" / "shards" / "00000.npy", mmap_mode="r")
    index = geopandas.read_parquet(tmp_path / "tiles" / "tiles.parquet")
    images, valid, _ = tiles.load("train")
    assert np.array_equal(shard["image"], images)
    assert np.array_equal(np.unpackbits(shard["valid"], axis=1).reshape(12, 32, 32), valid)
    for row, tile in zip(index.itertuples(), shard, strict=True):
        assert Affine(*row.transform) == PLACE @ Affine.translation(row.col, row.row)
        place = slice(row.row, row.row + 32), slice(row.col, row.col + 32)
        with rasterio.open(labels) as source, rasterio.open(scene) as image:
            seen = image.read(1)[place] > 0
            assert np.array_equal(
                tile["label"], np.where(seen, source.read(1)[place], IGNORE_INDEX)
            )
            assert row.crs == image.crs.to_string()


@pytest.mark.parametrize("store", ["files", "shards"])
def test_workers_do_not_show(tmp_path, scene, labels, store, monkeypatch):
    monkeypatch.setattr("geoseg.tiles.cut.read_batches._MAX_HEIGHT", 32)
    monkeypatch.setattr("geoseg.tiles.cut.read_batches._MAX_BYTES", 3 * 32 * 50)
    monkeypatch.setattr("geoseg.tiles.store.npy_shards._MAX_SHARD_BYTES", 20_000)
    wanted = TileSettings(size=16, stride=12, min_valid=0.6, store=store)
    one = cut(scene, labels, tmp_path / "one", wanted, workers=1)
    four = cut(scene, labels, tmp_path / "four", wanted, workers=4)
    assert one.checksums == four.checksums
    assert files_of(tmp_path / "one") == files_of(tmp_path / "four")


@pytest.mark.slow
def test_a_cluster_does_not_show(tmp_path, scene, labels, dask):
    wanted = TileSettings(size=16, store="shards")
    cut(scene, labels, tmp_path / "here", wanted)
    dask.add(), dask.add()
    cut(scene, labels, tmp_path / "there", wanted, scheduler=dask.address)
    assert files_of(tmp_path / "here") == files_of(tmp_path / "there")


# Never half there.


def fill_disk(monkeypatch, after):
    """Let every write fail after some, as on a full disk."""
    done = []

    def write_bytes(path, content):
        done.append(path)
        if len(done) > after:
            raise OSError(errno.ENOSPC, "No space left on device")
        with path.open("wb") as file:
            return file.write(content)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)


def test_a_full_disk_leaves_the_old_set(tmp_path, scene, labels, monkeypatch):
    made = cut(scene, labels, tmp_path / "tiles")
    fill_disk(monkeypatch, after=7)
    wanted = TileSettings(size=16)
    match = (
        r"cannot write \w+_\d+_\d+\.tif in .* \(.*No space left on device\), check the free space"
    )
    refused(OutputError, match, tmp_path, scene, labels, settings=wanted, overwrite=True)
    assert open_tiles(tmp_path / "tiles") == made
    assert len(made.load("train")[0]) == 12


SMALL_FILES = """
import resource, sys
from geoseg.errors import OutputError
from geoseg.tiles import TileSettings, tile

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
settings = TileSettings(size=32, val=0, min_valid=0, store="shards", preview=False)
try:
    tile([sys.argv[1]], [sys.argv[2]], out=sys.argv[3], legend=sys.argv[4], settings=settings,
         overwrite=True)
except OutputError as error:
    sys.exit(f"OutputError: {error}")
"""


def test_a_disk_that_fills_while_a_shard_is_written_leaves_the_old_set(tmp_path, scene, labels):
    """No file may grow beyond 20 kB, which the first shard does."""
    made = cut(scene, labels, tmp_path / "tiles", SHARDS)
    (tmp_path / "legend.csv").write_text(LEGEND.to_csv())
    before = files_of(tmp_path)
    paths = [scene, labels, tmp_path / "tiles", tmp_path / "legend.csv"]
    command = [sys.executable, "-W", "ignore", "-c", SMALL_FILES, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert re.match(
        r"OutputError: cannot write 00000\.npy in .* \(.*File too large\), check the free space",
        done.stderr.splitlines()[-1],
    )
    assert files_of(tmp_path) == before
    assert open_tiles(tmp_path / "tiles") == made


def test_a_run_killed_as_it_renamed_is_made_good(tmp_path, scene, labels):
    """The old set was moved out of the way, and the new one did not get there."""
    made = cut(scene, labels, tmp_path / "tiles")
    (tmp_path / "tiles").rename(tmp_path / ".tiles.old")
    with pytest.raises(OutputError, match="exists, use another output name"):
        cut(scene, labels, tmp_path / "tiles")
    assert open_tiles(tmp_path / "tiles") == made


@pytest.mark.parametrize("damage", ["gone", "shorter", "longer"])
def test_a_damaged_shard_is_named(tmp_path, scene, labels, damage):
    tiles = cut(scene, labels, tmp_path / "tiles", SHARDS)
    shard = tmp_path / "tiles" / "shards" / "00000.npy"
    content = shard.read_bytes()
    shard.unlink()
    if damage != "gone":
        shard.write_bytes(content[:-1] if damage == "shorter" else content + b"1")
    match = r"shard .*00000\.npy cannot be read \(.*\), tile the scenes again"
    with pytest.raises(TileError, match=match) as error:
        tiles.load("train")
    assert "\n" not in str(error.value)


def test_an_existing_set_is_replaced_only_on_request(tmp_path, scene, labels):
    cut(scene, labels, tmp_path / "tiles")
    with pytest.raises(OutputError, match="exists, use another output name, or overwrite"):
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
    match = "is not a tile set, so it cannot be overwritten"
    refused(OutputError, match, tmp_path, scene, labels, overwrite=True)


def test_a_damaged_set_is_named(tmp_path, scene, labels):
    cut(scene, labels, tmp_path / "tiles")
    (tmp_path / "tiles" / "tiles.parquet").write_bytes(b"PAR1")
    with pytest.raises(
        TileError, match=r"tiles is damaged or of another version \(.*tile the scenes again"
    ):
        open_tiles(tmp_path / "tiles")


@pytest.mark.parametrize(
    "change", [{"size": "large"}, {"bands": None}, {"bounds": None}, {"dtype": "u99"}, None]
)
def test_a_damaged_description_of_a_set_is_named(tmp_path, scene, labels, change):
    cut(scene, labels, tmp_path / "tiles")
    description = tmp_path / "tiles" / "tiles.json"
    content = json.loads(description.read_text())
    description.write_text(json.dumps([] if change is None else {**content, **change}))
    with pytest.raises(TileError, match="tiles is damaged or of another version"):
        open_tiles(tmp_path / "tiles").load("train")


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(TileError, match="gone does not exist"):
        open_tiles(tmp_path / "gone")


def test_images_that_are_no_tiles_are_refused_with_a_way_out(tmp_path):
    root = image_mask_folder(tmp_path / "masks", size=64)
    write_raster(root / "images" / "part_0.jpg", noise(3, 40, 50), driver="JPEG", **UNREFERENCED)
    with pytest.raises(TileError, match=r"40 x 50 px, not a square tile, cut tiles first: geoseg"):
        open_tiles(root)


def test_a_summary_is_json(tmp_path, scene, labels):
    data = json.loads(json.dumps(cut(scene, labels, tmp_path / "tiles").to_dict()))
    assert (data["tiles"], data["splits"], data["size"]) == (12, {"train": 12}, 32)
    assert [c["name"] for c in data["classes"]] == ["water", "grass", "rock"]


@pytest.mark.parametrize("store", ["shards", "files"])
def test_a_tile_that_has_changed_is_named(tmp_path, store):
    scene = write_raster(tmp_path / "s.tif", noise())
    labels = write_raster(tmp_path / "l.tif", classes()[None])
    tiles = cut(scene, labels, tmp_path / "tiles", replace(ALL, store=store))
    tiles.load("train")
    if store == "files":
        mask = Path(tiles.store.masks[3])
        write_raster(mask, 1 - (read_whole(str(mask))[0] > 0).astype(np.uint8))
    else:
        shard = tmp_path / "tiles" / "shards" / "00000.npy"
        content = bytearray(shard.read_bytes())
        content[-tiles.store.record.itemsize * (len(tiles) - 3) - 5] ^= 1  # the end of tile 2
        shard.write_bytes(content)
    name = tiles.names[3 if store == "files" else 2]
    with pytest.raises(TileError, match=f"tile {name} has changed since it was cut, or is damaged"):
        open_tiles(tmp_path / "tiles").load("train")


def test_a_set_knows_the_pixel_sizes_of_all_its_scenes(tmp_path):
    places = [PLACE, PLACE @ Affine.scale(2), PLACE @ Affine.scale(9)]
    scenes = [
        write_raster(tmp_path / f"s{number}.tif", noise(), transform=place)
        for number, place in enumerate(places)
    ]
    labels = [
        write_raster(tmp_path / f"l{number}.tif", values[None], transform=place)
        for number, (values, place) in enumerate(
            zip([classes()] * 2 + [np.full_like(classes(), IGNORE_INDEX)], places, strict=True)
        )
    ]  # the last scene has no label and so no tile
    tiles = cut(scenes[1::-1] + scenes[2:], labels[1::-1] + labels[2:], tmp_path / "tiles")
    assert tiles.pixel_size_range == pytest.approx((10, 20), rel=1e-3)
    assert open_tiles(tiles.folder).to_dict()["pixel_size_range"] == list(tiles.pixel_size_range)
    metadata = tmp_path / "tiles" / "tiles.json"
    older = json.loads(metadata.read_text())
    del older["pixel_size_range"]
    metadata.write_text(json.dumps(older))
    assert open_tiles(tiles.folder).pixel_size_range == (tiles.pixel_size, tiles.pixel_size)
