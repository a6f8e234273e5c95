"""Polygons in longitude and latitude: GeoJSON of any grid is the map, or is refused."""

import json
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS, Transformer
from rasterio.features import rasterize

import geoseg
from geoseg.classification import ClassifySettings, classify
from geoseg.errors import OutputError
from geoseg.polygons import check_format_fits
from geoseg.polygons.write.lonlat import LonLat
from tests.support.class_maps import SHAPE, class_labels
from tests.support.commands import here, refused
from tests.support.rasters import write_raster

SITE = 'LOCAL_CS["site",UNIT["metre",1],AXIS["X",EAST],AXIS["Y",NORTH]]'
WORLD = 20037508.342789244


def grid(west: float, north: float, width: float, height: float | None = None) -> Affine:
    return Affine(width, 0, west, 0, -(height or width), north)


def vectorised(tmp_path: Path, labels: np.ndarray, crs: str, transform: Affine, **cleaning: float):
    scene = write_raster(
        tmp_path / "in.tif", labels[None], crs=crs, transform=transform, nodata=255
    )
    settings = geoseg.VectoriseSettings(cleaning=geoseg.Cleaning(**cleaning))
    geoseg.vectorise(scene, tmp_path / "x.geojson", settings=settings)
    return geopandas.read_file(tmp_path / "x.geojson")


def burnt(polygons: geopandas.GeoDataFrame, crs: str, transform: Affine) -> np.ndarray:
    """The polygons on the grid of the map again, their sides straight in degrees."""
    back = Transformer.from_crs("EPSG:4326", crs, always_xy=True, force_over=True)
    parts = polygons.explode()
    dense = shapely.segmentize(parts.geometry.to_numpy(), 0.25)
    labels = np.full(SHAPE, 255, np.uint8)
    for turn in (-360, 0, 360):  # PROJ keeps longitudes beyond 180 degrees where a grid has them

        def place(lonlat: np.ndarray, turn: int = turn) -> np.ndarray:
            return np.column_stack(back.transform(lonlat[:, 0] + turn, lonlat[:, 1]))

        placed = shapely.transform(dense, place)
        near = np.isfinite(shapely.bounds(placed)).all(1) & ~shapely.is_empty(placed)
        if near.any():
            shapes = zip(placed[near], parts["class_id"][near], strict=True)
            rasterize(shapes, transform=transform, out=labels)
    return labels


def assert_coverage(polygons: geopandas.GeoDataFrame) -> None:
    assert set(polygons.geom_type) <= {"Polygon", "MultiPolygon"}
    assert polygons.is_valid.all()
    assert shapely.coverage_is_valid(polygons.explode().geometry.to_numpy())
    west, south, east, north = polygons.total_bounds
    assert west >= -180
    assert east <= 180
    assert south >= -90
    assert north <= 90


@pytest.mark.parametrize("pixel", [0.0005, 0.005, 0.01, 0.02, 0.3])
def test_geojson_of_small_pixels_is_the_map(tmp_path, pixel):
    labels, transform = class_labels(), grid(400_000, 5_000_000, pixel)
    actual = vectorised(tmp_path, labels, "EPSG:32633", transform)
    assert_coverage(actual)
    placed = actual.to_crs("EPSG:32633")
    shapes = zip(placed.geometry, placed["class_id"], strict=True)
    again = rasterize(shapes, SHAPE, fill=255, transform=transform, dtype="uint8")
    assert (again == labels).all()
    assert np.allclose(placed.area, actual["area_m2"], rtol=0.005)


def test_geojson_keeps_seven_decimals_for_large_pixels():
    crs = CRS.from_epsg(32633).to_wkt()
    for pixel, decimals in ((500, 7), (10, 7), (0.3, 9), (0.02, 10), (0.005, 11)):
        actual = LonLat.of(Path("x.geojson"), grid(400_000, 5_000_000, pixel), crs, SHAPE)
        assert actual.decimals == decimals


REPRESENTED = {
    "world": ("EPSG:4326", grid(-180, 90, 6, 180 / 48)),
    "world from 0 degrees": ("EPSG:4326", grid(0, 90, 6, 180 / 48)),
    "world not quite exact": ("EPSG:4326", grid(-180.000000000001, 90.000000000001, 6, 180 / 48)),
    "beyond 180 degrees": ("EPSG:4326", grid(175, 10, 0.2)),
    "far beyond 180 degrees": ("EPSG:4326", grid(340, 10, 0.2)),
    "UTM across 180 degrees": ("EPSG:32660", grid(830_000, 1e6, 2000)),
    "UTM seven zones wide": ("EPSG:32633", grid(-1.2e6, 7e6, 50_000)),
    "polar across 180 degrees": ("EPSG:3413", grid(-1.5e6, 1.6e6, 10_000)),
    "polar, pole one pixel outside": ("EPSG:3413", grid(1e4, 48e4, 1e4)),
    "polar, far from the pole": ("EPSG:3413", grid(1e6, 3e6, 50_000)),
    "Mercator of the world": ("EPSG:3857", grid(-WORLD, WORLD, WORLD / 30, WORLD / 24)),
    "Mercator beyond 85 degrees": ("EPSG:3857", grid(0, 25e6, 1e5)),
    "Mercator of the Pacific": ("EPSG:3832", grid(0, 3e6, 1.2e5)),
    "equal area, world": ("EPSG:6933", grid(-17367530.445, 7314540.83, 578917.681, 304772.53)),
    "rotated": ("EPSG:32633", Affine(8, 5, 400_000, 5, -8, 5_000_000)),
}  # fmt: skip


@pytest.mark.parametrize("name", REPRESENTED)
def test_geojson_is_a_valid_coverage_and_the_map(tmp_path, name):
    crs, transform = REPRESENTED[name]
    labels = class_labels()
    actual = vectorised(tmp_path, labels, crs, transform)
    assert_coverage(actual)
    assert (burnt(actual, crs, transform) == labels).all()
    features = json.loads((tmp_path / "x.geojson").read_text())["features"]
    several = [f["geometry"] for f in features if f["geometry"]["type"] == "MultiPolygon"]
    assert all(len(geometry["coordinates"]) > 1 for geometry in several)
    assert all(all(geometry["coordinates"]) for geometry in several)


REFUSED = {
    "no CRS": (None, grid(0, 0, 1), "it has no CRS"),
    "engineering CRS": (SITE, grid(0, 100, 1), "its CRS site cannot be converted to EPSG:4326"),
    "moon": ("+proj=longlat +R=1737400 +no_defs", grid(0, 10, 0.1), "cannot be converted"),
    "north pole inside": ("EPSG:3413", grid(-3e5, 2e5, 1e4), "it goes around a pole"),
    "south pole inside": ("EPSG:3031", grid(-3e5, 2e5, 1e4), "it goes around a pole"),
    "pole on a corner": ("EPSG:3413", grid(0, 48e4, 1e4), "a pole is in it or close to it"),
    "beyond the pole": ("EPSG:4326", grid(0, 91, 0.2), "it reaches beyond a pole"),
    "more than the world": ("EPSG:4326", grid(-180, 80, 6.1, 1), "more than once around"),
    "equal area beyond the pole": (
        "EPSG:6933", grid(-17367530, 7.4e6, 578917, 3e5), "parts of it have no longitude",
    ),
    "corners outside of the earth": (
        "ESRI:54009", grid(-18e6, 9e6, 6e5, 3.7e5), "parts of it have no longitude",
    ),
    "UTM of half the world": ("EPSG:32633", grid(-15e6, 15e6, 6e5), "parts of it have no"),
    "pixels of 20 micrometres": ("EPSG:32633", grid(4e5, 5e6, 2e-5), "pixels are too small"),
}  # fmt: skip


@pytest.mark.parametrize("extension", ["geojson", "pmtiles"])
@pytest.mark.parametrize("name", REFUSED)
def test_a_grid_that_degrees_cannot_represent_is_refused(name, extension):
    crs, transform, reason = REFUSED[name]
    wkt = None if crs is None else CRS.from_user_input(crs).to_wkt()
    with pytest.raises(OutputError, match=reason) as caught:
        check_format_fits(f"x.{extension}", transform, wkt, SHAPE)
    assert str(caught.value).startswith(f"x.{extension} needs longitude and latitude")
    assert str(caught.value).endswith("write .gpkg or .parquet instead")
    for other in ("gpkg", "parquet", "fgb"):
        check_format_fits(f"x.{other}", transform, wkt, SHAPE)


@pytest.mark.parametrize("crs", [SITE, "EPSG:3413"])
def test_commands_refuse_such_a_grid_at_once(tmp_path, model, crs):
    transform = grid(-3e5, 2e5, 1e4)
    scene = write_raster(
        tmp_path / "s.tif", np.ones((3, *SHAPE), np.uint8), crs=crs, transform=transform
    )
    labels = write_raster(tmp_path / "l.tif", class_labels()[None], crs=crs, transform=transform)
    settings = ClassifySettings(overlap=8)
    with pytest.raises(OutputError, match="needs longitude and latitude"):
        classify(
            scene, tmp_path / "m.tif", model=model, polygons=tmp_path / "m.geojson",
            settings=settings,
        )  # fmt: skip
    assert "write .gpkg" in refused(here("vectorise", labels, "--out", tmp_path / "m.geojson"))
    assert {p.name for p in tmp_path.iterdir()} == {"s.tif", "l.tif"}


def test_a_hole_beside_a_long_side_stays_inside(tmp_path):
    """In degrees, the straight outer side would pass through the hole."""
    labels = np.zeros((500, 3000), np.uint8)
    labels[-2, 1500] = labels[1, 1500] = 1
    transform = grid(-1_000_000, 7_000_000, 700)
    actual = vectorised(tmp_path, labels, "EPSG:32633", transform)
    assert len(actual) == 3
    assert_coverage(actual)


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:32660"])
def test_clean_polygons_stay_a_coverage(tmp_path, crs):
    for pixel in (0.02, 2000):
        transform = grid(830_000, 1e6, pixel)
        actual = vectorised(tmp_path, class_labels(7), crs, transform, simplify=2, smooth=3)
        assert_coverage(actual)
        (tmp_path / "x.geojson").unlink()


def test_polygons_that_cross_themselves_are_not_written():
    lonlat = LonLat.of(Path("x.geojson"), grid(0, 10, 0.1), CRS.from_epsg(4326).to_wkt(), SHAPE)
    bow_tie = np.array([(0, 0), (1, 1), (1, 0), (0, 1), (0, 0)], float)
    with pytest.raises(OutputError, match="1 polygon would cross itself"):
        lonlat.to_wkb(bow_tie, np.array([0, 5]), np.array([0, 1]))
