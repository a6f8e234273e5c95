"""Labels in vector files, on a scene's pixels."""

import unicodedata
from dataclasses import replace

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine

from geoseg.errors import LabelError, VectorError
from geoseg.legend import Legend
from geoseg.raster import read_whole
from geoseg.tiles import IGNORE_INDEX, TileSettings
from tests.support.rasters import write_raster
from tests.support.refusals import refusal
from tests.support.tilesets import (
    ALL,
    BY_NAME,
    FIELDS,
    HEIGHT,
    LEGEND,
    PLACE,
    WIDTH,
    burnt,
    cut,
    noise,
    pasted,
    refused,
    write_polygons,
)


@pytest.fixture
def scene(tmp_path):
    return write_raster(tmp_path / "scene.tif", noise())


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


@pytest.mark.parametrize(
    "rows", [FIELDS, [(e, n) for (e, _), n in zip(FIELDS, [1, 2, 0], strict=True)]]
)
def test_features_of_ignored_classes_hide_what_is_below(tmp_path, scene, rows):
    vector = write_polygons(tmp_path / "fields.gpkg", rows)
    ignore = (str(rows[1][1]).upper(),)
    wanted = replace(BY_NAME, ignore=(*ignore, "77", "#123456"))
    found = pasted(cut(scene, vector, tmp_path / "tiles", wanted))
    assert np.array_equal(found[found >= 0], burnt([1, IGNORE_INDEX, 0])[found >= 0])


def test_an_ignored_name_that_no_file_has_is_refused(tmp_path, scene):
    vector = write_polygons(tmp_path / "fields.gpkg", FIELDS)
    for legend in (LEGEND, None):
        wanted = replace(BY_NAME, ignore=("rokc",))
        with refusal(LabelError, "'rokc' is to be ignored, but is no class of labels", tmp_path):
            cut(scene, vector, tmp_path / "tiles", wanted, legend=legend)
    files = {"grass": vector, "rock": write_polygons(tmp_path / "b.gpkg", FIELDS[:1])}
    wanted = replace(ALL, ignore=("rokc",))
    with refusal(LabelError, r"is no class of labels .*b\.gpkg \(grass, rock\)", tmp_path):
        cut(scene, files, tmp_path / "tiles", wanted, legend=None)


def test_an_ignored_name_may_occur_in_one_of_several_files(tmp_path, scene):
    first = write_polygons(tmp_path / "a.gpkg", FIELDS)
    second = write_polygons(tmp_path / "b.gpkg", FIELDS[:1])
    again = write_raster(tmp_path / "again.tif", noise(), transform=PLACE, crs="EPSG:32640")
    wanted = replace(BY_NAME, ignore=(FIELDS[1][1],))
    tiles = cut([scene, again], [first, second], tmp_path / "tiles", wanted)
    assert len(set(tiles.groups)) == 2


def test_the_composition_of_accents_does_not_count(tmp_path, scene):
    """macOS writes names with combining accents."""
    names = ["água", "forêt", "rock"]
    apart = [unicodedata.normalize("NFD", name) for name in names]
    rows = [(extent, name) for (extent, _), name in zip(FIELDS, apart, strict=True)]
    vector = write_polygons(tmp_path / "fields.gpkg", rows)
    legend = Legend.from_names(names)
    tiles = cut(scene, vector, tmp_path / "a", replace(BY_NAME, ignore=("ÁGUA",)), legend=legend)
    assert tiles.count("train")
    assert 0 not in np.unique(pasted(tiles))
    found = cut(scene, vector, tmp_path / "b", BY_NAME, legend=None).legend.names
    assert set(found) == set(names)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ([1, -1, 2], r"field 'kind' of .*fields\.gpkg holds -1, but class values are from"),
        ([1, 255, 2], r"holds 255, but class values are from 0 to 254"),
        (["crop", "CROP", "rock"], r"'kind' of .* holds 'CROP' and 'crop', which are one"),
    ],
)
def test_classes_that_make_no_legend_are_named(tmp_path, scene, values, match):
    rows = [(extent, value) for (extent, _), value in zip(FIELDS, values, strict=True)]
    vector = write_polygons(tmp_path / "fields.gpkg", rows)
    with refusal(LabelError, match, tmp_path):
        cut(scene, vector, tmp_path / "tiles", BY_NAME, legend=None)


def test_points_and_lines_label_the_pixels_they_touch(tmp_path, scene):
    at = [PLACE @ (col + 0.5, row + 0.5) for row, col in [(3, 5), (40, 70), (9, 2), (9, 11)]]
    shapes = [shapely.Point(at[0]), shapely.Point(at[1]), shapely.LineString(at[2:])]
    frame = geopandas.GeoDataFrame({"kind": ["grass", "rock", "water"]}, geometry=shapes, crs=32640)
    frame.to_file(tmp_path / "points.gpkg")
    found = pasted(cut(scene, tmp_path / "points.gpkg", tmp_path / "tiles", BY_NAME))
    expected = np.full((HEIGHT, WIDTH), IGNORE_INDEX)
    expected[3, 5], expected[40, 70], expected[9, 2:12] = 1, 2, 0
    assert np.array_equal(found[found >= 0], expected[found >= 0])


def test_one_vector_file_serves_all_scenes(tmp_path):
    folder = tmp_path / "scenes"
    folder.mkdir()
    for name, col in (("a", 0), ("b", 50)):
        place = PLACE @ Affine.translation(col, 0)
        write_raster(folder / f"{name}.tif", noise(3, 32, 32), transform=place)
    vector = write_polygons(tmp_path / "fields.gpkg", FIELDS)
    tiles = cut(folder, vector, tmp_path / "tiles", BY_NAME)
    assert tiles.groups == ("a", "b")
    masks = [read_whole(mask)[0][0] for mask in tiles.store.masks]
    assert np.array_equal(masks[0], burnt([1, 2, 0])[:32, :32])
    assert np.array_equal(masks[1], burnt([1, 2, 0])[:32, 50:82])


# Vectors that reach far, have heights, or cover one another.


def test_a_rectangle_around_the_world_labels_the_whole_scene(tmp_path, scene):
    boxes = [shapely.box(-180, -90, 180, 90), shapely.box(57.0, 25.31, 57.001, 25.315)]
    frame = geopandas.GeoDataFrame({"kind": ["grass", "rock"]}, geometry=boxes, crs=4326)
    frame.to_file(tmp_path / "world.gpkg")
    found = pasted(cut(scene, tmp_path / "world.gpkg", tmp_path / "tiles", BY_NAME))
    assert set(np.unique(found[found >= 0])) == {1, 2}


def test_a_height_that_is_not_a_number_does_not_lose_a_label(tmp_path, scene):
    frame = geopandas.read_file(write_polygons(tmp_path / "fields.gpkg", FIELDS))
    high = shapely.force_3d(frame.geometry.to_numpy(), 5.0)
    coordinates = shapely.get_coordinates(high, include_z=True)
    coordinates[1::5, 2] = np.nan
    frame.set_geometry(shapely.set_coordinates(high, coordinates), crs=4326).to_file(
        tmp_path / "high.gpkg"
    )
    found = pasted(cut(scene, tmp_path / "high.gpkg", tmp_path / "tiles", BY_NAME))
    assert np.array_equal(found[found >= 0], burnt([1, 2, 0])[found >= 0])


def test_a_layer_of_labels_is_chosen_by_name(tmp_path, scene):
    path = tmp_path / "layers.gpkg"
    for name, kind in (("one", "rock"), ("two", "grass")):
        boxes = [shapely.box(x, 2799000, x + 600, 2800000) for x in (500000, 500600)]
        frame = geopandas.GeoDataFrame({"kind": [kind, "water"]}, geometry=boxes, crs=32640)
        frame.to_file(path, layer=name)
    wanted = replace(BY_NAME, layer="two")
    tiles = cut(scene, path, tmp_path / "tiles", wanted, legend=None)
    assert tiles.legend.names == ("grass", "water")
    match = r"layers\.gpkg has no layer 'three', use one of: one, two"
    other = replace(BY_NAME, layer="three")
    with pytest.raises(VectorError, match=match):
        cut(scene, path, tmp_path / "other", other)


def test_polygons_below_later_ones_are_counted_by_class(tmp_path, scene, caplog):
    rows = [((0, 0, 20, 30), "grass"), ((30, 0, 40, 9), "grass"), ((50, 50, 60, 60), "rock")]
    rows += [((90, 90, 100, 130), "rock"), ((0, 0, 80, 100), "water"), ((70, 80, 90, 90), "rock")]
    vector = write_polygons(tmp_path / "fields.gpkg", rows, "EPSG:32640")
    cut(scene, vector, tmp_path / "tiles", BY_NAME)
    expected = "completely cover 2 polygons of grass, 1 polygon of rock; of overlapping polygons"
    assert expected in caplog.text
    caplog.clear()
    cut(
        scene, write_polygons(tmp_path / "first.gpkg", rows[4:] + rows[:4]), tmp_path / "b", BY_NAME
    )
    assert caplog.text == ""


def test_polygons_below_ignored_ones_are_no_mistake(tmp_path, scene, caplog):
    rows = [*FIELDS, ((0, 0, 20, 30), "cloud")]
    vector = write_polygons(tmp_path / "fields.gpkg", rows, "EPSG:32640")
    cut(scene, vector, tmp_path / "tiles", replace(BY_NAME, ignore=("cloud",)))
    assert "completely cover" not in caplog.text


# What is refused, in one sentence, and leaves nothing behind.


@pytest.mark.parametrize(
    ("field", "match"),
    [
        (None, r"fields\.gpkg needs a class field \(--class-field\), one of: kind"),
        ("crop", r"fields\.gpkg has no field 'crop', choose the class field .* from: kind"),
    ],
)
def test_vectors_without_the_class_field(tmp_path, scene, field, match):
    vector = write_polygons(tmp_path / "fields.gpkg", FIELDS)
    wanted = TileSettings(size=32, class_field=field)
    refused(LabelError, match, tmp_path, scene, vector, settings=wanted)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (np.array(["2020-01-01", "2021-01-01"], "datetime64[ms]"), "holds dates, but classes are"),
        ([["a", "b"], ["c"]], "holds lists, but classes are"),
        ([{"a": 1}, {"a": 2}], "holds values of the type dict, but classes are"),
        (["grass", 7], "holds numbers and text, but classes are"),
    ],
    ids=["dates", "lists", "structures", "mixed"],
)
def test_a_class_field_of_another_type(tmp_path, monkeypatch, scene, values, match):
    boxes = [shapely.box(500000, 2799000, 500600, 2800000)] * 2
    frame = geopandas.GeoDataFrame({"kind": values}, geometry=boxes, crs=32640)
    monkeypatch.setattr("geoseg.labels.vector_file.read_vector", lambda path, layer: frame)
    match = rf"^field 'kind' of .*fields\.gpkg {match} either names or whole numbers"
    vector = tmp_path / "fields.gpkg"
    refused(LabelError, match, tmp_path, scene, vector, settings=BY_NAME, legend=None)


def test_a_class_field_of_dates_in_a_file(tmp_path, scene):
    boxes = [shapely.box(500000, 2799000, 500600, 2800000)] * 2
    days = np.array(["2020-01-01", "2021-01-01"], "datetime64[ms]")
    frame = geopandas.GeoDataFrame({"kind": days}, geometry=boxes, crs=32640)
    frame.to_file(tmp_path / "fields.gpkg")
    vector = tmp_path / "fields.gpkg"
    refused(LabelError, "holds dates", tmp_path, scene, vector, settings=BY_NAME, legend=None)


@pytest.mark.parametrize(
    ("label", "match"),
    [
        ("lava", r"class 'lava' of .* is not in the legend \(water, grass, rock\)"),
        (7, "class 7 of .* is not in the legend"),
        (1.5, "class 1.5 of .* is not in the legend"),
    ],
)
def test_vectors_of_a_class_beside_the_legend(tmp_path, scene, label, match):
    vector = write_polygons(tmp_path / "fields.gpkg", [((0, 0, 50, 50), label)])
    refused(LabelError, match, tmp_path, scene, vector, settings=BY_NAME)


@pytest.mark.parametrize("label", [255, -1, 1.5])
def test_numbers_that_can_be_no_class_value(tmp_path, scene, label):
    vector = write_polygons(tmp_path / "fields.gpkg", [((0, 0, 50, 50), label)])
    refused(LabelError, str(label), tmp_path, scene, vector, settings=BY_NAME, legend=None)


def test_a_field_of_more_names_than_there_are_classes(tmp_path, scene):
    fields = [((0, 0, 50, 50), f"field {number}") for number in range(256)]
    vector = write_polygons(tmp_path / "fields.gpkg", fields)
    match = r"'kind' of .*fields\.gpkg holds 256 names, but there are at most 255 classes, choose"
    refused(LabelError, match, tmp_path, scene, vector, settings=BY_NAME, legend=None)


def test_a_table_without_geometries(tmp_path, scene):
    (tmp_path / "fields.geojson").write_text(
        '{"type":"FeatureCollection","features":'
        '[{"type":"Feature","properties":{"kind":"rock"},"geometry":null}]}'
    )
    refused(
        LabelError, "has no feature",
        tmp_path, scene, tmp_path / "fields.geojson", settings=BY_NAME,
    )  # fmt: skip


def test_a_damaged_vector_file(tmp_path, scene):
    (tmp_path / "fields.gpkg").write_text("nothing of the kind")
    vector = tmp_path / "fields.gpkg"
    match = r"cannot read vector file .*fields\.gpkg: not recognized as being in a supported"
    refused(VectorError, match, tmp_path, scene, vector)


def test_vectors_for_a_scene_without_crs(tmp_path):
    scene = write_raster(tmp_path / "scene.tif", noise(), crs=None)
    vector = write_polygons(tmp_path / "fields.gpkg", FIELDS)
    refused(VectorError, "has no CRS, but", tmp_path, scene, vector, settings=BY_NAME)


def test_vectors_and_a_scene_both_without_crs_share_coordinates(tmp_path):
    scene = write_raster(tmp_path / "scene.tif", noise(), crs=None)
    vector = write_polygons(tmp_path / "fields.gpkg", FIELDS, "EPSG:32640")
    frame = geopandas.read_file(vector).set_crs(None, allow_override=True)
    with pytest.warns(UserWarning, match="'crs' was not provided"):
        frame.to_file(tmp_path / "bare.gpkg")
    found = pasted(cut(scene, tmp_path / "bare.gpkg", tmp_path / "tiles", BY_NAME))
    assert np.array_equal(found[found >= 0], burnt([1, 2, 0])[found >= 0])
