"""No command replaces a file that it reads, also with -f."""

import json

import numpy as np
import pytest

from tests.support.assessments import write_map
from tests.support.commands import here, refused
from tests.support.models import tiny_model
from tests.support.rasters import blocks, write_raster

INPUT = "in.gpkg is an input of this command"
FOLDER = "input out/input is in the folder "
COMMANDS = {
    "evaluate": (("evaluate", "out/input", "b.tif", "--out", "out"), FOLDER),
    "evaluate, reference": (("evaluate", "a.tif", "out/input", "--out", "out"), FOLDER),
    "evaluate, matrix": (("evaluate", "--matrix", "out/input", "--out", "out"), FOLDER),
    "evaluate, legend": (
        ("evaluate", "a.tif", "b.tif", "--legend", "out/input", "--out", "out"),
        FOLDER,
    ),
    "compare, legend": (
        ("compare", "a.tif", "b.tif", "--legend-b", "out/input", "--out", "out"),
        FOLDER,
    ),
    "tile, legend": (("tile", "a.tif", "--legend", "out/input", "--out", "out"), FOLDER),
    "compare": (("compare", "a.tif", "b.tif", "out/input", "--out", "out"), FOLDER),
    "tile": (("tile", "a.tif", "--labels", "out/input", "--out", "out"), FOLDER),
    "tile, stack": (("tile", "--stack", "a.tif", "out/input", "--out", "out"), FOLDER),
    "tile, class": (("tile", "a.tif", "--labels", "a=out/input", "--out", "out"), FOLDER),
    "suggest": (("suggest", "map.tif", "--exclude", "in.gpkg", "--out", "in.gpkg"), INPUT),
    "sample": (("sample", "in.gpkg", "--out", "in.gpkg"), INPUT),
    "vectorise": (("vectorise", "map.tif", "--legend", "in.gpkg", "--out", "in.gpkg"), INPUT),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_an_input_is_not_replaced(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_map(tmp_path / "map.tif", np.array([[0, 1], [1, 1]], np.uint8))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "tiles.json").touch()
    inputs = [tmp_path / "out" / "input", tmp_path / "in.gpkg"]
    for path in inputs:
        path.write_text("precious")
    (*command,), message = COMMANDS[case]
    assert message in refused(here(*command, "-f"))
    assert [path.read_text() for path in inputs] == ["precious"] * 2


@pytest.fixture
def scene(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_model(tmp_path / "m.safetensors")
    return write_raster(tmp_path / "s.tif", blocks(40, 50))


CLASSIFY = ("classify", "s.tif", "--model", "m.safetensors", "--overlap", 8)


def test_a_map_does_not_replace_its_area_of_interest(scene, tmp_path):
    (tmp_path / "aoi.gpkg").write_text("precious")
    command = (*CLASSIFY, "--aoi", "aoi.gpkg", "--polygons", "aoi.gpkg", "--out", "o.tif", "-f")
    assert "aoi.gpkg is an input of this command" in refused(here(*command))


@pytest.mark.parametrize("ending", ["json", "qml", "tif.aux.xml"])
def test_sidecars_replace_only_those_of_an_earlier_map(scene, tmp_path, ending):
    other = tmp_path / f"o.{ending}"
    other.write_text("precious")
    message = refused(here(*CLASSIFY, "--out", "o.tif"))
    assert f"o.{ending} exists, use another output name, or overwrite (-f)" in message
    assert [other.read_text(), (tmp_path / "o.tif").exists()] == ["precious", False]
    assert here(*CLASSIFY, "--out", "o.tif", "-f").returncode == 0
    (tmp_path / "o.tif").unlink()
    assert here(*CLASSIFY, "--out", "o.tif").returncode == 0


def test_a_report_does_not_replace_the_item_of_the_scene(scene, tmp_path):
    item = {
        "type": "Feature", "stac_version": "1.0.0", "id": "s", "bbox": [0, 0, 1, 1],
        "geometry": None, "links": [], "properties": {"datetime": "2026-01-01T00:00:00Z"},
        "assets": {
            "image": {
                "href": "s.tif", "type": "image/tiff; application=geotiff",
                "eo:bands": [{"name": name} for name in ("red", "green", "blue")],
            }
        },
    }  # fmt: skip
    (tmp_path / "item.json").write_text(json.dumps(item))
    command = ("classify", "item.json", *CLASSIFY[2:], "--out", "item.tif", "-f")
    assert "item.json is an input of this command" in refused(here(*command))
    assert json.loads((tmp_path / "item.json").read_text()) == item
