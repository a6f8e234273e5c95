"""Areas of the legend, and the least certain places."""

import geopandas
import numpy as np
import pytest
import rasterio
import shapely

from geoseg.errors import VectorError
from geoseg.geodesy import pixel_areas
from geoseg.labels import open_class_raster
from geoseg.legend import LandCoverClass, Legend
from geoseg.raster import open_scene
from geoseg.styles.gdal_pam import pam_sidecar
from geoseg.view.legend import count_areas
from geoseg.view.places import least_certain_places, places_in_file
from tests.support.assessments import write_map
from tests.support.rasters import write_raster
from tests.support.views import LEGEND, PLACES, write_place


@pytest.mark.parametrize("name", PLACES)
def test_areas_are_those_of_the_pixels(tmp_path, name):
    files = write_place(tmp_path, name)
    counted = count_areas(open_class_raster(files.map, on_missing="error"))
    crs, transform = PLACES[name]
    rows = np.arange(files.labels.shape[0])
    areas = pixel_areas(transform, open_scene(files.map).crs, rows, files.labels.shape[1])
    known = (files.labels != 255).sum()
    assert counted["exact"]
    assert [item["name"] for item in counted["classes"]] == list(LEGEND.names)
    for item in counted["classes"]:
        by_row = (files.labels == item["value"]).sum(axis=1)
        assert item["share"] == by_row.sum() / known
        assert item["area_m2"] == (pytest.approx(by_row @ areas) if crs else None)


def test_a_large_map_is_counted_at_a_level(tmp_path, monkeypatch):
    labels = np.kron(np.array([[0, 3], [7, 0]], np.uint8), np.ones((64, 64), np.uint8))
    raster = open_class_raster(write_map(tmp_path / "map.tif", labels, LEGEND), on_missing="error")
    exact = count_areas(raster)
    monkeypatch.setattr("geoseg.view.legend._MAX_SIDE", 40)
    reduced = count_areas(raster)
    assert not reduced["exact"]
    for all_pixels, some in zip(exact["classes"], reduced["classes"], strict=True):
        assert some["area_m2"] == pytest.approx(all_pixels["area_m2"])
        assert some["share"] == all_pixels["share"]


def test_values_without_a_name_are_listed_where_they_occur(tmp_path):
    values = np.array([[4, 9], [9, 200]], np.uint8)
    path = write_raster(tmp_path / "map.tif", values[None])
    classes = count_areas(open_class_raster(path))["classes"]
    assert [(c["value"], c["name"]) for c in classes] == [
        (4, "class 4"), (9, "class 9"), (200, "class 200"),
    ]  # fmt: skip


def test_unused_colours_of_a_palette_are_not_listed(tmp_path):
    path = write_raster(tmp_path / "map.tif", np.array([[4, 9], [9, 200]], np.uint8)[None])
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, dict.fromkeys(range(256), (255, 255, 255, 255)))
    (tmp_path / "map.tif.aux.xml").write_text(
        pam_sidecar(Legend((LandCoverClass(7, "mine", "#102030"),)), [0])
    )
    classes = count_areas(open_class_raster(path, on_missing="error"))["classes"]
    assert [c["name"] for c in classes] == ["4", "mine", "9", "200"]


def test_the_least_certain_places_come_first_and_are_no_neighbours(tmp_path):
    scores = np.full((320, 480), 200, np.uint8)
    scores[64:96, 128:160] = 90  # the lowest block
    scores[64:96, 160:192] = 95  # its neighbour, which is no minimum
    scores[256:288, 416:448] = 120
    scores[:32, :32] = 0  # no data
    scores[0:10, 460:480] = 199
    places = least_certain_places(
        open_scene(write_raster(tmp_path / "confidence.tif", scores[None], nodata=0))
    )
    assert [(p["row"], p["col"]) for p in places[:2]] == [(80, 144), (272, 432)]
    assert places[0]["text"] == "mean confidence 0.353"  # 90 / 255
    assert (64, 176) not in [(p["row"], p["col"]) for p in places]
    assert (16, 16) not in [(p["row"], p["col"]) for p in places]
    assert [p["text"] for p in places] == sorted(p["text"] for p in places)


def test_places_of_a_large_map_lie_on_its_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr("geoseg.view.places._MAX_SIDE", 128)
    scores = np.full((500, 510), 200, np.uint8)
    scores[384:512, 128:256] = 100
    scene = open_scene(write_raster(tmp_path / "confidence.tif", scores[None], nodata=0))
    first = least_certain_places(scene)[0]
    assert (first["row"], first["col"], first["size"]) == (448, 192, 128)


def write_places(path, boxes, crs="EPSG:32640", **fields):
    shapes = [shapely.box(*box) for box in boxes]
    geopandas.GeoDataFrame(fields, geometry=shapes, crs=crs).to_file(path)
    return path


def test_places_of_a_file_come_by_their_rank_and_those_elsewhere_are_left_out(tmp_path):
    grid = open_scene(write_raster(tmp_path / "map.tif", np.ones((1, 200, 300), np.uint8)))
    boxes = [
        (501000, 2799000, 501640, 2799640),
        (500000, 2799680, 500320, 2800000),
        (600000, 2799000, 600640, 2799640),
    ]
    path = write_places(tmp_path / "a.gpkg", boxes, rank=[2, 1, 3], class_name=["a", "b", "c"])
    first, second = places_in_file(path, grid)
    assert first == {"row": 16, "col": 16, "size": 32, "text": "rank 1, class_name b"}
    assert second == {"row": 68, "col": 132, "size": 64, "text": "rank 2, class_name a"}
    degrees = geopandas.read_file(path).to_crs(4326)
    degrees.to_file(tmp_path / "degrees.gpkg")
    again = places_in_file(tmp_path / "degrees.gpkg", grid)
    assert [(p["row"], p["col"]) for p in again] == [(16, 16), (68, 132)]


def test_a_field_of_a_place_that_is_not_filled_in_is_not_shown(tmp_path):
    grid = open_scene(write_raster(tmp_path / "map.tif", np.ones((1, 200, 300), np.uint8)))
    fields = {"rank": [1, 2], "uncertainty": [0.5, np.nan], "class_name": [None, "a"]}
    boxes = [(500000, 2799680, 500320, 2800000)] * 2
    path = write_places(tmp_path / "a.gpkg", boxes, **fields)
    texts = [place["text"] for place in places_in_file(path, grid)]
    assert texts == ["rank 1, uncertainty 0.5", "rank 2, class_name a"]


def test_a_file_of_places_elsewhere_is_refused(tmp_path):
    grid = open_scene(write_raster(tmp_path / "map.tif", np.ones((1, 200, 300), np.uint8)))
    path = write_places(tmp_path / "a.gpkg", [(600000, 2799000, 600640, 2799640)])
    with pytest.raises(VectorError, match=r"no place of .*a\.gpkg lies on the map: .*check its"):
        places_in_file(path, grid)
