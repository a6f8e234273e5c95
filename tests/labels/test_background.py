"""The class of what lies outside of all polygons."""

from dataclasses import replace

import geopandas
import numpy as np
import pytest
import shapely

from geoseg.errors import LabelError
from geoseg.labels.background import add_background
from geoseg.labels.ignore import IgnoreSpec
from geoseg.legend import NODATA, LandCoverClass, Legend
from geoseg.tiles import IGNORE_INDEX
from tests.support.rasters import write_raster
from tests.support.tilesets import (
    BY_NAME,
    FIELDS,
    HEIGHT,
    LEGEND,
    PLACE,
    WIDTH,
    burnt,
    classes,
    cut,
    noise,
    pasted,
    refused,
    write_polygons,
)

OTHER = replace(BY_NAME, background="other")


@pytest.fixture
def scene(tmp_path):
    return write_raster(tmp_path / "scene.tif", noise())


@pytest.fixture
def vector(tmp_path):
    return write_polygons(tmp_path / "fields.gpkg", FIELDS)


def assert_labels(tiles, expected):
    assert np.array_equal(pasted(tiles)[:96, :128], expected[:96, :128])


def filled(values, background):
    ground = burnt(values)
    return np.where(ground == IGNORE_INDEX, background, ground)


def test_what_no_polygon_covers_becomes_a_new_class(tmp_path, scene, vector):
    tiles = cut(scene, vector, tmp_path / "tiles", OTHER)
    assert tiles.legend.names == ("water", "grass", "rock", "other")
    assert tiles.legend.classes[:3] == LEGEND.classes
    assert len({c.color for c in tiles.legend.classes}) == 4
    assert_labels(tiles, filled([1, 2, 0], 3))


@pytest.mark.parametrize("background", ["Water ", "0"])
def test_the_background_may_be_a_class_of_polygons(tmp_path, scene, vector, background):
    settings = replace(BY_NAME, background=background)
    tiles = cut(scene, vector, tmp_path / "tiles", settings)
    assert tiles.legend == LEGEND
    assert_labels(tiles, filled([1, 2, 0], 0))


def test_one_class_of_polygons_is_enough_with_a_background(tmp_path, scene):
    vector = write_polygons(tmp_path / "houses.gpkg", [((0, 0, 20, 30), "building")])
    tiles = cut(scene, vector, tmp_path / "tiles", OTHER, legend=None)
    assert tiles.legend.names == ("building", "other")
    assert tiles.counts.sum(axis=0).tolist() == [600, 96 * 128 - 600]


@pytest.mark.parametrize("missing", [0, np.nan])
def test_invalid_pixels_are_no_background(tmp_path, vector, missing):
    pixels = noise(dtype="float32")
    pixels[:, 5:30, 25:50] = missing
    scene = write_raster(tmp_path / "scene.tif", pixels, nodata=missing)
    tiles = cut(scene, vector, tmp_path / "tiles", OTHER)
    expected = filled([1, 2, 0], 3)
    expected[5:30, 25:50] = IGNORE_INDEX
    assert_labels(tiles, expected)


def test_features_of_ignored_classes_are_no_background(tmp_path, scene, vector):
    tiles = cut(scene, vector, tmp_path / "tiles", replace(OTHER, ignore=("rock",)))
    assert_labels(tiles, filled_keeping([1, IGNORE_INDEX, 0], 3))


def filled_keeping(values, background):
    """Like `filled`, but ignored polygons stay not labelled."""
    ground = burnt([np.iinfo(int).max if v == IGNORE_INDEX else v for v in values])
    ground = np.where(ground == IGNORE_INDEX, background, ground)
    return np.where(ground == np.iinfo(int).max, IGNORE_INDEX, ground)


def test_features_without_a_class_are_no_background_and_hide_nothing(tmp_path, scene):
    rows = [*FIELDS, ((0, 0, 50, 50), None), ((60, 60, 70, 70), " "), (None, "grass")]
    vector = write_polygons(tmp_path / "fields.gpkg", rows)
    expected = filled([1, 2, 0], 3)
    drawn = burnt([1, 2, 0]) != IGNORE_INDEX
    for place in (np.s_[:50, :50], np.s_[60:70, 60:70]):
        expected[place] = np.where(drawn[place], expected[place], IGNORE_INDEX)
    assert_labels(cut(scene, vector, tmp_path / "tiles", OTHER), expected)


def test_a_scene_without_any_feature_is_named(tmp_path, scene, vector, caplog):
    away = PLACE @ PLACE.translation(0, 5000)
    other = write_raster(tmp_path / "other.tif", noise(), transform=away)
    tiles = cut([scene, other], vector, tmp_path / "tiles", OTHER)
    assert r"fields.gpkg lies on " in caplog.text
    assert caplog.text.count("so all of it is background (other)") == 1
    of_other = np.array(tiles.groups) == "other"
    assert tiles.counts[of_other].sum(axis=0).tolist() == [0, 0, 0, 96 * 128]


def test_tiles_need_half_of_their_pixels_as_all_ground_is_labelled(tmp_path, vector):
    pixels = noise()
    pixels[:, :32, :20] = 0  # 63 % of the first tile
    pixels[:, :32, 32:46] = 0  # 44 % of the second
    scene = write_raster(tmp_path / "scene.tif", pixels, nodata=0)
    tiles = cut(scene, vector, tmp_path / "tiles", replace(OTHER, min_valid=None))
    assert (pasted(tiles)[:32, :32] == -1).all()
    assert len(tiles) == 11


# The value and the colour of a new class.


@pytest.mark.parametrize(
    ("values", "name", "value"),
    [
        ((0, 1, 2), "other", 3),
        ((1, 2, 7), "other", 0),
        ((0, 1, 3), "other", 2),
        ((1, 2, 7), "9", 9),
        (tuple(range(254)), "other", 254),
    ],
)
def test_a_new_class_has_the_smallest_free_value_or_that_of_its_name(values, name, value):
    legend = Legend(tuple(LandCoverClass(v, f"class {v}", f"#0000{v:02x}") for v in values))
    extended, found = add_background(legend, f" {name} ", IgnoreSpec())
    assert found == value
    assert extended.find(name) == extended.find(str(value))
    assert extended.find(name).name == name
    assert len({c.color for c in extended.classes}) == len(values) + 1


def test_without_a_background_the_legend_is_the_same():
    assert add_background(LEGEND, None, IgnoreSpec()) == (LEGEND, NODATA)


# What is refused, in one sentence, and leaves nothing behind.


def test_a_background_for_a_raster(tmp_path, scene):
    labels = write_raster(tmp_path / "labels.tif", classes()[None])
    match = r"labels\.tif are a raster, but a background class \(--background\) is for vector"
    refused(LabelError, match, tmp_path, scene, labels, settings=OTHER)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"background": " "}, r"the background class has no name, give one \(--background\)"),
        ({"ignore": ("OTHER",)}, "class 'other' is the background and is to be ignored, choose"),
        (
            {"background": "Rock", "ignore": ("2",)},
            "class 'Rock' is the background and is to be ignored",
        ),
        ({"background": "255"}, "'255' has the value 255, which means no data"),
        ({"background": "300"}, "class value 300 is not in 0..255"),
        ({"background": "two\nlines"}, "contains a line break"),
    ],
    ids=["empty", "ignored", "ignored by value", "nodata", "too large", "control character"],
)
def test_a_background_that_can_be_no_class(tmp_path, scene, vector, changes, match):
    refused(LabelError, match, tmp_path, scene, vector, settings=replace(OTHER, **changes))


def test_a_background_where_no_value_is_free():
    legend = Legend.from_names([f"class {v}" for v in range(255)])
    with pytest.raises(LabelError, match=r"has 255 classes and so no value for the background"):
        add_background(legend, "other", IgnoreSpec())


def test_a_background_around_points(tmp_path, scene):
    at = [PLACE @ (5.5, 3.5), PLACE @ (70.5, 40.5)]
    points = [shapely.Point(at[0]), shapely.MultiPoint([at[1]])]
    frame = geopandas.GeoDataFrame({"kind": ["grass", "rock"]}, geometry=points, crs=32640)
    frame.to_file(tmp_path / "points.gpkg")
    match = r"points\.gpkg hold points only, so what lies around them is not known to be backgro"
    refused(LabelError, match, tmp_path, scene, tmp_path / "points.gpkg", settings=OTHER)


def test_lines_may_have_a_background(tmp_path, scene):
    line = shapely.LineString([PLACE @ (2.5, 9.5), PLACE @ (11.5, 9.5)])
    geopandas.GeoDataFrame({"kind": ["rock"]}, geometry=[line], crs=32640).to_file(
        tmp_path / "lines.gpkg"
    )
    expected = np.full((HEIGHT, WIDTH), 3)
    expected[9, 2:12] = 2
    assert_labels(cut(scene, tmp_path / "lines.gpkg", tmp_path / "tiles", OTHER), expected)
