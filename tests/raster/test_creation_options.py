"""Creation options of GeoTIFFs: which are known, and what GDAL makes of them."""

import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate

from geoseg.errors import OutputError
from geoseg.grid import Window
from geoseg.raster import (
    RasterProfile,
    check_compression,
    normalise_creation_options,
    write_cog,
)
from geoseg.raster import creation_options as module
from tests.support.rasters import blocks

SIDE = 700


def write(path, options):
    pixels = blocks(SIDE, SIDE, bands=1) // 64
    profile = RasterProfile(SIDE, SIDE, 1, (10, 0, 5e5, 0, -10, 2.8e6), "EPSG:32640", nodata=255)
    write_cog(path, profile, [(Window(0, 0, SIDE, SIDE), pixels)], creation_options=options)
    with rasterio.open(path) as written:
        assert (written.read() == pixels).all()
        return written.profile


@pytest.mark.parametrize("compress", module._LOSSLESS)
def test_each_compression_is_used_and_lossless(compress, tmp_path):
    profile = write(tmp_path / "a.tif", {"compress": compress.lower()})
    expected = None if compress == "NONE" else compress.lower()
    assert profile.get("compress") == expected
    assert cog_validate(tmp_path / "a.tif", strict=True) == (True, [], [])
    check_compression({"COMPRESS": compress})


def test_other_options_reach_gdal(tmp_path):
    assert write(tmp_path / "a.tif", {"BlockSize": "256"})["blockxsize"] == 256
    write(tmp_path / "b.tif", {"BIGTIFF": "on"})
    assert (tmp_path / "a.tif").read_bytes()[:4] == b"II*\0"
    assert (tmp_path / "b.tif").read_bytes()[:4] == b"II+\0"
    write(tmp_path / "c.tif", {"OVERVIEWS": "NONE"})
    with rasterio.open(tmp_path / "c.tif") as plain, rasterio.open(tmp_path / "a.tif") as usual:
        assert plain.overviews(1) == []
        assert usual.overviews(1) == [2, 4]
    sizes = []
    for level in ("1", "9"):
        write(tmp_path / "d.tif", {"COMPRESS": "DEFLATE", "LEVEL": level})
        sizes.append((tmp_path / "d.tif").stat().st_size)
    assert sizes[1] < sizes[0]


def test_names_and_values_are_those_of_gdal_in_any_case():
    given = {"level": "07", "compress": "zstd", "sparse_ok": "true", "bigtiff": "off"}
    assert normalise_creation_options(given) == {
        "BIGTIFF": "NO", "COMPRESS": "ZSTD", "LEVEL": "7", "SPARSE_OK": "YES",
    }  # fmt: skip
    assert normalise_creation_options(None) == {}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"COMPRES": "ZSTD"}, "COMPRES is not known, .* use COMPRESS$"),
        ({"COMPRESS": "ZST"}, "COMPRESS cannot be ZST, use ZSTD"),
        ({"COMPRESS": "jpeg"}, "compression JPEG changes pixels"),
        ({"COMPRESS": "WEBP"}, "compression WEBP changes pixels"),
        ({"COMPRESS": "LERC", "MAX_Z_ERROR": "1"}, "MAX_Z_ERROR is not known, or could change"),
        ({"QUALITY": "50"}, "QUALITY is not known"),
        ({"TILING_SCHEME": "GoogleMapsCompatible"}, "TILING_SCHEME is not known"),
        ({"LEVEL": "10"}, "LEVEL cannot be 10, use a whole number from 1 to 9 for DEFLATE"),
        ({"COMPRESS": "ZSTD", "LEVEL": "0"}, "from 1 to 22 for ZSTD"),
        ({"COMPRESS": "LZW", "LEVEL": "1"}, "compression LZW has no levels"),
        ({"BLOCKSIZE": "-1"}, "BLOCKSIZE cannot be -1, use a whole number from 128 to 4096"),
        ({"BLOCKSIZE": "130"}, "a multiple of 16"),
        ({"BIGTIFF": "perhaps"}, "BIGTIFF cannot be PERHAPS, use YES, NO, IF_NEEDED or IF_SAFER"),
        ({"PREDICTOR": "FLOATING_POINT"}, "PREDICTOR cannot be FLOATING_POINT"),
    ],
)
def test_what_gdal_would_ignore_or_what_changes_pixels_is_refused(options, words):
    with pytest.raises(OutputError, match=words):
        normalise_creation_options(options)


def test_a_compression_that_gdal_was_built_without_is_refused():
    with pytest.raises(OutputError, match="this build of GDAL cannot compress with LOST"):
        check_compression({"COMPRESS": "LOST"})  # stands for one that another build lacks
