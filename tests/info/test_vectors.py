"""`geoseg info` on vector files."""

import geopandas
import numpy as np
import pytest
import rasterio
import shapely

from geoseg.errors import OutputError, VectorError
from geoseg.info import as_text, describe, find_kind, plot
from tests.support import commands
from tests.support.models import as_json
from tests.support.rasters import write_raster


@pytest.fixture
def fields(tmp_path):
    """A GeoPackage: 60 polygons with fields of many types, and a layer of one point."""
    path, number = tmp_path / "fields.gpkg", np.arange(60)
    columns = {
        "crop": ["wheat"] * 30 + ["maize"] * 20 + ["  "] * 5 + [None] * 5,
        "code": number % 7,
        "area": number / 8,
        "day": np.datetime64("2020-01-01") + (number % 2) * np.timedelta64(1, "D"),
        "note": [f"a long remark on parcel number {n:03}" for n in number],
    }
    columns["day"] = columns["day"].astype("datetime64[ms]")
    columns["area"][:3] = np.nan
    shapes = [*shapely.box(number, 0, number + 1, 1)[:-1], None]
    geopandas.GeoDataFrame(columns, geometry=shapes, crs=32640).to_file(path, layer="parcels")
    point = geopandas.GeoDataFrame(geometry=[shapely.Point(5, 6)], crs=4326)
    point.to_file(path, layer="wells")
    return path


def test_layers_and_fields_are_described(fields):
    report = describe(fields)
    assert report.kind == "vectors"
    parcels, wells = report.data["layers"]
    assert (parcels["name"], parcels["features"], parcels["without_geometry"]) == ("parcels", 60, 1)
    assert parcels["geometry_types"] == {"Polygon": 59}
    assert parcels["crs"]["epsg"] == 32640
    assert parcels["extent"] == {"left": 0.0, "bottom": 0.0, "right": 59.0, "top": 1.0}
    assert {f["name"]: (f["type"], f["empty"], f["different"]) for f in parcels["fields"]} == {
        "crop": ("text", 10, 2), "code": ("integer", 0, 7), "area": ("real", 3, 57),
        "day": ("date", 0, 2), "note": ("text", 0, 60),
    }  # fmt: skip
    assert parcels["fields"][0]["values"] == [
        {"value": "wheat", "features": 30}, {"value": "maize", "features": 20},
    ]  # fmt: skip
    assert wells["geometry_types"] == {"Point": 1}
    assert wells["fields"] == []


def test_a_vector_file_in_words_fits_a_terminal(tmp_path, fields, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = as_text(describe("fields.gpkg"))
    assert max(map(len, text.splitlines())) <= 80
    assert "Layer     parcels\nFeatures  60\nGeometry  59 Polygon, 1 without geometry\n" in text
    assert "crop   text        10  wheat (30), maize (20)\n" in text
    assert "note   text         0  a long remark on parcel num... (1), 59 more\n" in text
    assert "Layer     wells\nFeatures  1\n" in text


def test_a_vector_file_as_json(fields):
    data = as_json(describe(fields))
    assert data["kind"] == "vectors"
    assert data["layers"][0]["fields"][3]["values"][0]["value"] == "2020-01-01T00:00:00"


def test_other_values_are_fit_for_json(tmp_path):
    path = tmp_path / "shapes.parquet"
    columns = {"yes": [True, False], "list": [[1, 2], [3]], "real": [np.inf, 2.0]}
    shapes = [shapely.Point(0, 0), shapely.Point()]
    geopandas.GeoDataFrame(columns, geometry=shapes).to_parquet(path)
    [layer] = as_json(describe(path))["layers"]
    assert layer["crs"] is None
    assert [f["type"] for f in layer["fields"]] == ["boolean", "list", "real"]
    values = [[v["value"] for v in f["values"]] for f in layer["fields"]]
    assert values == [[True, False], ["[1 2]", "[3]"], ["inf", 2]]


def test_a_layer_without_features(tmp_path):
    path = tmp_path / "empty.gpkg"
    frame = geopandas.GeoDataFrame({"kind": ["a"]}, geometry=[shapely.Point(0, 0)], crs=4326)
    frame[:0].to_file(path)
    [layer] = describe(path).data["layers"]
    assert (layer["features"], layer["extent"], layer["geometry_types"]) == (0, None, {})
    assert "kind   -         0  -" in as_text(describe(path))


def test_a_geopackage_of_a_raster_is_a_scene(tmp_path):
    path = tmp_path / "scene.gpkg"
    write_raster(path, np.ones((3, 256, 256), np.uint8), driver="GPKG")
    with rasterio.open(path) as scene:
        assert scene.count >= 3
    assert find_kind(path) == "scene"


def test_a_file_that_cannot_be_read_or_drawn(tmp_path, fields):
    with pytest.raises(VectorError, match=r"cannot read vector file .*gone\.shp: No such file"):
        describe(tmp_path / "gone.shp")
    with pytest.raises(OutputError, match=r"fields\.gpkg is a vector file, which geoseg does not"):
        plot(fields, tmp_path / "fields.png")


def test_the_command_describes_a_vector_file(fields):
    done = commands.here("info", fields)
    assert done.returncode == 0
    assert "parcels" in done.stdout
