"""Folders of band files: which files are bands, and what their names are."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import rasterio
from rasterio.enums import ColorInterp

from geoseg.errors import SceneError
from geoseg.raster.products import Product, find_product
from tests.support.products import write_safe
from tests.support.rasters import random_pixels, write_raster
from tests.support.refusals import refusal


def product_of(path: Path | str) -> Product:
    product = find_product(str(path))
    assert product is not None
    return product


def write_files(folder: Path, *names: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        driver = "HFA" if name.endswith(".img") else "GTiff"
        write_raster(folder / name, random_pixels(1, 4, 4), driver=driver)


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["scene_B02.tif", "scene_B8A.tif"], ["b02", "b8a"]),
        (["red.tif", "NIR.TIF", "blue.img"], ["blue", "nir", "red"]),
        (["a-b1-10m.tif", "a-b2-10m.tif", "a-b10-10m.tif"], ["b1", "b2", "b10"]),
        (["S1A_20200101_vv.tif", "S1A_20200101_vh.tif"], ["vh", "vv"]),
        (["my scene, red.tif", "my scene, green.tif"], ["green", "red"]),
        (["dem.tif", "dem_slope.tif"], ["dem", "slope"]),
        (["lsat7_2000_10.tif", "lsat7_2000_20.tif"], ["10", "20"]),
        (["elevation.tif"], ["elevation"]),
    ],
)
def test_names_are_what_differs_between_the_file_names(tmp_path, files, names):
    write_files(tmp_path / "bands", *files)
    (tmp_path / "bands/readme.txt").write_text("not a raster")
    (tmp_path / f"bands/._{files[0]}").write_bytes(b"what macOS writes beside a file")
    product = product_of(tmp_path / "bands")
    assert [band.name for band in product.bands] == names
    assert (product.kind, product.date) == ("folder", None)


def test_a_description_is_the_name_and_the_file_name_an_alias(tmp_path):
    write_files(tmp_path, "x_1.tif", "x_2.tif")
    for number, text in ((1, "Red"), (2, "NIR")):
        with rasterio.open(tmp_path / f"x_{number}.tif", "r+") as dataset:
            dataset.descriptions = [text]
            dataset.scales, dataset.offsets = [0.5], [-1.0]
    first, second = product_of(tmp_path).bands
    assert (first.name, first.aliases) == ("red", ("1",))
    assert (second.name, second.scale, second.offset) == ("nir", 0.5, -1.0)


@pytest.mark.parametrize("text", ["Orthophoto 2024", "Band 1"])
def test_a_description_that_says_no_band_is_no_name(tmp_path, text):
    write_files(tmp_path, "red.tif", "nir.tif")
    for name in ("red", "nir"):
        with rasterio.open(tmp_path / f"{name}.tif", "r+") as dataset:
            dataset.descriptions = [text]
    assert [band.name for band in product_of(tmp_path).bands] == ["nir", "red"]


def test_one_file_may_have_several_bands_and_transparency_is_none(tmp_path):
    write_files(tmp_path, "dem.tif")
    path = write_raster(
        tmp_path / "ortho.tif", random_pixels(4, 4, 4), photometric="RGB", alpha="YES"
    )
    with rasterio.open(path) as dataset:
        assert dataset.colorinterp[3] == ColorInterp.alpha
    bands = product_of(tmp_path).bands
    assert [band.name for band in bands] == ["dem", "red", "green", "blue"]
    assert [band.number for band in bands] == [1, 1, 2, 3]


def test_a_pattern_chooses_files(tmp_path):
    write_files(tmp_path, "a_red_10m.tif", "a_nir_10m.tif", "a_red_20m.tif", "b.tif")
    assert [b.name for b in product_of(tmp_path / "a_*_10m.tif").bands] == ["nir", "red"]
    with refusal(SceneError, "no raster file .* matches", tmp_path):
        find_product(str(tmp_path / "c_*.tif"))
    assert find_product(str(tmp_path / "no folder" / "*.tif")) is None
    write_files(tmp_path, "[b].tif")
    assert find_product(str(tmp_path / "[b].tif")) is None


def test_files_of_sentinel_2_without_metadata_have_their_names(tmp_path):
    safe = write_safe(tmp_path)
    [images] = safe.rglob("IMG_DATA")
    for name in images.glob("*/*.jp2"):
        name.rename(tmp_path / name.name)
    product = product_of(tmp_path / "*.jp2")
    bands = {band.name: band for band in product.bands}
    assert len(bands) == 12
    assert bands["red"].path.endswith("_B04_10m.jp2")
    assert bands["nir08"].path.endswith("_B8A_20m.jp2")
    assert bands["nir08"].scale == 1  # only the metadata say it
    assert bands["nir08"].nodata == 0
    assert product.date == datetime(2022, 1, 25, 10, 43, 21, tzinfo=UTC)


def test_a_name_with_an_impossible_date_has_no_date(tmp_path):
    write_files(tmp_path, "T31UFS_20229999T104321_B02.tif")
    product = product_of(tmp_path)
    assert (product.bands[0].name, product.date) == ("blue", None)


def test_files_of_landsat_without_metadata_have_their_names(tmp_path):
    scene = "LC08_L2SP_199024_20200518_20200820_02_T1"
    write_files(tmp_path, *(f"{scene}_{band}.TIF" for band in ("SR_B5", "QA_PIXEL", "ST_B10")))
    product = product_of(tmp_path)
    assert [band.name for band in product.bands] == ["nir08", "lwir11"]
    assert "nir" in product.bands[0].aliases
    assert product.date == datetime(2020, 5, 18, tzinfo=UTC)


def test_what_is_not_one_scene_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with refusal(SceneError, "has no raster files", tmp_path):
        find_product(str(tmp_path / "empty"))
    write_files(tmp_path / "twins", "a.tif", "a.img")
    with refusal(SceneError, "two bands with the name a .* with --stack, such as", tmp_path):
        find_product(str(tmp_path / "twins"))
    (tmp_path / "many").mkdir()
    for name in ("a", "b"):
        write_raster(tmp_path / f"many/{name}.tif", random_pixels(3, 4, 4))
    with refusal(SceneError, "2 rasters with several bands.*--mosaic", tmp_path):
        find_product(str(tmp_path / "many"))
    write_files(tmp_path / "damaged", "a.tif")
    (tmp_path / "damaged/b.tif").write_bytes(b"II*")
    with refusal(SceneError, "cannot open", tmp_path):
        find_product(str(tmp_path / "damaged"))
    (tmp_path / "a.tar").write_bytes(b"")
    with refusal(SceneError, "is an archive, unpack it", tmp_path):
        find_product(str(tmp_path / "a.tar"))


def test_paths_that_are_not_products_are_left_to_gdal(tmp_path):
    write_files(tmp_path, "a.tif")
    vrt = "<VRTDataset>" + 1000 * "[*] " + "</VRTDataset>"
    paths = (tmp_path / "a.tif", tmp_path / "b.tif", "https://host/a.tif", "/vsis3/b/*.tif", vrt)
    for path in (*paths, "NETCDF:a.nc:red", "a\0.tif"):
        assert find_product(str(path)) is None


def test_a_folder_that_is_one_raster_to_gdal_is_no_product(tmp_path):
    path = write_raster(tmp_path / "a.zarr", random_pixels(1, 4, 4), driver="Zarr")
    assert path.is_dir()
    assert find_product(str(path)) is None
