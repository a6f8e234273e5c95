"""Vector files: reading a layer, and moving its geometries into the CRS of a scene."""

import re
import shutil
import sqlite3
import zipfile

import geopandas
import numpy as np
import pytest
import rasterio.features
import shapely
from affine import Affine
from pyproj import Transformer
from shapely import box

from geoseg.errors import VectorError
from geoseg.raster import open_scene
from geoseg.vectors import Reprojector, list_layers, read_vector
from tests.support.rasters import write_raster

SIDE = 60
"""Rows and columns of the scenes (px); even, so that no pixel centre lies on the axes."""


def scene_at(folder, crs, center, pixel, rotation=0.0, center_crs="EPSG:4326"):
    """A scene around a place."""
    x, y = Transformer.from_crs(center_crs, crs, always_xy=True).transform(*center)
    place = Affine.translation(x, y) @ Affine.rotation(rotation)
    place @= Affine(pixel, 0, -pixel * SIDE / 2, 0, -pixel, pixel * SIDE / 2)
    pixels = np.ones((1, SIDE, SIDE), np.uint8)
    return open_scene(write_raster(folder / "scene.tif", pixels, crs=crs, transform=place))


def covered(geometry, scene):
    """(SIDE, SIDE) pixels whose centres a geometry in the scene's CRS covers."""
    if geometry.is_empty:
        return np.zeros((SIDE, SIDE), bool)
    shapes = [(geometry, 1)]
    return rasterio.features.rasterize(shapes, (SIDE, SIDE), transform=scene.affine) > 0


def really_covered(geometry, scene, crs="EPSG:4326"):
    """The same, with the pixel centres moved into the CRS of the geometry."""
    x, y = scene.affine @ (np.indices((SIDE, SIDE))[::-1] + 0.5)
    u, v = Transformer.from_crs(scene.crs, crs, always_xy=True).transform(x, y)
    shifts = (-360, 0, 360) if crs == "EPSG:4326" else (0,)
    return np.any([shapely.contains_xy(geometry, u + shift, v) for shift in shifts], axis=0)


def onto(geometries, scene, crs="EPSG:4326"):
    frame = geopandas.GeoDataFrame(geometry=geometries, crs=crs)
    return Reprojector(frame, "shapes.gpkg").onto(scene)[0]


def dense(*bounds):
    return shapely.segmentize(box(*bounds), 1)


# Where geometries of any extent lie on a scene.

PLACES = {
    "utm": ("EPSG:32640", (57, 25), 10),
    "utm in large pixels": ("EPSG:32640", (57, 25), 5000),
    "rotated": ("EPSG:32633", (12, 45), 10, 30),
    "near a pole": ("EPSG:32633", (15.2, 83.5), 100),
    "antimeridian": ("EPSG:32601", (-179.99, 10), 3000),
    "north pole": ("EPSG:3413", (0, 0), 1000, 0, "EPSG:3413"),
    "arctic": ("EPSG:3413", (0, 0), 100_000, 0, "EPSG:3413"),
    "antarctic": ("EPSG:3031", (0, 0), 50_000, 0, "EPSG:3031"),
    "Web Mercator": ("EPSG:3857", (10, 50), 100),
    "world in Web Mercator": ("EPSG:3857", (0, 0), 2 * 20037508.3 / SIDE, 0, "EPSG:3857"),
    "continent": ("EPSG:3035", (10.1, 52), 70_000),
    "other datum": ("EPSG:4269", (-100, 40), 0.001),
    "across 180 in the same CRS": ("EPSG:4326", (180.01, 10), 0.01, 0, "EPSG:4326"),
    "longitudes up to 360": ("EPSG:4326", (280, -10), 0.001, 0, "EPSG:4326"),
    "longitudes above 180": ("EPSG:4269", (185, 0), 0.1, 0, "EPSG:4269"),
    "edge of a sinusoidal world": ("ESRI:54008", (-170, 10.3), 20_000),
}


@pytest.mark.parametrize("place", PLACES)
def test_polygons_cover_the_same_ground_however_far_they_reach(tmp_path, place):
    scene = scene_at(tmp_path, *PLACES[place])
    lon, lat = Transformer.from_crs(scene.crs, "EPSG:4326", always_xy=True).transform(
        *(scene.affine @ (SIDE / 2, SIDE / 2))
    )
    low, high = max(lat - 30, -90), min(lat + 30, 90)
    shapes = {
        "world": box(-180, -90, 180, 90),
        "world, dense": dense(-180, -90, 180, 90),
        "north": box(-180, 0.01, 180, 90),
        "south, dense": dense(-180, -90, 180, 0.01),
        "west": box(-180, -90, 0.01, 90),
        "half, dense": dense(-90, -80, 90, 80),
        "170 degrees": dense(lon - 85.01, low, lon + 85, high),
        "0 to 360": box(0.01, -90, 360, 90),
        "arctic": box(-180, 60.01, 180, 90),
        "hole": box(-180, -90, 180, 90).difference(shapely.Point(lon, lat).buffer(0.01)),
        "far": box(lon - 170, -10, lon - 160, 10),
        "near": shapely.Point(lon, min(lat, 89)).buffer(0.05),
        "a turn west": shapely.Point(lon - 360, min(lat, 89)).buffer(0.05),
    }
    for name, moved in zip(shapes, onto(list(shapes.values()), scene), strict=True):
        differ = covered(moved, scene) != really_covered(shapes[name], scene)
        assert differ.mean() < 0.01, name  # pixels whose centres lie on an edge


def test_a_world_in_metres_covers_a_scene(tmp_path):
    scene = scene_at(tmp_path, "EPSG:32640", (57, 25), 10)
    half = 20037508.3
    assert covered(onto([box(-half, -half, half, half)], scene, "EPSG:3857")[0], scene).all()


def test_a_bow_tie_around_the_world_covers_its_two_lobes(tmp_path):
    scene = scene_at(tmp_path, "EPSG:32640", (57, 25), 1000)
    tie = shapely.Polygon([(-100, 0), (57, 25), (-100, 50), (179, 50), (57, 25), (179, 0)])
    found = covered(onto([tie], scene)[0], scene)
    assert (found != really_covered(tie, scene)).mean() < 0.01
    assert 0.2 < found.mean() < 0.95


BEYOND = {
    "across 180": ((180.01, 10), "EPSG:32601"),
    "across 180 from the west": ((-179.99, 10), "EPSG:32660"),
    "up to 360": ((280, -10), "EPSG:32617"),
}
"""Centres of scenes in longitudes, and a UTM zone."""


@pytest.mark.parametrize("place", BEYOND)
def test_geometries_in_metres_cover_the_same_ground_in_longitudes_of_any_range(tmp_path, place):
    center, utm = BEYOND[place]
    scene = scene_at(tmp_path, "EPSG:4326", center, 0.001, 0, "EPSG:4326")
    x, y = Transformer.from_crs("EPSG:4326", utm, always_xy=True).transform(*center)
    polygons = [box(x - 2010, y - 3000, x + 1010, y + 2000), shapely.Point(x, y).buffer(300_000)]
    columns = [-2500, -1500, 50, 1500, 2500]
    points = [shapely.Point(x + column, y) for column in columns]
    shapes = onto([*polygons, *points], scene, utm)
    for shape, moved in zip(polygons, shapes, strict=False):
        differ = covered(moved, scene) != really_covered(shape, scene, utm)
        assert differ.mean() < 0.01
    cols, _ = ~scene.affine @ shapely.get_coordinates(shapes[2:]).T
    assert cols == pytest.approx(SIDE / 2 + np.array(columns) / 109_600 / 0.001, abs=0.5)


def test_the_halves_of_a_polygon_that_geojson_cuts_at_180_degrees_are_one_again(tmp_path):
    scene = scene_at(tmp_path, "EPSG:4326", (180.01, 10), 0.001, 0, "EPSG:4326")
    halves = shapely.MultiPolygon([box(179.9, 9, 180, 11), box(-180, 9, -179.9, 11)])
    for crs in ("EPSG:4326", scene.crs):
        assert covered(onto([halves], scene, crs)[0], scene).all()


def test_geometries_near_a_scene_are_moved_by_their_vertices_alone(tmp_path):
    scene = scene_at(tmp_path, "EPSG:32640", (57, 25), 10)
    near = [
        box(56.99, 24.99, 57.01, 25.01),
        shapely.Point(57, 25),
        shapely.LineString([(56.99, 25), (57.01, 25)]),
    ]
    near += [shapely.Point(-100, 80), shapely.Point(57, 25).buffer(0.5)]
    moved = onto([*near, dense(-180, -90, 180, 90)], scene)
    expected = geopandas.GeoSeries(near, crs=4326).to_crs(scene.crs)
    assert shapely.to_wkb(moved[:-1]).tolist() == shapely.to_wkb(expected.to_numpy()).tolist()


@pytest.mark.parametrize("half", [0.2, 1, 4])
def test_long_edges_are_straight_in_the_crs_of_the_file(tmp_path, half):
    """A parallel is no line in UTM: after half a degree it is 105 m off at 60 degrees north."""
    scene = scene_at(tmp_path, "EPSG:32640", (57, 60), 10)
    polygon = box(57 - half, 59, 57 + half, 60)
    middle = 60 - 4.5e-5  # of a row of pixels
    line = shapely.LineString([(57 - half, middle), (57 + half, middle)])
    moved = onto([polygon, shapely.MultiPolygon([polygon, box(0, 0, 1, 1)]), line], scene)
    for shape in moved[:2]:
        assert (covered(shape, scene) != really_covered(polygon, scene)).mean() < 0.01
    dense_line = shapely.segmentize(line, 0.001)
    expected = geopandas.GeoSeries([dense_line], crs=4326).to_crs(scene.crs)[0]
    assert (covered(moved[2], scene) != covered(expected, scene)).sum() < 5


def test_two_scenes_get_their_own_parts_of_a_large_polygon(tmp_path):
    frame = geopandas.GeoDataFrame(geometry=[box(-180, -90, 180, 90)], crs=4326)
    reprojector = Reprojector(frame, "world.gpkg")
    for lon in (54.5, 59.5, 54.5):
        scene = scene_at(tmp_path, "EPSG:32640", (lon, 25), 10)
        assert covered(reprojector.onto(scene)[0][0], scene).all()


def test_what_a_projection_cannot_show_is_counted_in_a_warning(tmp_path, caplog):
    disk = "+proj=geos +h=35785831 +lon_0=0 +sweep=y"
    scene = scene_at(tmp_path, disk, (0, 0), 11e6 / SIDE, 0, disk)
    moved = onto([dense(-180, -90, 180, 90), box(1, 1, 2, 2)], scene)
    assert moved[0].is_empty
    assert "shapes.gpkg: 1 feature that the CRS of" in caplog.text


# Files and scenes without a CRS.


def test_without_any_crs_coordinates_are_shared(tmp_path, caplog):
    pixels = np.ones((1, SIDE, SIDE), np.uint8)
    scene = open_scene(write_raster(tmp_path / "scene.tif", pixels, crs=None))
    with caplog.at_level("INFO", logger="geoseg"):
        moved = onto([box(500000, 2799000, 500100, 2800000)], scene, None)[0]
    assert covered(moved, scene).sum() == 10 * SIDE
    assert "neither shapes.gpkg nor" in caplog.text


def test_a_crs_on_one_side_only_is_refused(tmp_path):
    scene = scene_at(tmp_path, "EPSG:32640", (57, 25), 10)
    with pytest.raises(VectorError, match=r"^shapes\.gpkg has no CRS, but scene .*scene\.tif has"):
        onto([box(0, 0, 1, 1)], scene, None)
    pixels = np.ones((1, SIDE, SIDE), np.uint8)
    bare = open_scene(write_raster(tmp_path / "bare.tif", pixels, crs=None))
    with pytest.raises(VectorError, match=r"^scene .*bare\.tif has no CRS, but shapes\.gpkg has"):
        onto([box(0, 0, 1, 1)], bare)


def test_a_crs_that_is_not_tied_to_the_earth_is_refused(tmp_path):
    local = 'LOCAL_CS["site",UNIT["metre",1]]'
    pixels = np.ones((1, SIDE, SIDE), np.uint8)
    scene = open_scene(write_raster(tmp_path / "scene.tif", pixels, crs=local))
    with pytest.raises(VectorError, match=r"'WGS 84' cannot be moved into the CRS 'site' of scene"):
        onto([box(0, 0, 1, 1)], scene)


@pytest.mark.parametrize("code", [0, -1])
def test_an_undefined_crs_of_a_geopackage_is_none(tmp_path, code):
    path = tmp_path / "shapes.gpkg"
    geopandas.GeoDataFrame(geometry=[box(0, 0, 1, 1)], crs=4326).to_file(path)
    with sqlite3.connect(path) as file:
        for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            file.execute(f'DROP TRIGGER "{name}"')
        file.execute(f"UPDATE gpkg_contents SET srs_id = {code}")
        file.execute(f"UPDATE gpkg_geometry_columns SET srs_id = {code}")
    file.close()
    assert geopandas.read_file(path).crs is not None
    assert read_vector(path).crs is None


# Layers.


@pytest.fixture
def layers(tmp_path):
    """A GeoPackage of two layers and a table without geometries."""
    path = tmp_path / "layers.gpkg"
    for number, name in enumerate(("roads", "fields")):
        shape = box(number, 0, number + 1, 1)
        frame = geopandas.GeoDataFrame({"n": [number]}, geometry=[shape], crs=4326)
        frame.to_file(path, layer=name)
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)")
        file.execute(
            "INSERT INTO gpkg_contents (table_name, data_type) VALUES ('notes', 'attributes')"
        )
    file.close()
    return path


def test_the_first_layer_is_read_and_the_others_are_named(layers, caplog):
    assert list_layers(layers) == ["roads", "fields"]
    assert read_vector(layers)["n"].tolist() == [0]
    assert "has the layers roads, fields; roads is read" in caplog.text


def test_a_layer_is_read_by_name(layers, caplog):
    assert read_vector(layers, "fields")["n"].tolist() == [1]
    assert caplog.text == ""
    with pytest.raises(VectorError, match=r"has no layer 'field', use one of: roads, fields"):
        read_vector(layers, "field")


def test_geoparquet_has_one_layer(tmp_path):
    path = tmp_path / "shapes.parquet"
    geopandas.GeoDataFrame({"n": [7]}, geometry=[box(0, 0, 1, 1)], crs=32640).to_parquet(path)
    assert read_vector(path, "shapes")["n"].tolist() == [7]
    assert read_vector(path).crs == "EPSG:32640"
    with pytest.raises(VectorError, match="no layer 'other', use one of: shapes"):
        read_vector(path, "other")


def test_a_path_for_which_gdal_would_read_another_file_is_refused(layers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(layers, "b.gpkg")
    for name in ("!b.gpkg", "a!b.gpkg", f"/{tmp_path}/b.gpkg"):
        with pytest.raises(VectorError, match="GDAL would read another file, rename it"):
            read_vector(name, "roads")
    with zipfile.ZipFile("a.zip", "w") as archive:
        archive.write("b.gpkg")
    for name in ("a.zip!b.gpkg", "zip://a.zip!b.gpkg", "/vsizip/a.zip/b.gpkg"):
        assert list_layers(name) == list_layers(layers)


def test_a_table_without_geometries_is_refused(layers, tmp_path):
    (tmp_path / "table.geojson").write_text('{"type":"FeatureCollection","features":[]}')
    shutil.copy(layers, tmp_path / "table.gpkg")
    with sqlite3.connect(tmp_path / "table.gpkg") as file:
        file.execute("DELETE FROM gpkg_contents WHERE data_type = 'features'")
    file.close()
    with pytest.raises(VectorError, match=r"table\.gpkg holds no geometries"):
        read_vector(tmp_path / "table.gpkg")


# Coordinates and types of geometries.


def with_nan(shape, vertex, axis):
    coordinates = shapely.get_coordinates(shape, include_z=shape.has_z)
    coordinates[vertex, axis] = np.nan
    return shapely.set_coordinates(shape, coordinates)


def test_a_height_that_is_not_a_number_does_not_lose_a_polygon(tmp_path, caplog):
    path, shape = tmp_path / "shapes.gpkg", box(0, 0, 1, 1)
    high = with_nan(shapely.force_3d(shape, 5.0), 1, 2)
    geopandas.GeoDataFrame(geometry=[high, high], crs=4326).to_file(path)
    found = read_vector(path).geometry
    assert all(flat.equals(shape) and not flat.has_z for flat in found)
    assert caplog.text == ""


def test_a_place_that_is_not_a_number_is_left_out_with_a_warning(tmp_path, caplog):
    path, shape = tmp_path / "shapes.gpkg", box(0, 0, 1, 1)
    geopandas.GeoDataFrame(geometry=[with_nan(shape, 1, 0), shape], crs=4326).to_file(path)
    found = read_vector(path).geometry
    assert found.isna().tolist() == [True, False]
    assert "shapes.gpkg: 1 feature with coordinates that are not finite numbers" in caplog.text


@pytest.mark.parametrize("kind", ["TIN", "POLYHEDRALSURFACE", "TRIANGLE"])
def test_surfaces_are_refused_with_the_command_that_converts_them(tmp_path, kind):
    rings = "((0 0 0,0 1 0,1 1 0,0 0 0))"
    text = f"{kind} Z {rings if kind == 'TRIANGLE' else f'({rings})'}"
    path = tmp_path / "surfaces.csv"
    path.write_text(f'kind,WKT\nrock,"{text}"\n')
    with pytest.raises(VectorError, match=r"surfaces \(TIN\).*ogr2ogr -nlt MULTIPOLYGON"):
        read_vector(path)


@pytest.mark.parametrize("name", ["gone.gpkg", "damaged.gpkg", "damaged.parquet"])
def test_a_file_that_cannot_be_read_is_named_in_one_sentence(tmp_path, name):
    if "damaged" in name:
        (tmp_path / name).write_text("nothing of the kind")
    with pytest.raises(VectorError, match=f"^cannot read vector file .*{name}: ") as error:
        read_vector(tmp_path / name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["none.gpkg", "none.parquet"])
def test_a_missing_file_is_called_missing(tmp_path, name):
    path = re.escape(str(tmp_path / name))
    match = f"^cannot read vector file {path}: No such file or directory, check the path"
    with pytest.raises(VectorError, match=match):
        read_vector(tmp_path / name)
