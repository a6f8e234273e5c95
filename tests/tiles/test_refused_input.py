"""Runs of `tile` that are refused, or leave out a scene; two runs on one output."""

from dataclasses import replace

import geopandas
import numpy as np
import pytest
import rasterio
import shapely

import geoseg
from geoseg.errors import GeosegError, InterruptedRun, TileError
from geoseg.files import output_lock
from geoseg.legend import Legend
from geoseg.styles.gdal_pam import pam_sidecar
from geoseg.tiles import TileSettings, open_tiles, tile
from tests.support import commands
from tests.support.rasters import write_raster
from tests.support.tilesets import (
    ALL,
    BY_NAME,
    FIELDS,
    classes,
    cut,
    image_mask_folder,
    noise,
    refused,
    write_polygons,
)


@pytest.fixture
def scene(tmp_path):
    return write_raster(tmp_path / "scene.tif", noise())


@pytest.fixture
def labels(tmp_path):
    return write_raster(tmp_path / "labels.tif", classes()[None])


# Labels of a single class.

ONLY = r"^the labels of .*scene\.tif have the class 'grass' only.* label at least one more class"


def test_a_legend_of_a_single_class_is_refused(tmp_path, scene):
    vector = write_polygons(tmp_path / "fields.gpkg", [(FIELDS[0][0], "grass")])
    refused(TileError, ONLY, tmp_path, scene, vector, settings=BY_NAME, legend=None)


def test_tiles_of_a_single_class_are_refused_whatever_the_legend(tmp_path, scene):
    ground = np.ones_like(classes())
    ground[97:] = 2  # below the last tiles
    labels = write_raster(tmp_path / "labels.tif", ground[None])
    refused(TileError, ONLY, tmp_path, scene, labels)


def test_several_scenes_may_have_one_class_each(tmp_path, scene):
    labels = [
        write_raster(tmp_path / f"{value}.tif", np.full_like(classes(), value)[None])
        for value in (0, 1)
    ]
    assert len(cut([scene] * 2, labels, tmp_path / "tiles")) == 24


# Inputs that contradict each other.


def test_two_masks_of_one_scene(tmp_path):
    folder = image_mask_folder(tmp_path / "set")
    write_raster(folder / "masks" / "part_0.tif", classes(64, 64)[None])
    match = r"masks has the masks part_0\.png and part_0\.tif for the same scene, keep one"
    refused(TileError, match, tmp_path, folder, [])


def test_bands_in_another_order(tmp_path, scene, labels):
    names = ("red", "green", "nir")
    paths = [write_raster(tmp_path / f"{number}.tif", noise()) for number in (0, 1)]
    for path, order in zip(paths, (names, names[::-1]), strict=True):
        with rasterio.open(path, "r+") as file:
            file.descriptions = order
    match = r"1\.tif has the bands nir, green, red, and .*0\.tif has red, green, nir, choose those"
    refused(TileError, match, tmp_path, paths, [labels] * 2)
    chosen = replace(ALL, bands=names)
    assert cut(paths, [labels] * 2, tmp_path / "tiles", chosen).band_names == names


def test_classes_may_differ_in_case_and_colours(tmp_path, scene):
    labels = []
    for number, names in enumerate((["Water", "grass", "rock"], ["water", "Grass", "rock"])):
        path = write_raster(tmp_path / f"{number}.tif", classes()[None])
        legend = Legend.from_names(names)
        path.with_name(f"{path.name}.aux.xml").write_text(pam_sidecar(legend, [1, 1, 1]))
        labels.append(path)
    tiles = cut([scene] * 2, labels, tmp_path / "tiles", legend=None)
    assert tiles.legend.names == ("Water", "grass", "rock")


# Scenes smaller than a tile.


def test_a_scene_smaller_than_a_tile_is_left_out_with_a_warning(tmp_path, scene, labels, caplog):
    small = write_raster(tmp_path / "small.tif", noise(3, 20, 40))
    ground = write_raster(tmp_path / "ground.tif", classes(20, 40)[None])
    tiles = cut([small, scene], [ground, labels], tmp_path / "tiles")
    assert set(tiles.groups) == {"scene"}
    assert "small.tif is left out: it has 20 x 40 px, less than a tile of 32 px" in caplog.text


def test_a_single_scene_smaller_than_a_tile_is_refused_on_the_command_line(tmp_path):
    small = write_raster(tmp_path / "small.tif", noise(3, 20, 40))
    vector = write_polygons(tmp_path / "fields.gpkg", FIELDS)
    done = commands.here(
        "tile", small, "--labels", vector, "--class-field", "kind", "--out", tmp_path / "tiles"
    )
    assert "no tile of 128 px fits into" in commands.refused(done)


# Two runs on one output.


def test_a_second_run_is_told_and_leaves_the_first_alone(tmp_path, scene, labels):
    out, lock = tmp_path / "tiles", tmp_path / ".tiles.lock"
    unfinished = tmp_path / ".tiles.writing" / "images"
    unfinished.mkdir(parents=True)
    with output_lock(lock, out, "geoseg tile"):
        with pytest.raises(InterruptedRun, match=r"tiles is in use \(last to begin: .*pid \d+"):
            cut(scene, labels, out)
        command = ("tile", scene, "--labels", labels, "--out", out, "--size", 32)
        assert "is in use" in commands.refused(commands.here(*command), 75)
        assert unfinished.is_dir()
    assert len(cut(scene, labels, out)) == 12
    assert sorted(p.name for p in tmp_path.iterdir()) == ["labels.tif", "scene.tif", "tiles"]


def test_the_output_may_lie_in_folders_that_do_not_exist_yet(tmp_path, scene, labels):
    out = tmp_path / "new" / "folder" / "tiles"
    assert cut(scene, labels, out) == open_tiles(out)


# Arguments of the wrong type.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("scene.tif", ["labels.tif"]), r"^scenes must be a list, give \['scene\.tif'\]"),
        ((["scene.tif"], "labels.tif"), r"^labels must be a list, give \['labels\.tif'\]"),
    ],
)
def test_one_path_in_place_of_a_list_is_refused(tmp_path, arguments, message):
    with pytest.raises(GeosegError, match=message):
        geoseg.tile(*arguments, out=tmp_path / "tiles")


@pytest.mark.parametrize("name", ["ignore", "bands"])
def test_one_text_in_place_of_a_list_of_settings_is_refused(name):
    with pytest.raises(GeosegError, match=rf"^{name} must be a list, give \['1'\]"):
        TileSettings(**{name: "1"})


def test_a_dictionary_in_place_of_settings_is_refused(tmp_path):
    with pytest.raises(GeosegError, match=r"^settings must be of the type TileSettings, not dict"):
        tile(["scene.tif"], ["labels.tif"], out=tmp_path / "tiles", settings={"size": 64})


def test_no_workers_are_refused(tmp_path):
    with pytest.raises(GeosegError, match="number of workers is 0, it must be at least 1"):
        tile(["scene.tif"], ["labels.tif"], out=tmp_path / "tiles", workers=0)


# The command line.


def test_a_layer_is_chosen_on_the_command_line(tmp_path, scene):
    path = tmp_path / "layers.gpkg"
    for name, kinds in (("one", ["a", "b"]), ("two", ["c", "d"])):
        boxes = [shapely.box(x, 2799000, x + 600, 2800000) for x in (500000, 500600)]
        geopandas.GeoDataFrame({"kind": kinds}, geometry=boxes, crs=32640).to_file(path, layer=name)
    done = commands.here(
        "tile", scene, "--labels", path, "--class-field", "kind", "--layer", "two", "--size", 32,
        "--val", 0, "--no-preview", "--out", tmp_path / "tiles",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert open_tiles(tmp_path / "tiles").legend.names == ("c", "d")
