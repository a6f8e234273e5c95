"""Polygon files of every kind."""

import json
import resource
import sqlite3
from types import SimpleNamespace

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from geoseg.errors import ChunkError, InterruptedRun, LabelError, OutputError
from geoseg.grid import Window
from geoseg.legend import DUBAI, LandCoverClass, Legend
from geoseg.polygons import (
    FeatureBuilder,
    check_extension,
    stitch_chunks,
    trace_chunk,
    write_polygons,
)
from geoseg.styles.qgis import polygon_qml

EXTENSIONS = ["gpkg", "parquet", "fgb", "geojson"]
FIELDS = ["class_id", "class_name", "area_m2", "perimeter_m", "pixels"]
FIELDS += ["mean_confidence", "min_confidence", "true_area_m2"]
UTM = CRS.from_epsg(32633).to_wkt()
NORTH_UP = Affine(0.5, 0, 400_000, 0, -0.5, 5_000_000)


def labels_of(size=24):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 6, (size // 3, size // 3), dtype=np.uint8)
    labels = np.kron(coarse, np.ones((3, 3), np.uint8))
    labels[:5, :5] = 255
    return labels


def batches_of(labels, value=128):
    height, width = labels.shape
    half = height // 2
    for_all = np.full(labels.shape, value, np.uint8)
    windows = [Window(0, 0, half, width), Window(half, 0, height - half, width)]
    parts = (
        trace_chunk(labels[w.slices], w, labels.shape, confidence=for_all[w.slices])
        for w in windows
    )
    return stitch_chunks(parts, height, width)


def write(path, batches, final=None, **changes):
    options = {"legend": DUBAI, "transform": NORTH_UP, "crs": UTM, "size": (240, 240)} | changes
    return write_polygons(path, batches, FeatureBuilder(**options), final=final)


def read(path, layer=None):
    if path.suffix == ".parquet":
        return geopandas.read_parquet(path)
    return geopandas.read_file(path, layer=layer or path.stem)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_features_are_what_the_polygons_were(tmp_path, extension):
    path = tmp_path / f"lulc.{extension}"
    labels = labels_of()
    count = write(path, batches_of(labels))
    actual = read(path)
    assert list(actual.drop(columns="geometry").columns) == FIELDS
    assert len(actual) == count > 10
    assert actual["class_id"].dtype == np.int32
    assert (actual["area_m2"] == actual["pixels"] * 0.25).all()
    assert actual["pixels"].sum() == (labels != 255).sum()
    assert (actual["mean_confidence"] == 128 / 255).all()
    assert (actual["min_confidence"] == 128 / 255).all()
    assert [DUBAI.value_of(name) for name in actual["class_name"]] == actual["class_id"].tolist()
    assert actual.geometry.exterior.is_ccw.all()
    assert actual.geometry.is_valid.all()
    placed = actual if extension != "geojson" else actual.to_crs(32633)
    assert np.allclose(
        placed.area, actual["area_m2"], rtol=1e-2 if extension == "geojson" else 1e-9
    )
    assert np.allclose(placed.length, actual["perimeter_m"], rtol=1e-2)
    assert placed.total_bounds == pytest.approx([400_000, 4_999_988, 400_012, 5_000_000], abs=0.02)
    if extension != "geojson":
        assert shapely.coverage_is_valid(actual.geometry.to_numpy())
        assert actual.crs == CRS.from_wkt(UTM)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_the_same_polygons_are_the_same_bytes(tmp_path, extension):
    path = tmp_path / f"lulc.{extension}"
    write(path, batches_of(labels_of()))
    before = path.read_bytes()
    write(path, batches_of(labels_of()))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_scene_without_polygons_is_a_layer_without_features(tmp_path, extension):
    path = tmp_path / f"lulc.{extension}"
    assert write(path, batches_of(np.full((6, 6), 255, np.uint8))) == 0
    actual = read(path)
    assert len(actual) == 0
    if extension != "geojson":
        assert list(actual.drop(columns="geometry").columns) == FIELDS
        assert actual.crs == CRS.from_wkt(UTM)
    assert write(path, iter([])) == 0


@pytest.mark.parametrize("extension", ["gpkg", "parquet", "fgb"])
def test_without_crs_or_confidence_the_fields_are_null(tmp_path, extension):
    path = tmp_path / f"lulc.{extension}"
    write(
        path, batches_of(labels_of()), crs=None, has_confidence=False, transform=Affine.identity()
    )
    actual = read(path)
    assert actual.crs is None
    assert actual[["area_m2", "true_area_m2", "perimeter_m", "mean_confidence"]].isna().all().all()
    assert (actual.area == actual["pixels"]).all()


def test_geojson_needs_a_crs(tmp_path):
    with pytest.raises(OutputError, match="has no CRS"):
        write(tmp_path / "lulc.geojson", batches_of(labels_of()), crs=None)


def test_geojson_is_in_longitude_and_latitude_without_a_crs_member(tmp_path):
    path = tmp_path / "lulc.geojson"
    write(path, batches_of(labels_of()))
    data = json.loads(path.read_text())
    assert "crs" not in data
    lon, lat = data["features"][0]["geometry"]["coordinates"][0][0]
    assert (round(lon), round(lat)) == (14, 45)


def test_geopackage_has_an_index_and_the_legend_as_default_style(tmp_path):
    path = tmp_path / "stage.gpkg"
    labels = labels_of()
    labels[labels == 2] = 0
    write(path, batches_of(labels), final=tmp_path / "lulc.gpkg")
    assert [name for name, _ in pyogrio.list_layers(path)] == ["lulc", "layer_styles"]
    style = pyogrio.read_dataframe(path, layer="layer_styles").iloc[0]
    assert style["f_table_name"] == "lulc"
    assert style["useAsDefault"]
    assert style["styleQML"] == polygon_qml(DUBAI.subset({0, 1, 3, 4, 5}))
    with sqlite3.connect(path) as database:
        geometry = database.execute("SELECT * FROM gpkg_geometry_columns").fetchall()
        assert geometry[0][:3] == ("lulc", style["f_geometry_column"], "POLYGON")
        kinds = database.execute("SELECT table_name, data_type FROM gpkg_contents").fetchall()
        assert dict(kinds) == {"lulc": "features", "layer_styles": "attributes"}
        extensions = database.execute("SELECT extension_name FROM gpkg_extensions").fetchall()
        assert ("gpkg_rtree_index",) in extensions
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    inside = pyogrio.read_dataframe(
        path, layer="lulc", bbox=(400_006, 4_999_990, 400_007, 4_999_991)
    )
    assert 0 < len(inside) < 10


def test_gdal_keeps_its_own_date_afterwards(tmp_path):
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2020-02-02T00:00:00Z"})
    try:
        write(tmp_path / "lulc.gpkg", batches_of(labels_of()))
        assert pyogrio.get_gdal_config_option("OGR_CURRENT_DATE") == "2020-02-02T00:00:00Z"
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def test_geoparquet_metadata(tmp_path):
    path = tmp_path / "lulc.parquet"
    write(path, batches_of(labels_of()))
    geo = json.loads(pq.read_metadata(path).metadata[b"geo"])
    column = geo["columns"]["geometry"]
    assert (geo["version"], geo["primary_column"]) == ("1.1.0", "geometry")
    assert column["geometry_types"] == ["Polygon"]
    assert column["orientation"] == "counterclockwise"
    assert column["crs"]["id"] == {"authority": "EPSG", "code": 32633}
    assert column["bbox"] == [400_000, 4_999_988, 400_012, 5_000_000]
    assert pq.read_schema(path).field("geometry").type == "binary"
    near = geopandas.read_parquet(path, bbox=(400_006, 4_999_990, 400_007, 4_999_991))
    assert 0 < len(near) < 10


@pytest.mark.parametrize("name", ["lulc.shp", "lulc", "lulc.gpkg.tmp"])
def test_unknown_extensions_are_refused(tmp_path, name):
    with pytest.raises(OutputError, match="extensions"):
        check_extension(tmp_path / name)
    with pytest.raises(OutputError):
        write(tmp_path / name, batches_of(labels_of()))
    assert list(tmp_path.iterdir()) == []


def test_extensions_name_their_driver():
    assert [check_extension(f"A.{e.upper()}") for e in EXTENSIONS] == [
        "GPKG",
        "Parquet",
        "FlatGeobuf",
        "GeoJSON",
    ]


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path, extension):
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / "missing" / f"lulc.{extension}", batches_of(labels_of()))


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_full_disk_is_an_output_error_wherever_it_strikes(tmp_path, extension):
    path = tmp_path / f"lulc.{extension}"
    write(path, batches_of(labels_of(240)))
    size = path.stat().st_size
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (100, size // 2, size - 100, size - 2):
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            with pytest.raises(OutputError):
                write(path, batches_of(labels_of(240)))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("failure", [ChunkError("chunk 3 failed"), KeyboardInterrupt()])
def test_an_error_of_the_polygons_stays_itself(tmp_path, extension, failure):
    def broken():
        yield from batches_of(labels_of())
        raise failure

    with pytest.raises(type(failure)) as caught:
        write(tmp_path / f"lulc.{extension}", broken())
    assert caught.value is failure


def test_a_class_that_the_legend_lacks_is_named(tmp_path):
    legend = Legend((LandCoverClass(0, "land", "#8429f6"),))
    with pytest.raises(LabelError, match="label 1 is not in the legend"):
        write(tmp_path / "lulc.gpkg", batches_of(labels_of()), legend=legend)


def test_many_small_and_one_large_batch_are_regrouped(tmp_path, monkeypatch):
    monkeypatch.setattr("geoseg.polygons.write.features._BATCH_VERTICES", 60)
    path = tmp_path / "lulc.parquet"
    count = write(path, batches_of(labels_of()))
    metadata = pq.read_metadata(path)
    assert metadata.num_rows == count
    assert 2 < metadata.num_row_groups < count / 2
    order = read(path)["pixels"].tolist()
    assert order == [int(p) for b in batches_of(labels_of()) for p in b.pixels]


@pytest.mark.parametrize(
    "transform",
    [Affine(2, 0, 0, 0, 2, 0), Affine(0, 2, 0, -2, 0, 0), Affine(3, 1, 10, 1, -2, 20)],
    ids=["south-up", "turned", "sheared"],
)
def test_any_transform_places_each_vertex_and_keeps_shells_counter_clockwise(tmp_path, transform):
    path = tmp_path / "lulc.parquet"
    write(path, batches_of(labels_of()), transform=transform)
    actual = read(path)
    t = transform
    polygons = np.concatenate([b.to_shapely() for b in batches_of(labels_of())])
    for polygon, placed in zip(polygons, actual.geometry, strict=True):
        expected = {
            (t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f) for x, y in polygon.exterior.coords
        }
        assert set(placed.exterior.coords) == expected
    assert actual.geometry.exterior.is_ccw.all()
    assert np.allclose(actual.area, actual["area_m2"])
    assert np.allclose(actual.length, actual["perimeter_m"])


def test_unknown_measures_are_null_not_nan(tmp_path):
    path = tmp_path / "lulc.parquet"
    count = write(path, batches_of(labels_of()), crs=None, has_confidence=False)
    table = pq.read_table(path)
    for name in ("area_m2", "true_area_m2", "perimeter_m", "mean_confidence"):
        assert table[name].null_count == count


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_file_with_fewer_polygons_than_were_written_is_refused(tmp_path, monkeypatch, extension):
    monkeypatch.setattr("geoseg.polygons.write.ogr.count_ogr", lambda *_: 3)
    monkeypatch.setattr(pq, "read_metadata", lambda _: SimpleNamespace(num_rows=3))
    with pytest.raises(OutputError, match="has 3 of"):
        write(tmp_path / f"lulc.{extension}", batches_of(labels_of()))


RESERVED = ["gpkg_x", "GPKGx", "sqlite_x", "layer_styles", "ogr_empty_table"]


@pytest.mark.parametrize("name", [*RESERVED, *(f"{c}1" for c in "-(#~+'$@,^{%[<=&`|\"")])
def test_a_geopackage_of_a_name_that_no_layer_can_have_has_a_layer_of_another(tmp_path, name):
    path = tmp_path / f"{name}.gpkg"
    count = write(path, batches_of(labels_of()))
    assert len(pyogrio.read_dataframe(path, layer=f"map_{name}")) == count
    with sqlite3.connect(path) as database:
        styled = database.execute("SELECT f_table_name FROM layer_styles").fetchall()
    database.close()
    assert styled == [(f"map_{name}",)]


@pytest.mark.parametrize("name", ["_x", "2020", "öl", "地図", "a#(1)", "x y"])
def test_a_layer_has_the_name_of_its_geopackage(tmp_path, name):
    path = tmp_path / f"{name}.gpkg"
    count = write(path, batches_of(labels_of()))
    assert len(pyogrio.read_dataframe(path, layer=name)) == count


def test_errors_name_the_final_file(tmp_path):
    with pytest.raises(OutputError, match=r"lulc\.gpkg cannot be written"):
        write(tmp_path / "no" / "1.gpkg", batches_of(labels_of()), final=tmp_path / "lulc.gpkg")


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_it_stops_between_batches(tmp_path, extension):
    def check_stop():
        raise InterruptedRun("stop")

    builder = FeatureBuilder(DUBAI, NORTH_UP, UTM, (24, 24))
    with pytest.raises(InterruptedRun):
        write_polygons(
            tmp_path / f"x.{extension}", batches_of(labels_of()), builder, check_stop=check_stop
        )
