"""STAC items: local and behind a server, and the ways in which catalogs describe bands."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio

from geoseg.errors import RemoteError, SceneError
from geoseg.raster.products import BandFile, Product, find_product
from geoseg.raster.products.stac import asset_path
from tests.support.products import STAC_BANDS, stac_document, write_stac_item
from tests.support.rasters import random_pixels, write_raster
from tests.support.refusals import refusal
from tests.support.servers import web

COG = {"type": "image/tiff; application=geotiff; profile=cloud-optimized", "roles": ["data"]}


def product_of(path: Path | str) -> Product:
    product = find_product(str(path))
    assert product is not None
    return product


def bands_of(
    folder: Path, assets: dict, properties: dict | None = None, version: str = "1.0.0"
) -> dict[str, BandFile]:
    """The bands of an item with the given assets, by name."""
    item = folder / "item.json"
    item.write_text(json.dumps(stac_document(version, assets, properties)))
    return {band.name: band for band in product_of(item).bands}


@pytest.fixture
def server(tmp_path, monkeypatch, tmp_path_factory):
    """The files of a folder behind a server, and the folder."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with web(tmp_path, tmp_path_factory.mktemp("control") / "control.json") as state:
        yield state


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
def test_both_versions_describe_the_same_bands(tmp_path, version):
    item = write_stac_item(tmp_path, version=version, scale=2e-4, offset=-0.05)
    product = product_of(item)
    assert product.kind == "STAC item"
    assert product.date == datetime(2022, 1, 25, 10, 43, 21, tzinfo=UTC)
    assert {band.name for band in product.bands} == set(STAC_BANDS)
    for band in product.bands:
        assert band.path == str(tmp_path / f"{band.name}.tif")
        assert (band.scale, band.offset, band.nodata) == (2e-4, -0.05, 0)
        assert band.aliases == (f"b-{band.name}",)


def test_an_item_behind_a_server_is_the_item_on_disk(tmp_path, server):
    local = product_of(write_stac_item(tmp_path))
    api = tmp_path / "collections/s2/items"
    api.mkdir(parents=True)
    text = (tmp_path / "item.json").read_text()
    for path in ("item.json", "item.json?token=abc", "collections/s2/items/scene"):
        (api / "scene").write_text(text.replace('"./', '"../../../'))
        product = product_of(f"{server.address}/{path}")
        assert [band.name for band in product.bands] == [band.name for band in local.bands]
    remote = product_of(f"{server.address}/item.json")
    for there, here in zip(remote.bands, local.bands, strict=True):
        assert there.path == f"/vsicurl/{server.address}/{Path(here.path).name}"
        with rasterio.open(there.path) as one, rasterio.open(here.path) as other:
            np.testing.assert_array_equal(one.read(), other.read())


def test_a_login_of_an_address_is_used_and_never_shown(tmp_path, server):
    write_stac_item(tmp_path)
    address = server.address.replace("http://", "http://me:pass%20word@")
    server.tell(token=base64.b64encode(b"me:pass word").decode())
    bands = product_of(f"{address}/item.json").bands
    with rasterio.open(bands[0].path) as dataset:
        assert dataset.count == 1
    with pytest.raises(SceneError, match="404") as caught:
        find_product(f"{address}/no.json")
    assert "word" not in str(caught.value)


def test_unreachable_addresses_are_refused_in_a_sentence(tmp_path, server):
    write_stac_item(tmp_path)
    with refusal(SceneError, "HTTP status 404.*check the address", tmp_path):
        find_product(f"{server.address}/no.json")
    server.tell(token="secret")
    with refusal(SceneError, "HTTP status 401.*credentials", tmp_path):
        find_product(f"{server.address}/item.json?signature=abc")
    server.tell(fail_every=1)
    with refusal(RemoteError, "HTTP status 503.*later", tmp_path):
        find_product(f"{server.address}/item.json")
    for address in ("http://127.0.0.1:1/item.json", "http://h/a b.json", "http://[h/a.json"):
        with refusal(RemoteError, r"cannot read .*\.json .*check the address", tmp_path):
            find_product(address)
    with refusal(SceneError, "http.s. addresses", tmp_path):
        find_product("s3://bucket/item.json")


def test_an_asset_without_a_list_of_bands_is_opened(tmp_path, server):
    write_raster(tmp_path / "image.tif", random_pixels(3, 4, 4), photometric="RGB")
    write_raster(tmp_path / "stack.tif", random_pixels(2, 4, 4))
    write_raster(tmp_path / "dem.tif", random_pixels(1, 4, 4))
    assets = {name: {**COG, "href": f"{name}.tif"} for name in ("image", "stack", "dem")}
    bands = bands_of(tmp_path, assets)
    assert {n: b.number for n, b in bands.items()} == {
        "red": 1, "green": 2, "blue": 3, "stack_1": 1, "stack_2": 2, "dem": 1,
    }  # fmt: skip
    (tmp_path / "dem.tif").unlink()
    with refusal(SceneError, "cannot open .*dem.tif", tmp_path):
        find_product(f"{server.address}/item.json")


def test_bands_of_one_asset_have_numbers(tmp_path):
    eo = [{"name": name, "common_name": name.lower()} for name in ("Red", "Green", "Blue", "NIR")]
    bands = bands_of(tmp_path, {"image": {**COG, "href": "naip.tif", "eo:bands": eo}})
    assert {name: band.number for name, band in bands.items()} == {
        "red": 1, "green": 2, "blue": 3, "nir": 4,
    }  # fmt: skip


EARTH_SEARCH = {
    name: {
        **COG, "href": f"https://host/{name}.tif", "roles": ["data", "reflectance"],
        "eo:bands": [{"name": name, "common_name": common, "center_wavelength": centre}],
        "raster:bands": [{"nodata": 0, "scale": 0.0001, "offset": -0.1, "spatial_resolution": 20}],
    }
    for name, common, centre in (
        ("rededge1", "rededge", 0.704), ("rededge2", "rededge", 0.74), ("red", "red", 0.665),
        ("nir08", "nir08", 0.865), ("scl", None, None),
    )
}  # fmt: skip
"""Assets of Earth Search, where several bands share a common name."""
EARTH_SEARCH["red-jp2"] = {
    **EARTH_SEARCH["red"], "href": "s3://bucket/B04.jp2", "type": "image/jp2",
}  # fmt: skip
EARTH_SEARCH["visual"] = {**COG, "href": "https://host/TCI.tif", "roles": ["visual"]}


@pytest.mark.parametrize(
    ("properties", "offset"),
    [
        ({"s2:processing_baseline": "05.11", "earthsearch:boa_offset_applied": True}, 0.0),
        ({"s2:processing_baseline": "05.11", "earthsearch:boa_offset_applied": False}, -0.1),
        ({"s2:processing_baseline": "05.11"}, -0.1),
        ({"s2:processing_baseline": "03.01", "earthsearch:boa_offset_applied": False}, 0.0),
        ({"earthsearch:boa_offset_applied": True}, 0.0),
    ],
)
def test_the_offset_of_earth_search_is_not_subtracted_twice(tmp_path, properties, offset):
    bands = bands_of(tmp_path, EARTH_SEARCH, {"platform": "sentinel-2b", **properties})
    assert set(bands) == {"rededge071", "rededge075", "red", "nir08"}
    assert {band.offset for band in bands.values()} == {offset}
    assert bands["red"].path == "/vsicurl/https://host/red.tif"
    assert {"b05", "rededge1"} <= set(bands["rededge071"].aliases)


def test_the_jpeg_2000_files_of_earth_search_keep_their_offset(tmp_path):
    properties = {"platform": "sentinel-2b", "earthsearch:boa_offset_applied": True}
    assets = {"red-jp2": EARTH_SEARCH["red-jp2"]}
    [band] = bands_of(tmp_path, assets, properties).values()
    assert (band.path, band.offset) == ("/vsis3/bucket/B04.jp2", -0.1)


@pytest.mark.parametrize(("baseline", "offset"), [("04.00", -0.1), ("02.12", 0.0)])
def test_sentinel_2_without_scales_has_those_of_its_baseline(tmp_path, baseline, offset):
    """As in the Planetary Computer, whose true-colour image has the names of bands too."""
    rgb = [{"name": name, "common_name": "x"} for name in ("B04", "B03", "B02")]
    assets = {
        "visual": {**COG, "href": "https://host/tci.tif", "gsd": 10, "eo:bands": rgb},
        **{
            name: {**COG, "href": f"https://host/{name}.tif", "gsd": gsd, "eo:bands": [
                {"name": name, "common_name": common, "center_wavelength": centre}]}
            for name, common, centre, gsd in (
                ("B04", "red", 0.665, 10), ("B03", "green", 0.56, 10), ("B02", "blue", 0.49, 10),
                ("B05", "rededge", 0.704, 20), ("B8A", "rededge", 0.865, 20),
                ("B09", None, None, 60), ("SCL", None, None, 20),
            )
        },
    }  # fmt: skip
    properties = {"constellation": "Sentinel 2", "platform": "Sentinel-2A"}
    bands = bands_of(tmp_path, assets, {**properties, "s2:processing_baseline": baseline})
    assert set(bands) == {"red", "green", "blue", "rededge071", "nir08", "nir09"}
    assert bands["red"].path.endswith("/B04.tif")
    values = {(band.scale, band.offset, band.nodata) for band in bands.values()}
    assert values == {(1e-4, offset, 0)}


def test_the_finest_of_several_resolutions_is_taken(tmp_path):
    """As in the Copernicus Data Space: STAC 1.1, an asset for each resolution of a band."""
    assets = {
        f"{name}_{size}m": {
            "href": f"s3://eodata/{name}_{size}m.jp2", "type": "image/jp2", "nodata": 0,
            "roles": ["data", "reflectance"], "raster:scale": 1e-4, "raster:offset": -0.1,
            **({"proj:transform": [size, 0, 600000, 0, -size, 5700000]} if name == "B02" else {}),
            "bands": [{"name": name, "eo:common_name": common}],
        }
        for name, common in (("B02", "blue"), ("B8A", "nir08"))
        for size in ((60, 10, 20) if name == "B02" else (60, 20))
    }  # fmt: skip
    bands = bands_of(tmp_path, assets, {"platform": "sentinel-2c"}, "1.1.0")
    assert bands["blue"].path == "/vsis3/eodata/B02_10m.jp2"
    assert bands["nir08"].path == "/vsis3/eodata/B8A_20m.jp2"
    assert bands["blue"].aliases == ("b02", "b2", "b02_10m")


def test_landsat_has_its_only_near_infrared_band_as_nir_too(tmp_path):
    raster = [{"nodata": 0, "scale": 2.75e-5, "offset": -0.2}]
    quality = {"href": "https://host/QA.TIF", "type": COG["type"], "roles": ["cloud"]}
    assets = {
        "nir08": {**COG, "href": "https://host/B5.TIF", "raster:bands": raster,
                  "eo:bands": [{"name": "OLI_B5", "common_name": "nir08"}]},
        "lwir11": {**COG, "href": "https://host/B10.TIF", "eo:bands": [{"name": "TIRS_B10"}],
                   "raster:bands": [{"nodata": 0, "scale": 0.00341802, "offset": 149.0}]},
        "qa_pixel": quality,
    }  # fmt: skip
    bands = bands_of(tmp_path, assets, {"platform": "landsat-8"})
    assert set(bands) == {"nir08", "tirs_b10"}
    assert set(bands["nir08"].aliases) == {"nir", "oli_b5"}
    assert "lwir11" in bands["tirs_b10"].aliases
    assert bands["tirs_b10"].offset == 149.0


@pytest.mark.parametrize(("correction", "collection"), [("L2SP", "02"), ("L2SR", "02"),
                         ("L1TP", "02"), ("L2SP", "01")])  # fmt: skip
def test_landsat_without_scales_has_those_of_collection_2(tmp_path, correction, collection):
    """As in the items of USGS."""
    assets = {
        name: {**COG, "href": f"https://host/{name}.TIF",
               "eo:bands": [{"name": name, "common_name": name} if name != "trad" else {}]}
        for name in ("red", "lwir11", "trad")
    }  # fmt: skip
    properties = {"landsat:correction": correction, "landsat:collection_number": collection}
    bands = bands_of(tmp_path, assets, {"platform": "LANDSAT_8", **properties})
    scales = {name: (band.scale, band.offset, band.nodata) for name, band in bands.items()}
    plain = (1.0, 0.0, None)
    level2 = correction.startswith("L2") and collection == "02"
    assert scales == {
        "red": (2.75e-5, -0.2, 0) if level2 else plain,
        "lwir11": (0.00341802, 149.0, 0) if level2 else plain,
        "trad": plain,
    }


def test_a_common_name_of_several_bands_is_not_the_name_of_one(tmp_path):
    eo = [{"name": f"RE{n}", "common_name": "rededge"} for n in (1, 2)]
    assert set(bands_of(tmp_path, {"a": {**COG, "href": "a.tif", "eo:bands": eo}})) == {
        "re1", "re2",
    }  # fmt: skip


def test_radar_and_special_values_of_nodata(tmp_path):
    assets = {
        name: {**COG, "href": f"https://host/{name}.tif", "raster:bands": [{"nodata": nodata}]}
        for name, nodata in (("vv", -32768), ("VH", "nan"))
    }
    bands = bands_of(tmp_path, assets)
    assert bands["vv"].nodata == -32768
    assert np.isnan(bands["vh"].nodata)


def test_an_item_without_roles_has_its_rasters_as_bands(tmp_path):
    assets = {
        "B4": {"href": "https://host/B4.TIF", "eo:bands": [{"name": "B4", "common_name": "red"}]},
        "thumb": {"href": "https://host/thumb.jpg"},
        "index": {"href": "https://host/index.html"},
    }
    assert set(bands_of(tmp_path, assets)) == {"red"}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"type": "FeatureCollection", "features": []}, "a collection of features"),
        ({"type": "Feature", "properties": {}, "geometry": None}, "a GeoJSON feature"),
        ({"type": "Collection", "stac_version": "1.1.0"}, "a STAC collection"),
        ({"type": "Catalog", "stac_version": "1.1.0"}, "a STAC catalog"),
        ({"type": "Point", "coordinates": [0, 0]}, "not a STAC item"),
        (stac_document("1.1.0", {}), "no raster assets with data, it has none"),
        (stac_document("1.1.0", {"a": {"href": "a.jpg"}}), "it has a,"),
        ({"type": "Feature", "stac_version": "1.1.0"}, "not a valid STAC item"),
        ({"type": "Feature", "stac_version": "0.7.0"}, "STAC 0.7.0, geoseg reads 1.0"),
        (stac_document("1.1.0", {"a": {"type": "image/tiff"}}), "not a valid STAC item"),
        (stac_document("1.1.0", {"a": {**COG, "href": "a.tif", "bands": [1]}}), "not a valid"),
        (stac_document("1.1.0", {"a": {**COG, "href": "a.tif", "bands": [{"gsd": "x"}]}}),
         "not a valid"),
    ],
)  # fmt: skip
def test_json_that_is_not_an_item_with_bands_is_refused(tmp_path, document, message):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document))
    with refusal(SceneError, message, tmp_path):
        find_product(str(path))


def test_other_json_is_left_to_gdal(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"zarr_format": 3}')
    assert find_product(str(path)) is None
    assert find_product(str(tmp_path / "b.json")) is None
    path.write_text("no JSON")
    with refusal(SceneError, "is not JSON", tmp_path):
        find_product(str(path))


def test_addresses_become_names_of_gdal():
    assert asset_path("https://me:word@h/a.tif?x=1") == "/vsicurl/https://me:word@h/a.tif?x=1"
    assert asset_path("gs://bucket/a.tif") == "/vsigs/bucket/a.tif"
    assert asset_path("file:///data/my%20scene.tif") == "/data/my scene.tif"
    assert asset_path("/vsicurl/https://h/a.tif") == "/vsicurl/https://h/a.tif"
