"""The page that is saved as one file."""

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from rasterio.io import MemoryFile

from geoseg.errors import OutputError
from geoseg.legend import Legend
from geoseg.view import ViewSettings, save_page
from tests.support.refusals import refusal
from tests.support.views import LEGEND, SHAPE, nearest, write_place


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_place(tmp_path_factory.mktemp("place"), "no CRS")


def saved_data(page: str) -> dict:
    return json.loads(re.search(r"const DATA = (.*);</script>", page)[1])


def test_it_holds_the_map_the_scene_and_the_legend(files, tmp_path):
    save_page(files.scene, files.map, tmp_path / "map.html", settings=ViewSettings())
    data = saved_data((tmp_path / "map.html").read_text())
    assert (data["height"], data["width"], data["reduced"]) == (*SHAPE, 1)
    png = base64.b64decode(data["pictures"]["map"].removeprefix("data:image/png;base64,"))
    with MemoryFile(png) as file, file.open() as picture:
        drawn = np.moveaxis(picture.read(), 0, 2)
    for c in LEGEND.classes:
        np.testing.assert_array_equal((drawn == (*c.rgb, 255)).all(-1), files.labels == c.value)
    jpeg = base64.b64decode(data["pictures"]["image"].removeprefix("data:image/jpeg;base64,"))
    with MemoryFile(jpeg) as file, file.open() as picture:
        assert (picture.count, picture.height, picture.width) == (3, *SHAPE)
    assert [c["name"] for c in data["legend"]["map"]["classes"]] == list(LEGEND.names)


def test_its_size_is_bounded(files, tmp_path, monkeypatch):
    monkeypatch.setattr("geoseg.view.save._MAX_SIDE", 120)
    save_page(files.scene, files.map, tmp_path / "map.html")
    data = saved_data((tmp_path / "map.html").read_text())
    assert data["reduced"] == 4
    png = base64.b64decode(data["pictures"]["map"].partition(",")[2])
    with MemoryFile(png) as file, file.open() as picture:
        opaque = picture.read(4)
    np.testing.assert_array_equal(opaque == 255, nearest(files.labels, 2) != 255)


def test_it_needs_nothing_beside_itself(files, tmp_path):
    save_page(files.scene, files.map, tmp_path / "map.html")
    page = (tmp_path / "map.html").read_text()
    assert "default-src 'none'" in page
    assert not re.search(r"<(link|script|img)[^>]*(href|src)=\"(?!data:)", page)
    assert "<b>crop" not in page  # a name is no markup
    assert not re.search(r"/\* [\w.]+\.(css|js) \*/", page)


def test_names_of_classes_do_not_change_the_page(files, tmp_path):
    names = ["/* saved.js */", "/* page.css */", "</script>/* DATA */"]
    classes = (replace(c, name=name) for c, name in zip(LEGEND.classes, names, strict=True))
    settings = ViewSettings(legend=Legend(tuple(classes)))
    save_page(files.scene, files.map, tmp_path / "map.html", settings=settings)
    data = saved_data((tmp_path / "map.html").read_text())
    assert [c["name"] for c in data["legend"]["map"]["classes"]] == names


def test_an_existing_file_is_kept(files, tmp_path):
    (tmp_path / "map.html").write_text("mine")
    with refusal(OutputError, "exists", tmp_path):
        save_page(files.scene, files.map, tmp_path / "map.html")
    save_page(files.scene, None, tmp_path / "map.html", overwrite=True)
    assert list(saved_data((tmp_path / "map.html").read_text())["pictures"]) == ["image"]
    with refusal(OutputError, r"must end in \.html", tmp_path):
        save_page(files.scene, None, tmp_path / "map.png")
