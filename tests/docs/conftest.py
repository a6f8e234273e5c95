"""Fixtures: a folder with the files that the documents name, and trainings of one step."""

import shutil
from pathlib import Path

import click
import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine

import geoseg
from geoseg.cli import cli
from geoseg.legend import Legend
from tests.support.assessments import PLACE, write_map
from tests.support.documents import run
from tests.support.products import NORTH, WEST, write_safe, write_stac_item
from tests.support.rasters import blocks, write_raster

SIDE = 128
"""Side of a tile and of a window (px)."""
SCENE = (SIDE, 9 * SIDE)
METRES = 6480
"""Side of a scene of Sentinel-2: 5 x 5 tiles of 128 px of 10 m, so that there are four blocks."""
LEGEND = Legend.from_names(["maize", "wheat", "grass"])


@pytest.fixture(scope="package")
def files(tmp_path_factory) -> Path:
    """A folder with the files that the documents name."""
    folder = tmp_path_factory.mktemp("files")
    for name, seed in (("scene", 0), ("a", 1), ("b", 2)):
        write_raster(folder / f"{name}.tif", blocks(*SCENE, seed=seed), transform=PLACE)
    ground = np.kron(np.arange(36).reshape(2, 18) % 3, np.ones((64, 64))).astype(np.uint8)
    for name in ("lulc", "worldcover"):
        write_map(folder / f"{name}.tif", ground, LEGEND)
    for name, shift in (("later", 9), ("other", 5)):
        write_map(folder / f"{name}.tif", np.roll(ground, shift, axis=1), LEGEND)
    write_raster(folder / "reference.tif", np.roll(ground, 3)[None], transform=PLACE)
    corners = [(64 * row, 64 * col) for row in range(2) for col in range(18)]
    squares = [
        shapely.box(*(PLACE @ (col, row + 64)), *(PLACE @ (col + 64, row))) for row, col in corners
    ]
    crops = [LEGEND.names[ground[corner]] for corner in corners]
    fields = geopandas.GeoDataFrame({"crop": crops}, geometry=squares, crs="EPSG:32640")
    for name in ("fields", "reference"):
        fields.to_file(folder / f"{name}.gpkg")
    for name, crop in (("houses", "maize"), ("roads", "wheat")):
        fields[fields["crop"] == crop].to_file(folder / f"{name}.gpkg")
    return folder


@pytest.fixture(scope="package")
def trained(files, tmp_path_factory) -> Path:
    """A folder with tiles of the scene, and a small model that was trained on them."""
    folder = tmp_path_factory.mktemp("trained")
    tiles, model = folder / "tiles", folder / "model.safetensors"
    run(["geoseg", "tile", files / "scene.tif", "--labels", files / "lulc.tif", "--out", tiles])
    small = ["--recipe", "lab", "--width", "2", "--epochs", "1", "--pictures", "0"]
    run(["geoseg", "train", tiles, "--out", model, *small])
    return folder


@pytest.fixture(scope="package")
def products(tmp_path_factory) -> Path:
    """A folder with scenes of Sentinel-2, a stack of the same place, and fields on it."""
    folder = tmp_path_factory.mktemp("products")
    for date, seed in (("20220125", 0), ("20240531", 50)):
        safe = write_safe(folder / "made", seed=seed, size=METRES)
        safe.rename(folder / f"S2A_MSIL2A_{date}.SAFE")
    write_stac_item(folder, seed=9, size=METRES)
    place = {"crs": "EPSG:32631", "transform": Affine(10, 0, WEST, 0, -10, NORTH)}
    side = METRES // 10
    write_raster(folder / "optical.tif", blocks(side, side), **place)
    write_raster(folder / "dem.tif", blocks(side, side, bands=1, seed=5), **place)
    half = METRES / 2
    halves = [shapely.box(x, NORTH - METRES, x + half, NORTH) for x in (WEST, WEST + half)]
    fields = geopandas.GeoDataFrame({"crop": ["maize", "wheat"]}, geometry=halves, crs="EPSG:32631")
    fields.to_file(folder / "fields.gpkg")
    return folder


@pytest.fixture
def folder(files, tmp_path, monkeypatch) -> Path:
    """The working folder of a test, with these files."""
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GEOSEG_MODELS", raising=False)
    return tmp_path


@pytest.fixture
def small_training(monkeypatch) -> None:
    """Train a small network for one epoch, where a command does not say other things."""
    command = cli.get_command(click.Context(cli), "train")
    small = {"epochs": 1, "recipe": "lab", "width": 2, "pictures": 0}
    for option in command.params:
        if option.name in small:
            monkeypatch.setattr(option, "default", small[option.name])


@pytest.fixture
def one_epoch(monkeypatch) -> None:
    """Train for one epoch of one step, in the command and in Python."""
    monkeypatch.setattr("geoseg.training.batches.draw.MIN_STEPS", 1)
    command = cli.get_command(click.Context(cli), "train")
    [epochs] = [option for option in command.params if option.name == "epochs"]
    monkeypatch.setattr(epochs, "default", 1)
    settings = geoseg.TrainSettings(epochs=1)
    monkeypatch.setitem(geoseg.train.__kwdefaults__, "settings", settings)
