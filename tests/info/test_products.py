"""`geoseg info` of products: folders of bands, patterns and STAC items."""

import json

import numpy as np
import pytest
from affine import Affine
from PIL import Image

from geoseg.errors import SceneError
from geoseg.info import as_text, describe, find_kind, plot
from geoseg.raster import open_scene
from tests.support.commands import here, refused
from tests.support.models import as_json
from tests.support.products import (
    NORTH,
    STAC_BANDS,
    WEST,
    write_band,
    write_landsat,
    write_safe,
    write_stac_item,
)
from tests.support.rasters import write_raster
from tests.support.servers import web

POINT = {"type": "Point", "coordinates": [3.0, 51.0]}


@pytest.fixture
def server(tmp_path, monkeypatch, tmp_path_factory):
    """The files of a folder behind a server."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with web(tmp_path, tmp_path_factory.mktemp("control") / "control.json") as state:
        yield state


def table(text):
    """Rows of the first table of a report, without its head."""
    lines = text.split("\n\n")[1].splitlines()
    return [line.split() for line in lines[2:]]


def test_a_safe_in_words_and_as_data(tmp_path):
    safe = write_safe(tmp_path)
    report = describe(safe)
    data = as_json(report)
    assert report.kind == data["kind"] == "product"
    assert data["product"] == "Sentinel-2 L2A"
    assert data["date"] == "2022-01-25T10:43:21+00:00"
    assert (data["height"], data["width"], data["crs"]["epsg"]) == (120, 120, 32631)
    assert data["extent"] == {
        "left": WEST, "bottom": NORTH - 1200, "right": WEST + 1200, "top": NORTH,
    }  # fmt: skip
    assert len(data["bands"]) == 12
    scene = open_scene(safe)
    for band in data["bands"]:
        number = scene.band_number(band["name"])
        assert band["band"] == number
        assert {scene.band_number(name) for name in band["other_names"]} == {number}
        assert band["file"].startswith(str(safe))
        assert (band["scale"], band["offset"], band["nodata"]) == (1e-4, -0.1, 0)
        assert band["pixel_size"] == pytest.approx(1200 / band["height"], rel=0.01)
    text = as_text(report)
    assert "Date        2022-01-25 10:43:21 UTC" in text
    assert max(map(len, text.splitlines()[1:])) <= 80
    assert table(text)[1] == ["2", "blue", "b02,", "b2", "10", "m", "uint16", "0.0001", "-0.1", "0"]
    assert table(text)[8] == ["9", "nir08", "b8a", "20", "m", "uint16", "0.0001", "-0.1", "0"]
    assert "   4  T31UFS_20220125T104321_B04_10m.jp2" in text


@pytest.mark.parametrize(
    ("make", "kind", "names"),
    [
        (write_landsat, "Landsat 8 L2", "coastal blue green red nir08 swir16 swir22 lwir11"),
        (write_stac_item, "STAC item", "red blue green nir swir16"),
    ],
)
def test_other_products(tmp_path, make, kind, names):
    data = describe(make(tmp_path)).data
    assert data["product"] == kind
    assert [band["name"] for band in data["bands"]] == names.split()


def test_an_address_is_shown_without_its_login(tmp_path, server):
    write_stac_item(tmp_path)
    address = server.address.replace("http://", "http://me:secret@")
    report = describe(f"{address}/item.json?token=secret")
    assert report.kind == "product"
    assert {band["name"] for band in report.data["bands"]} == set(STAC_BANDS)
    assert "secret" not in str(as_json(report))
    assert "secret" not in as_text(report)


def test_folders_and_patterns_of_bands(tmp_path):
    for name, pixel in (("red", 10), ("nir", 10), ("swir", 20)):
        write_band(tmp_path / f"{name}_{pixel}m.tif", 1, 1200, pixel)
    folder, pattern = describe(tmp_path), describe(f"{tmp_path}/*_10m.tif")
    assert folder.kind == pattern.kind == "product"
    assert [band["name"] for band in folder.data["bands"]] == ["nir_10m", "red_10m", "swir_20m"]
    assert [band["name"] for band in pattern.data["bands"]] == ["nir", "red"]
    assert folder.data["date"] is None
    assert "Date        not known" in as_text(folder)


def test_a_file_of_several_bands_is_named_with_its_bands(tmp_path):
    write_raster(tmp_path / "a.tif", np.ones((2, 20, 20), np.uint8))
    write_raster(tmp_path / "b.tif", np.ones((1, 20, 20), np.uint8))
    text = as_text(describe(tmp_path))
    assert "   2  a.tif, band 2\n   3  b.tif" in text


def test_several_rasters_of_several_bands_are_no_product(tmp_path):
    for name in ("a.tif", "b.tif"):
        write_raster(tmp_path / name, np.ones((2, 20, 20), np.uint8))
    for path in (tmp_path, f"{tmp_path}/*.tif"):
        assert "2 rasters with several bands, such as a.tif" in refused(here("info", path))


def test_a_product_is_drawn_in_its_colours(tmp_path):
    """Red ground is red, although red is the last of the bands."""
    place = {"crs": "EPSG:32631", "transform": Affine(10, 0, WEST, 0, -10, NORTH)}
    folder = tmp_path / "bands"
    folder.mkdir()
    west = np.indices((120, 120))[1] < 60
    for number, name in enumerate(("blue", "green", "nir", "red")):
        high = west if name == "red" else ~west
        band = np.where(high, 3000 + number, 200 + number).astype(np.uint16)
        write_raster(folder / f"{name}.tif", band[None], **place)
    plot(folder, tmp_path / "p.png")
    drawn = np.array(Image.open(tmp_path / "p.png").convert("RGB"))[200]
    reds = (drawn == [255, 0, 0]).all(axis=1).sum()
    cyans = (drawn == [0, 255, 255]).all(axis=1).sum()
    assert reds > 200
    assert cyans > 200


# JSON that is not a STAC item.


@pytest.mark.parametrize("name", ["a.json", "a.geojson"])
def test_other_geojson_is_a_vector_file(tmp_path, name):
    feature = {"type": "Feature", "properties": {"kind": "x"}, "geometry": POINT}
    collection = {"type": "FeatureCollection", "features": [feature]}
    for document in (feature, collection, {**collection, "stac_version": "1.0.0"}):
        (tmp_path / name).write_text(json.dumps(document))
        assert find_kind(tmp_path / name) == "vectors"


# Refused, each in one sentence.


def test_an_incomplete_product_is_refused(tmp_path):
    safe = write_safe(tmp_path)
    next(safe.rglob("*_B03_10m.jp2")).unlink()
    sentence = refused(here("info", safe))
    assert "_B03_10m" in sentence
    assert "tile set" not in sentence


def test_bands_that_do_not_lie_together_are_refused(tmp_path):
    write_band(tmp_path / "red.tif", 1, 1200, 10)
    write_band(tmp_path / "nir.tif", 1, 600, 10)
    assert "has another extent than" in refused(here("info", tmp_path))


def test_an_item_without_assets_is_refused(tmp_path):
    item = write_stac_item(tmp_path)
    document = json.loads(item.read_text())
    item.write_text(json.dumps({**document, "assets": {}}))
    assert "no raster assets with data, it has none" in refused(here("info", item))


def test_what_does_not_answer_is_refused(tmp_path, server):
    item = write_stac_item(tmp_path)
    assert "HTTP status 404" in refused(here("info", f"{server.address}/no.json"))
    item.write_text(item.read_text().replace("./nir.tif", f"{server.address}/gone.tif"))
    assert "gone.tif" in refused(here("info", item))
    assert "cannot read http://127.0.0.1:1/" in refused(here("info", "http://127.0.0.1:1/i.json"))


def test_a_folder_without_rasters_is_no_scene(tmp_path):
    with pytest.raises(SceneError, match=r"neither a tile set .* as a scene: .* no raster files"):
        describe(tmp_path)
