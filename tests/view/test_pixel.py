"""The values of a clicked pixel are those of the files."""

import json
import math

import numpy as np
import pytest
from pyproj import Transformer

from geoseg.view import ViewSettings
from tests.support.views import LEGEND, PLACES, SHAPE, open_page, write_place

NAMES = {c.value: c.name for c in LEGEND.classes}


@pytest.fixture(scope="module", params=PLACES)
def place(request, tmp_path_factory):
    files = write_place(tmp_path_factory.mktemp("place"), request.param)
    settings = ViewSettings(
        confidence=files.confidence, probabilities=files.probabilities, polygons=files.polygons,
        compare=files.second,
    )  # fmt: skip
    return request.param, files, open_page(files, settings)


def get(page, target: str):
    answer = page.answer("GET", target)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


@pytest.mark.parametrize(("row", "col"), [(0, 70), (31, 5), (299, 419), (123, 222)])
def test_all_values_are_those_of_the_files(place, row, col):
    _, files, page = place
    pixel = get(page, f"pixel?row={row}&col={col}")
    value = int(files.labels[row, col])
    assert (pixel["row"], pixel["col"]) == (row, col)
    assert [band["value"] for band in pixel["bands"]] == files.image[:, row, col].tolist()
    assert pixel["maps"]["map"] == {"value": value, "name": NAMES[value]}
    other = int(np.roll(files.labels, 60, 1)[row, col])
    assert (pixel["maps"]["compare"] or {"value": 255})["value"] == other
    score = int(files.scores[row, col])
    assert pixel["confidence"] == score / 255
    probabilities = [item["value"] for item in pixel["probabilities"]]
    assert probabilities == [score / 255, (255 - score) / 255, (score // 3) / 255]
    assert pixel["polygon"]["class_name"] == NAMES[value]


def test_coordinates_are_those_of_the_pixel_centre(place):
    name, _, page = place
    crs, transform = PLACES[name]
    pixel = get(page, "pixel?row=150&col=410")
    if crs is None:
        assert [pixel[key] for key in ("x", "y", "lon", "lat")] == [None] * 4
        return
    x, y = transform @ (410.5, 150.5)
    lon, lat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    assert (pixel["x"], pixel["y"], pixel["lat"]) == pytest.approx((x, y, lat))
    assert -180 <= pixel["lon"] <= 180
    assert math.isclose(math.cos(math.radians(pixel["lon"] - lon)), 1)


def test_a_pixel_without_data_says_so(place):
    _, _, page = place
    pixel = get(page, "pixel?row=3&col=4")
    assert pixel["maps"]["map"] is None
    assert pixel["confidence"] is None
    assert pixel["polygon"] is None
    assert [band["value"] for band in pixel["bands"]] == [None] * 3


def test_polygons_lie_on_their_pixels(place):
    _, files, page = place
    answer = get(page, "polygons?row=100&col=160&height=60&width=80&level=0")
    assert not answer["too_many"]
    rings = [ring for item in answer["polygons"] for part in item["rings"] for ring in part]
    corners = {(col, row) for ring in rings for col, row in ring}
    assert all(120 <= col <= 280 and 70 <= row <= 190 for col, row in corners)  # no more is sent
    corners = {(col, row) for col, row in corners if 160 <= col <= 240 and 100 <= row <= 160}
    assert {col % 20 for col, _ in corners} <= {0, 10}  # 10: the corner without data
    assert {row % 20 for _, row in corners} <= {0, 10}
    edges = np.argwhere(files.labels[100:160, 160:239] != files.labels[100:160, 161:240])
    assert {(int(c) + 161) for _, c in edges} <= {int(col) for col, _ in corners}


def test_polygons_with_more_vertices_than_can_be_drawn_are_none(place, monkeypatch):
    _, _, page = place
    window = "polygons?row=0&col=0&height=100&width=100&level=0"
    assert not get(page, window)["too_many"]
    monkeypatch.setattr("geoseg.view.polygons._MAX_VERTICES", 9)
    assert get(page, window) == {"polygons": [], "too_many": True}


def test_more_polygons_than_can_be_drawn_are_none(place, monkeypatch):
    _, _, page = place
    monkeypatch.setattr("geoseg.view.polygons.MAX_POLYGONS", 5)
    everything = f"polygons?row=0&col=0&height={SHAPE[0]}&width={SHAPE[1]}&level=1"
    assert get(page, everything) == {"polygons": [], "too_many": True}
