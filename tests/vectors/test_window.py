"""Vector files that are read in parts."""

import geopandas
import numpy as np
import pytest
import shapely

from geoseg.errors import VectorError
from geoseg.vectors import open_layer, read_features


@pytest.fixture
def squares():
    boxes = [shapely.box(x, y, x + 0.9, y + 0.9) for y in range(8) for x in range(10)]
    frame = {"class_name": [f"c{i}" for i in range(80)]}
    return geopandas.GeoDataFrame(frame, geometry=boxes, crs="EPSG:32640")


@pytest.mark.parametrize("suffix", [".gpkg", ".fgb"])
def test_the_features_of_a_rectangle_are_those_that_touch_it(tmp_path, squares, suffix):
    path = tmp_path / f"squares{suffix}"
    squares.to_file(path, engine="pyogrio")
    layer = open_layer(path)
    assert layer.fields == ("class_name",)
    features = read_features(layer, (2.5, 1.5, 4.5, 3.5), 100, ("class_name", "area_m2"))
    touching = squares[squares.intersects(shapely.box(2.5, 1.5, 4.5, 3.5))]
    assert sorted(features.values["class_name"]) == sorted(touching["class_name"])
    assert set(map(shapely.to_wkt, map(shapely.normalize, features.geometries))) == set(
        map(shapely.to_wkt, touching.normalize())
    )
    assert len(np.unique(features.ids)) == 9
    assert len(read_features(layer, (0, 0, 10, 10), 7).ids) == 7


def test_a_layer_without_crs_has_none(tmp_path, squares):
    with pytest.warns(UserWarning, match="crs"):
        squares.set_crs(None, allow_override=True).to_file(tmp_path / "squares.gpkg")
    assert open_layer(tmp_path / "squares.gpkg").crs is None


def test_a_file_without_index_is_refused(tmp_path, squares):
    squares.to_file(tmp_path / "squares.geojson")
    with pytest.raises(VectorError, match="neither a GeoPackage"):
        open_layer(tmp_path / "squares.geojson")


def test_a_damaged_file_is_refused(tmp_path, squares):
    path = tmp_path / "squares.gpkg"
    squares.to_file(path)
    layer = open_layer(path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(VectorError, match="cannot read vector file"):
        read_features(layer, (0, 0, 10, 10), 7)
