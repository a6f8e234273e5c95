"""Tiles of large images with few labels."""

from dataclasses import replace

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely

from geoseg.errors import TileError
from geoseg.grid import Window
from geoseg.tiles import IGNORE_INDEX, TileSettings
from geoseg.tiles.cut import read_batches
from tests.support.rasters import write_raster
from tests.support.tilesets import HEIGHT, PLACE, WIDTH, cut, noise, refused


@pytest.fixture
def scene(tmp_path):
    return write_raster(tmp_path / "scene.tif", noise())


def write_few_labels(path):
    """A polygon of 9 px in the first tile, and a point in the last one."""
    point = shapely.Point(PLACE @ (100.5, 70.5))
    box = shapely.box(*PLACE @ (3, 8), *PLACE @ (6, 5))
    frame = geopandas.GeoDataFrame({"kind": ["grass", "rock"]}, geometry=[box, point], crs=32640)
    frame.to_file(path)
    return path


FEW = TileSettings(size=32, val=0, class_field="kind")


def test_of_vector_labels_all_tiles_with_a_labelled_pixel_are_kept(tmp_path, scene):
    vector = write_few_labels(tmp_path / "few.gpkg")
    tiles = cut(scene, vector, tmp_path / "tiles", FEW)
    assert tiles.names == ("scene_000000_000000", "scene_000064_000096")
    assert tiles.counts.tolist() == [[0, 9, 0], [0, 0, 1]]


def test_a_share_that_is_asked_for_holds_for_vector_labels_too(tmp_path, scene):
    vector = write_few_labels(tmp_path / "few.gpkg")
    match = "no tile of 32 px has 50% valid and labelled pixels, the best has 0.88%, lower --min"
    refused(TileError, match, tmp_path, scene, vector, settings=replace(FEW, min_valid=0.5))
    tiles = cut(
        scene, vector, tmp_path / "tiles", replace(FEW, min_valid=1 / 1024, background="water")
    )
    assert len(tiles) == 12


def test_labels_on_invalid_pixels_keep_no_tile(tmp_path):
    pixels = noise()
    pixels[:, 5:8, 3:5] = 0  # below a part of the polygon
    pixels[:, 70, 100] = 0  # below the point
    scene = write_raster(tmp_path / "scene.tif", pixels, nodata=0)
    few = geopandas.read_file(write_few_labels(tmp_path / "few.gpkg"))
    second = few.assign(geometry=few.translate(-640, 0)).iloc[1:]  # two tiles to the left
    geopandas.GeoDataFrame(pd.concat([few, second])).to_file(tmp_path / "more.gpkg")
    tiles = cut(scene, tmp_path / "more.gpkg", tmp_path / "tiles", FEW)
    assert tiles.names == ("scene_000000_000000", "scene_000064_000032")
    assert tiles.counts.tolist() == [[0, 3, 0], [0, 0, 1]]


def test_each_scene_has_the_default_of_its_kind_of_labels(tmp_path, scene):
    ground = np.full((HEIGHT, WIDTH), IGNORE_INDEX, np.uint8)
    ground[:32, :17], ground[32:64, :15] = 0, 1  # 53 % and 47 % of a tile
    labels = write_raster(tmp_path / "labels.tif", ground[None])
    vector = write_few_labels(tmp_path / "few.gpkg")
    tiles = cut([scene, scene], [labels, vector], tmp_path / "tiles", FEW)
    assert tiles.counts.sum(axis=1).tolist() == [32 * 17, 9, 1]


def test_where_no_pixel_is_labelled_the_scene_is_not_read(tmp_path, scene, monkeypatch):
    read, windows = read_batches.read_window, []

    def recorded(scene, window):
        windows.append(window)
        return read(scene, window)

    monkeypatch.setattr(read_batches, "read_window", recorded)
    monkeypatch.setattr(read_batches, "_MAX_HEIGHT", 32)  # a batch for each row of tiles
    cut(scene, write_few_labels(tmp_path / "few.gpkg"), tmp_path / "tiles", FEW, workers=1)
    assert set(windows) == {Window(0, 0, 32, 32), Window(64, 96, 32, 32)}
