"""The area of interest of `classify`: what it covers, and what is refused."""

from dataclasses import replace

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from shapely import box

from geoseg.classification import ClassifySettings, classify
from geoseg.classification.prepare.aoi import AreaOfInterest
from geoseg.errors import RunError, SceneError, VectorError
from geoseg.grid import Window
from geoseg.raster import open_scene
from tests.support import commands
from tests.support.rasters import blocks, write_raster
from tests.support.strategies import every, grid_of

SETTINGS = ClassifySettings(overlap=8)


@pytest.fixture
def scene(tmp_path):
    """100 x 100 px of 10 m; their left border lies at 57 degrees of longitude."""
    return write_raster(tmp_path / "scene.tif", np.maximum(blocks(100, 100), 1))


def write_shapes(path, shapes, crs=4326):
    geopandas.GeoDataFrame(geometry=shapes, crs=crs).to_file(path)
    return path


def mapped(scene, aoi, model, folder):
    """(100, 100) pixels with a class."""
    classify(scene, folder / "lulc.tif", model=model, settings=replace(SETTINGS, aoi=str(aoi)))
    with rasterio.open(folder / "lulc.tif") as map_:
        return map_.read(1) != 255


def dense(*bounds):
    return shapely.segmentize(box(*bounds), 1)


@pytest.mark.parametrize(
    "shapes",
    [
        [dense(-180, -90, 180, 90)],
        [dense(-90, -80, 90, 80)],
        [dense(-112, 10, 58, 40)],
        [box(-180, -90, 180, 90), box(57.0, 25.31, 57.001, 25.315)],
    ],
    ids=["world", "half", "170 degrees", "world and another"],
)
def test_a_polygon_that_contains_the_scene_covers_it(tmp_path, scene, model, shapes):
    assert mapped(scene, write_shapes(tmp_path / "aoi.gpkg", shapes), model, tmp_path).all()


def test_a_height_that_is_not_a_number_does_not_lose_an_area(tmp_path, scene, model):
    high = shapely.force_3d(dense(56, 25, 58, 26), 5.0)
    coordinates = shapely.get_coordinates(high, include_z=True)
    coordinates[1, 2] = np.nan
    shapes = [shapely.set_coordinates(high, coordinates)]
    assert mapped(scene, write_shapes(tmp_path / "aoi.gpkg", shapes), model, tmp_path).all()


@pytest.mark.parametrize(
    "shapes",
    [
        [shapely.Point(57.005, 25.315)],
        [shapely.MultiPoint([(57.005, 25.315)]), shapely.LineString([(57, 25.31), (57.1, 25.32)])],
        [shapely.GeometryCollection([shapely.Point(57.005, 25.315)])],
    ],
)
def test_an_area_without_a_polygon_is_refused(tmp_path, scene, shapes):
    path = write_shapes(tmp_path / "aoi.gpkg", shapes)
    with pytest.raises(RunError, match=r"aoi\.gpkg has points or lines but no polygon, draw"):
        AreaOfInterest.read(str(path), open_scene(scene))


def test_points_and_lines_beside_polygons_are_left_out_with_a_warning(tmp_path, scene, caplog):
    area, point = box(57, 25.31, 57.005, 25.315), shapely.Point(57.008, 25.318)
    line = shapely.LineString([(57, 25.309), (57.1, 25.309)])
    inner = shapely.GeometryCollection([line, shapely.MultiPolygon([area])])
    read = AreaOfInterest.read
    plain = read(str(write_shapes(tmp_path / "plain.gpkg", [area])), open_scene(scene))
    only = shapely.GeometryCollection([area])
    read(str(write_shapes(tmp_path / "only.gpkg", [only])), open_scene(scene))
    assert not caplog.records
    for name, shapes in {"a": [point, area, line], "b": [inner]}.items():
        caplog.clear()
        mixed = read(str(write_shapes(tmp_path / f"{name}.gpkg", shapes)), open_scene(scene))
        [message] = caplog.messages
        assert "points and lines are left out" in message
        masks = [aoi.mask(open_scene(scene), Window(0, 0, 100, 100)) for aoi in (plain, mixed)]
        assert masks[0].any()
        assert np.array_equal(*masks)


def test_an_area_along_pixel_centres_has_the_same_pixels_in_every_window(tmp_path):
    """Pixels of a size that is no binary number, whose centres the edges of the area follow."""
    place = Affine(1 / 3600, 0, -59.87, 0, -1 / 3600, -25.41)
    path = tmp_path / "degrees.tif"
    write_raster(path, np.ones((1, 64, 64), np.uint8), crs="EPSG:4326", transform=place)
    scene = open_scene(path)
    corners = [
        (c + 0.5, r + 0.5, c + 3.5, r + 2.5) for c in range(0, 60, 4) for r in range(0, 60, 3)
    ]
    area = shapely.transform(
        shapely.MultiPolygon([box(*corner) for corner in corners]),
        lambda x, y: place @ (x, y), interleaved=False,
    )  # fmt: skip
    aoi = AreaOfInterest.read(str(write_shapes(tmp_path / "aoi.gpkg", [area])), scene)
    whole = aoi.mask(scene, scene.window)
    for window in grid_of(every(13, 64), every(13, 64)):
        assert np.array_equal(aoi.mask(scene, window), whole[*window.relative_to(scene.window)])


def test_an_area_in_another_crs_keeps_its_checksum(tmp_path, scene):
    # Parts of earlier runs are found by it.
    shapes = [box(57, 25.31, 57.005, 25.315), box(10, 10, 11, 11)]
    path = write_shapes(tmp_path / "aoi.gpkg", shapes)
    moved = geopandas.read_file(path).to_crs(32640).geometry
    plain = AreaOfInterest(shapely.to_wkb(shapely.GeometryCollection(list(moved))))
    assert AreaOfInterest.read(str(path), open_scene(scene)).sha256 == plain.sha256


@pytest.fixture
def across_180(tmp_path):
    """100 x 100 px of 0.001 degrees; column 50 begins at 180 degrees."""
    place = Affine(0.001, 0, 179.95, 0, -0.001, -10)
    pixels = np.maximum(blocks(100, 100), 1)
    return write_raster(tmp_path / "scene.tif", pixels, crs="EPSG:4326", transform=place)


def test_areas_on_both_sides_of_180_degrees_are_mapped(tmp_path, across_180, model):
    shapes = geopandas.GeoSeries([box(179.96, -11, 179.97, -9), box(-180, -11, -179.98, -9)])
    in_metres = shapes.set_crs(4326).to_crs(32601)
    path = write_shapes(tmp_path / "aoi.gpkg", in_metres, 32601)
    assert np.flatnonzero(mapped(across_180, path, model, tmp_path).all(axis=0)).tolist() == [
        *range(10, 20), *range(50, 70),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("bbox", "width"),
    [
        ((-179.9999, -11, -179.9801, -9), 20),
        ((180.0001, -11, 180.0199, -9), 20),
        ((-180, -90, 180, 90), 100),
    ],
)
def test_a_box_may_have_longitudes_of_another_turn(tmp_path, across_180, model, bbox, width):
    settings = replace(SETTINGS, bbox=bbox)
    classify(across_180, tmp_path / "lulc.tif", model=model, settings=settings)
    with rasterio.open(tmp_path / "lulc.tif") as map_:
        assert map_.shape == (100, width)
        assert map_.bounds.left == pytest.approx(180 if width == 20 else 179.95)


@pytest.mark.parametrize(
    ("west", "bbox", "columns"),
    [
        (-180, (-180.1, 0, -170, 5), (0, 10)),
        (-180, (170, 0, 190, 5), (350, 360)),
        (-180, (190, 0, 200, 5), (10, 20)),
        (0, (-10, 0, 10, 5), (0, 10)),
        (0, (-20, 0, -10, 5), (340, 350)),
        (0, (-180, 0, 180, 5), (0, 360)),
    ],
)
def test_a_box_that_leaves_a_raster_around_the_world_is_cut(tmp_path, model, west, bbox, columns):
    world = write_raster(
        tmp_path / "world.tif", blocks(10, 360), crs="EPSG:4326",
        transform=Affine(1, 0, west, 0, -1, 10),
    )  # fmt: skip
    classify(world, tmp_path / "o.tif", model=model, settings=replace(SETTINGS, bbox=bbox))
    with rasterio.open(tmp_path / "o.tif") as map_:
        first, end = columns
        assert (map_.bounds.left, map_.width) == (pytest.approx(west + first), end - first)


@pytest.mark.parametrize(
    "shapes",
    [
        [box(0, 0, 1, 1), box(2, 0, 3, 1)],
        [box(57.00005, 25.31605, 57.00006, 25.31606)],
        [box(56.9, 25.3, 56.999, 25.4), box(57.1, 25.3, 57.2, 25.4)],
    ],
    ids=["far", "between pixel centres", "beside"],
)
def test_an_area_without_a_pixel_of_the_scene_is_refused(tmp_path, scene, model, shapes):
    path = write_shapes(tmp_path / "aoi.gpkg", shapes)
    match = (
        r"aoi\.gpkg covers no pixel of scene .*scene\.tif: it lies at x .* y .*, the scene at "
        r"x 57 to 57\.00\d+, y 25\.30\d+ to 25\.31\d+ \(WGS 84\), check its coordinates"
    )
    with pytest.raises(SceneError, match=match):
        mapped(scene, path, model, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["aoi.gpkg", "scene.tif"]


def test_an_area_elsewhere_ends_the_command_with_an_error(tmp_path, scene, model):
    path = write_shapes(tmp_path / "aoi.gpkg", [box(0, 0, 1, 1)])
    out = tmp_path / "lulc.tif"
    done = commands.here(
        "classify", scene, "--model", model, "--overlap", 8, "--aoi", path, "--out", out
    )
    assert "covers no pixel of scene" in commands.refused(done)
    assert not out.exists()


def test_an_area_without_a_crs_is_refused_for_a_scene_that_has_one(tmp_path, scene, model):
    path = tmp_path / "aoi.gpkg"
    with pytest.warns(UserWarning, match="'crs' was not provided"):
        write_shapes(path, [box(500000, 2799000, 500100, 2800000)], None)
    with pytest.raises(VectorError, match=r"aoi\.gpkg has no CRS, but scene .*scene\.tif has one"):
        mapped(scene, path, model, tmp_path)
    bare = write_raster(tmp_path / "bare.tif", np.maximum(blocks(100, 100), 1), crs=None)
    assert mapped(bare, path, model, tmp_path).sum() == 10 * 100


def test_a_layer_of_the_area_is_read_by_name(tmp_path, scene):
    path = tmp_path / "aoi.gpkg"
    for name, right in (("one", 500100), ("two", 500200)):
        shapes = [box(500000, 2799000, right, 2800000)]
        geopandas.GeoDataFrame(geometry=shapes, crs=32640).to_file(path, layer=name)
    described = open_scene(scene)
    for layer, columns in (("one", 10), ("two", 20)):
        area = AreaOfInterest.read(str(path), described, layer)
        assert area.mask(described, described.window).sum() == columns * 100
