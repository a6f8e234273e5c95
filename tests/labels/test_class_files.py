"""Vector files of one class each."""

import geopandas
import numpy as np
import pytest
import rasterio.features
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.errors import LabelError, TileError, VectorError
from geoseg.labels import ClassFiles, LabelOpener
from geoseg.legend import NODATA, LandCoverClass, Legend
from geoseg.raster import open_scene
from geoseg.tiles import IGNORE_INDEX, TileSettings
from tests.support.rasters import write_raster
from tests.support.tilesets import (
    BY_NAME,
    HEIGHT,
    PLACE,
    WIDTH,
    cut,
    noise,
    pasted,
    refused,
    write_polygons,
)

GRASS = [((0, 0, 20, 30), None), ((60, 60, 70, 90), None)]
ROCK = [((10, 10, 40, 64), None)]


@pytest.fixture
def scene(tmp_path):
    return write_raster(tmp_path / "scene.tif", noise())


@pytest.fixture
def files(tmp_path):
    """Two files whose polygons overlap, in two CRS, and with a field that has no value."""
    grass = write_polygons(tmp_path / "grass.gpkg", GRASS, "EPSG:4326")
    return {"grass": grass, "rock": write_polygons(tmp_path / "rock.shp", ROCK, "EPSG:32639")}


def drawn(*layers):
    """(HEIGHT, WIDTH) values of rectangles, later layers above earlier ones."""
    ground = np.full((HEIGHT, WIDTH), IGNORE_INDEX)
    for value, rows in layers:
        for (top, left, end_row, end_col), _ in rows:
            ground[top:end_row, left:end_col] = value
    return ground


def assert_labels(tiles, expected):
    found = pasted(tiles)
    assert np.array_equal(found[found >= 0], expected[found >= 0])


def test_each_file_is_a_class_and_the_later_file_wins(tmp_path, scene, files):
    tiles = cut([scene], files, tmp_path / "tiles", legend=None)
    assert tiles.legend == Legend.from_names(["grass", "rock"])
    assert_labels(tiles, drawn((0, GRASS), (1, ROCK)))
    backwards = dict(reversed(files.items()))
    tiles = cut([scene], backwards, tmp_path / "backwards", legend=None)
    assert tiles.legend.names == ("rock", "grass")
    assert_labels(tiles, drawn((0, ROCK), (1, GRASS)))


def test_the_classes_are_those_of_the_legend_by_name_or_value(tmp_path, scene, files):
    legend = Legend((LandCoverClass(7, "Rock", "#111111"), LandCoverClass(9, "grass", "#222222")))
    given = {" GRASS ": files["grass"], "7": files["rock"]}
    tiles = cut([scene], given, tmp_path / "tiles", legend=legend)
    assert tiles.legend == legend
    assert_labels(tiles, drawn((9, GRASS), (7, ROCK)))


def test_the_file_of_an_ignored_class_hides_earlier_ones(tmp_path, scene, files):
    cloud = write_polygons(tmp_path / "cloud.gpkg", [((0, 0, 15, 15), "of one kind")])
    wanted = TileSettings(size=32, val=0, ignore=("Cloud",))
    tiles = cut([scene], {**files, "cloud": cloud}, tmp_path / "tiles", wanted, legend=None)
    assert tiles.legend.names == ("grass", "rock")
    hidden = (IGNORE_INDEX, [((0, 0, 15, 15), None)])
    assert_labels(tiles, drawn((0, GRASS), (1, ROCK), hidden))


def test_a_class_may_be_ignored_by_its_value_in_the_legend(tmp_path, scene, files):
    pond = write_polygons(tmp_path / "pond.gpkg", [((80, 0, 96, 30), None)])
    wanted = TileSettings(size=32, val=0, ignore=("2",))  # rock
    tiles = cut([scene], {**files, "water": pond}, tmp_path / "tiles", wanted)
    hidden, water = (IGNORE_INDEX, ROCK), (0, [((80, 0, 96, 30), None)])
    assert_labels(tiles, drawn((1, GRASS), hidden, water))


def test_files_apply_to_all_scenes(tmp_path, files):
    folder = tmp_path / "scenes"
    folder.mkdir()
    for name, col in (("a", 0), ("b", 50)):
        place = PLACE @ PLACE.translation(col, 0)
        write_raster(folder / f"{name}.tif", noise(3, 64, 64), transform=place)
    tiles = cut([folder], files, tmp_path / "tiles", legend=None)
    assert set(tiles.groups) == {"a", "b"}
    sums = {scene: tiles.counts[np.array(tiles.groups) == scene].sum(axis=0) for scene in "ab"}
    ground = drawn((0, GRASS), (1, ROCK))
    for scene, col in (("a", 0), ("b", 50)):
        values = ground[:64, col : col + 64]
        assert sums[scene].tolist() == [(values == 0).sum(), (values == 1).sum()]


def test_a_layer_is_read_from_each_file(tmp_path, scene):
    files = {}
    for kind, col in (("grass", 0), ("rock", 40)):
        files[kind] = tmp_path / f"{kind}.gpkg"
        for layer, row in (("old", 0), ("new", 40)):
            corners = PLACE @ (col, row + 10), PLACE @ (col + 20, row)
            box = shapely.box(*corners[0], *corners[1])
            frame = geopandas.GeoDataFrame(geometry=[box], crs=32640)
            frame.to_file(files[kind], layer=layer)
    wanted = TileSettings(size=32, val=0, layer="new")
    tiles = cut([scene], files, tmp_path / "tiles", wanted, legend=None)
    new = (0, [((40, 0, 50, 20), None)]), (1, [((40, 40, 50, 60), None)])
    assert_labels(tiles, drawn(*new))


def test_polygons_that_a_later_file_covers_are_counted(tmp_path, scene, caplog):
    small = write_polygons(tmp_path / "small.gpkg", [((5, 5, 9, 9), None), ((50, 5, 59, 9), None)])
    large = write_polygons(tmp_path / "large.gpkg", [((0, 0, 30, 99), None)], "EPSG:32639")
    cut([scene], {"rock": small, "grass": large}, tmp_path / "tiles")
    assert "later polygons of another class completely cover 1 polygon of rock; where files" in (
        caplog.text
    )
    caplog.clear()
    cut([scene], {"grass": large, "rock": small}, tmp_path / "other")
    assert "completely cover" not in caplog.text


@st.composite
def layers(draw):
    """Boxes and points in pixels of the scene, in layers of one class each."""
    number = st.floats(-5, 105).map(lambda n: round(n, 2) + 0.003)  # on no edge or centre
    box = st.builds(
        lambda c, r, w, h: shapely.box(c, r, c + w, r + h),
        number, number, st.floats(0.5, 40), st.floats(0.5, 40),
    )  # fmt: skip
    shapes = st.lists(box | st.builds(shapely.Point, number, number), min_size=1, max_size=4)
    return draw(st.lists(shapes, min_size=1, max_size=4))


@settings(max_examples=30)
@given(layers(), st.sampled_from([None, "c0", "rest"]))
def test_labels_are_those_that_gdal_burns_class_by_class(tmp_path_factory, shapes, background):
    folder = tmp_path_factory.mktemp("layers")
    scene = open_scene(write_raster(folder / "scene.tif", noise(1)))
    expected = np.full((HEIGHT, WIDTH), NODATA, np.uint8)
    rest = {None: NODATA, "c0": 0, "rest": len(shapes)}[background]
    files, only_points = [], all(shape.area == 0 for layer in shapes for shape in layer)
    for value, layer in enumerate(shapes):
        placed = [
            shapely.transform(s, lambda x, y: PLACE @ (x, y), interleaved=False) for s in layer
        ]
        path = folder / f"{value}.parquet"
        geopandas.GeoDataFrame(geometry=placed, crs=32640).to_parquet(path)
        files.append((f"c{value}", str(path)))
        burnt = rasterio.features.rasterize(placed, (HEIGHT, WIDTH), transform=PLACE)
        expected[burnt == 1] = value
    opener = LabelOpener(background=background)
    if background is not None and only_points:
        with pytest.raises(LabelError, match="hold points only"):
            opener.open(ClassFiles(tuple(files)), scene)
        return
    expected[expected == NODATA] = rest
    labels = opener.open(ClassFiles(tuple(files)), scene)
    assert np.array_equal(labels.read(scene.window), expected)
    names = [f"c{value}" for value in range(len(shapes))]
    assert list(labels.legend.names) == [*names, *(["rest"] if background == "rest" else [])]


# What is refused, in one sentence, and leaves nothing behind.


@pytest.mark.parametrize(
    ("names", "match"),
    [
        (["grass", " Grass"], r"grass\.gpkg and .*rock\.shp are both of class 'Grass', merge them"),
        (["grass", " "], r"label file '=.*rock\.shp' lacks the class, give CLASS=FILE"),
    ],
    ids=["case", "empty"],
)
def test_names_that_name_no_class(tmp_path, scene, files, names, match):
    given = dict(zip(names, files.values(), strict=True))
    refused(LabelError, match, tmp_path, [scene], given, legend=None)


def test_a_class_without_a_file(tmp_path, scene):
    match = r"^label file 'grass=' lacks the file, give CLASS=FILE"
    refused(LabelError, match, tmp_path, [scene], {"grass": ""}, legend=None)


def test_no_files(tmp_path, scene):
    refused(LabelError, "there are no label files, give at least one", tmp_path, [scene], {})


def test_a_class_beside_the_legend(tmp_path, scene, files):
    given = {"grass": files["grass"], "lava": files["rock"]}
    match = r"^class 'lava' of labels .*rock\.shp is not in the legend \(water, grass, rock\), cor"
    refused(LabelError, match, tmp_path, [scene], given)


def test_a_file_without_features(tmp_path, scene, files):
    empty = tmp_path / "empty.gpkg"
    geopandas.GeoDataFrame({"kind": []}, geometry=[], crs=32640).to_file(empty)
    match = r"empty\.gpkg hold no feature, so there is nothing of class 'water', add features"
    refused(LabelError, match, tmp_path, [scene], {**files, "water": empty})


def test_a_file_that_is_no_vector_file(tmp_path, scene, files):
    match = r"^cannot read vector file .*scene\.tif: .*, check the path and the format"
    refused(VectorError, match, tmp_path, [scene], {**files, "water": scene})


def test_all_classes_ignored(tmp_path, scene, files):
    wanted = TileSettings(ignore=("rock", "GRASS"))
    match = r"all classes of labels .*grass\.gpkg, .*rock\.shp are ignored, keep at least one"
    refused(LabelError, match, tmp_path, [scene], files, settings=wanted, legend=None)


def test_a_class_field_for_files_of_one_class(tmp_path, scene, files):
    match = r"are files of one class each, which need no class field, leave --class-field kind out"
    refused(LabelError, match, tmp_path, [scene], files, settings=BY_NAME)


def test_a_single_class(tmp_path, scene, files):
    one = {"grass": files["grass"]}
    match = "have the class 'grass' only.*--background names the class outside of them"
    refused(TileError, match, tmp_path, [scene], one)
