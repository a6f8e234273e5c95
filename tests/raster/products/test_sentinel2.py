"""Sentinel-2 products, compared with GDAL's own reader of SAFE."""

import re
import shutil
import warnings
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio

from geoseg.errors import SceneError
from geoseg.raster.products import Product, find_product
from tests.support.products import write_safe
from tests.support.refusals import refusal


@pytest.fixture(scope="module")
def safes(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("safe")
    return {level: write_safe(folder, level=level) for level in ("L1C", "L2A")}


def product_of(path: Path) -> Product:
    product = find_product(str(path))
    assert product is not None
    return product


def pixels(path: str) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def gdal_bands(safe: Path) -> dict[str, tuple[np.ndarray, float]]:
    """GDAL's pixels and added offset of each reflectance band ("b8a") at its own resolution."""
    level = safe.name[7:10]
    bands = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        for size in (10, 20, 60):
            name = f"SENTINEL2_{level}:{safe}/MTD_MSI{level}.xml:{size}m:EPSG_32631"
            with rasterio.open(name) as dataset:
                for number in dataset.indexes:
                    tags = dataset.tags(number)
                    if re.fullmatch(r"B\d+A?", tags["BANDNAME"]):
                        offset = tags.get("RADIO_ADD_OFFSET") or tags.get("BOA_ADD_OFFSET") or 0
                        bands[tags["BANDNAME"].lower()] = dataset.read(number), float(offset)
    return bands


@pytest.mark.parametrize(("level", "count"), [("L1C", 13), ("L2A", 12)])
def test_bands_are_those_of_gdal_at_their_finest_resolution(safes, level, count):
    product, expected = product_of(safes[level]), gdal_bands(safes[level])
    assert product.kind == f"Sentinel-2 {level}"
    assert product.date == datetime(2022, 1, 25, 10, 43, 21, 24000, UTC)
    assert len(product.bands) == len(expected) == count
    for band in product.bands:
        own = next(name for name in band.aliases if name in expected)
        stored, offset = expected[own]
        np.testing.assert_array_equal(pixels(band.path), stored)
        assert band.scale == pytest.approx(1e-4)
        assert band.offset == pytest.approx(offset / 10_000)
        assert band.nodata == 0


def test_bands_have_the_common_names_of_stac_and_those_of_the_sensor(safes):
    product = product_of(safes["L1C"])
    assert [band.name for band in product.bands] == [
        "coastal", "blue", "green", "red", "rededge071", "rededge075", "rededge078", "nir", "nir08",
        "nir09", "cirrus", "swir16", "swir22",
    ]  # fmt: skip
    aliases = [band.aliases[0] for band in product.bands]
    numbers = ["01", "02", "03", "04", "05", "06", "07", "08", "8a", "09", "10", "11", "12"]
    assert aliases == [f"b{number}" for number in numbers]


@pytest.mark.parametrize("level", ["L1C", "L2A"])
def test_there_is_no_offset_before_the_baseline_0400(tmp_path, level):
    product = product_of(write_safe(tmp_path, level=level, offset=None))
    assert {band.offset for band in product.bands} == {0.0}


def test_the_offset_of_each_band_is_that_of_its_number_in_the_metadata(tmp_path):
    safe = write_safe(tmp_path)
    metadata = safe / "MTD_MSIL2A.xml"
    text = metadata.read_text().replace('band_id="8">-1000', 'band_id="8">-500')
    metadata.write_text(text.replace('band_id="9">-1000', 'band_id="9">-900'))
    offsets = {band.name: band.offset for band in product_of(safe).bands}
    assert offsets["nir"] == pytest.approx(-0.1)
    assert offsets["nir08"] == pytest.approx(-0.05)
    assert offsets["nir09"] == pytest.approx(-0.09)


def test_the_metadata_file_and_a_folder_with_another_name_are_the_product_too(safes, tmp_path):
    product = product_of(safes["L2A"])
    assert product_of(safes["L2A"] / "MTD_MSIL2A.xml").bands == product.bands
    other = shutil.copytree(safes["L2A"], tmp_path / "scene")
    assert [band.name for band in product_of(other).bands] == [b.name for b in product.bands]


def test_a_zip_archive_is_read_without_unpacking(safes, tmp_path):
    safe = safes["L2A"]
    archive = shutil.make_archive(str(tmp_path / "a"), "zip", safe.parent, safe.name)
    unpacked, packed = product_of(safe), product_of(Path(archive))
    assert packed.path == archive
    for inside, outside in zip(packed.bands, unpacked.bands, strict=True):
        assert (inside.name, inside.offset) == (outside.name, outside.offset)
        np.testing.assert_array_equal(pixels(inside.path), pixels(outside.path))


def test_an_archive_of_other_files_is_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a.txt").write_text("a")
    archive = shutil.make_archive(str(tmp_path / "a"), "zip", tmp_path, "folder")
    with refusal(SceneError, f"a.zip is an archive .* unpack it.*/vsizip/{archive}/", tmp_path):
        find_product(archive)


def test_missing_and_damaged_files_are_refused(tmp_path):
    safe = write_safe(tmp_path)
    band = next(safe.rglob("*_B03_10m.jp2"))
    metadata = safe / "MTD_MSIL2A.xml"
    text = metadata.read_text()
    for damaged, message in (
        (text[:-20], "damaged"), (text.replace("BOA_QUANTIFICATION_VALUE", "X"), "damaged"),
        (text.replace('band_id="3"', 'band_id="33"'), "damaged"),
        (text.replace("IMAGE_FILE", "X"), "no band files"),
    ):  # fmt: skip
        metadata.write_text(damaged)
        with refusal(SceneError, message, tmp_path):
            find_product(str(safe))
    metadata.write_text(text)
    band.unlink()
    with refusal(SceneError, "lacks 1 band file .*_B03_10m.jp2.*--stack", tmp_path):
        find_product(str(safe))
    metadata.unlink()
    with refusal(SceneError, "has no MTD_MSIL1C.xml or MTD_MSIL2A.xml", tmp_path):
        find_product(str(safe))
    archive = tmp_path / "a.zip"
    archive.write_bytes(b"PK")
    with refusal(SceneError, "cannot read the archive", tmp_path):
        find_product(str(archive))
