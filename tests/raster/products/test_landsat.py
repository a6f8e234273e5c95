"""Landsat products of Collection 2."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from geoseg.errors import SceneError
from geoseg.raster.products import Product, find_product
from tests.support.products import LANDSAT_FILES, write_landsat
from tests.support.refusals import refusal

NAMES = {
    "5": ["blue", "green", "red", "nir08", "swir16", "swir22", "lwir"],
    "7": ["blue", "green", "red", "nir08", "swir16", "swir22", "lwir"],
    "8": ["coastal", "blue", "green", "red", "nir08", "swir16", "swir22", "lwir11"],
}
"""Bands of level 2, as USGS names them in its STAC items."""


def product_of(path: Path) -> Product:
    product = find_product(str(path))
    assert product is not None
    return product


@pytest.mark.parametrize("metadata", ["txt", "json"])
@pytest.mark.parametrize("satellite", ["5", "7", "8"])
def test_level_2_is_surface_reflectance_and_temperature(tmp_path, satellite, metadata):
    folder = write_landsat(tmp_path, satellite=satellite, metadata=metadata)
    [path] = folder.glob(f"*_MTL.{metadata}")
    (folder / f"._{path.name}").write_bytes(b"what macOS writes beside a file")
    product = product_of(folder)
    assert product.kind == f"Landsat {satellite} L2"
    assert product.date == datetime(2020, 5, 18, 10, 33, 21, tzinfo=UTC)
    assert [band.name for band in product.bands] == NAMES[satellite]
    for band in product.bands:
        thermal = band.name.startswith("lwir")
        expected = (0.00341802, 149.0) if thermal else (2.75e-5, -0.2)
        assert (band.scale, band.offset) == expected
        assert band.nodata == 0
        assert Path(band.path).is_file()


@pytest.mark.parametrize("satellite", ["5", "7", "8"])
def test_level_1_is_reflectance_at_the_sensor_and_radiance(tmp_path, satellite):
    product = product_of(write_landsat(tmp_path, satellite=satellite, level="L1TP"))
    assert product.kind == f"Landsat {satellite} L1"
    assert len(product.bands) == len(LANDSAT_FILES[satellite])
    for band in product.bands:
        thermal = re.search(r"_B(6_VCID_\d|10|11)\.TIF", band.path) or (
            satellite == "5" and band.name == "lwir"
        )
        assert (band.scale, band.offset) == ((0.012, -60.5) if thermal else (2e-5, -0.1))


def test_a_band_is_found_by_every_name_of_it(tmp_path):
    bands = {band.name: band for band in product_of(write_landsat(tmp_path)).bands}
    assert set(bands["nir08"].aliases) == {"nir", "b5", "b05", "sr_b5"}
    assert set(bands["lwir11"].aliases) == {"b10", "st_b10"}
    assert bands["red"].path.endswith("_SR_B4.TIF")


def test_the_metadata_file_is_the_product_too(tmp_path):
    folder = write_landsat(tmp_path, metadata="json")
    [metadata] = folder.glob("*_MTL.json")
    assert product_of(metadata).bands == product_of(folder).bands


def test_other_products_and_missing_files_are_refused(tmp_path):
    folder = write_landsat(tmp_path)
    [metadata] = folder.glob("*_MTL.txt")
    text = metadata.read_text()
    for changed, message in (
        (text.replace("PRODUCT_CONTENTS", "PRODUCT_METADATA"), "not of Collection 2"),
        (text.replace("OLI_TIRS", "MSS"), "sensor MSS"),
        (text.replace("LANDSAT_8", "LANDSAT_2"), "LANDSAT_2"),
        (text.replace("REFLECTANCE_MULT_BAND_4", "X"), "no scale of band 4"),
        (text[: len(text) // 8], "incomplete"),
    ):
        metadata.write_text(changed)
        with refusal(SceneError, message, tmp_path):
            find_product(str(folder))
    metadata.write_text(text)
    next(folder.glob("*_SR_B4.TIF")).unlink()
    with refusal(SceneError, "lacks 1 band file .*_SR_B4.TIF", tmp_path):
        find_product(str(folder))
    (folder / "b_MTL.txt").write_text(text)
    with refusal(SceneError, "2 Landsat scenes", tmp_path):
        find_product(str(folder))
    (folder / "c_MTL.json").write_text("{")
    with refusal(SceneError, "cannot read", tmp_path):
        find_product(str(folder / "c_MTL.json"))
