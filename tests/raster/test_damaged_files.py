"""Rasters that GDAL opens but that are damaged, very wide in bands, or oddly named."""

import struct
import time
import zipfile

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from geoseg.errors import RemoteError, SceneError
from geoseg.raster import open_scene, read_window
from tests.support.rasters import blocks, write_raster
from tests.support.servers import web

PIXEL_SCALE, ASCII_PARAMS = 33550, 34737
"""Tags of the georeferencing, which GDAL reads only when it is asked for."""


def with_latin_description(path):
    """A raster whose first band is described as "Bläuee" in Latin-1."""
    write_raster(path, blocks(40, 50), photometric="RGB")
    with rasterio.open(path, "r+") as file:
        file.set_band_description(1, "Bläue")
    data = path.read_bytes()
    assert "Bläue".encode() in data
    path.write_bytes(data.replace("Bläue".encode(), b"Bl\xe4uee"))
    return path


def test_band_descriptions_that_are_not_utf8_do_not_count(tmp_path):
    scene = open_scene(with_latin_description(tmp_path / "s.tif"))
    assert scene.band_names == ("red", "green", "blue")
    assert np.array_equal(read_window(scene, scene.window)[0], blocks(40, 50))


def test_a_damaged_directory_is_one_sentence(tmp_path):
    path = write_raster(tmp_path / "s.tif", blocks(60, 60))
    data = bytearray(path.read_bytes())
    directory = struct.unpack_from("<I", data, 4)[0]
    entries = struct.unpack_from("<H", data, directory)[0]
    for entry in range(directory + 2, directory + 2 + 12 * entries, 12):
        tag = struct.unpack_from("<H", data, entry)[0]
        if tag == PIXEL_SCALE:
            struct.pack_into("<I", data, entry + 4, 1 << 20)
        if tag == ASCII_PARAMS:
            struct.pack_into("<H", data, entry, 945)
    path.write_bytes(data)
    with pytest.raises(SceneError, match=r"cannot read .*s\.tif .*may be truncated or damaged"):
        open_scene(path)


def test_a_raster_of_very_many_bands_is_described_at_once(tmp_path):
    path = write_raster(tmp_path / "s.tif", np.zeros((8000, 2, 2), np.uint8))
    start = time.process_time()
    assert len(open_scene(path).band_names) == 8000
    assert time.process_time() - start < 2


def test_bands_that_are_not_read_because_they_are_transparency(tmp_path):
    path = write_raster(tmp_path / "s.tif", blocks(20, 20, 4), photometric="RGB", alpha="YES")
    assert open_scene(path).unread_alphas == (4,)
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [*file.colorinterp[:3], ColorInterp.undefined]
    assert open_scene(path).unread_alphas == ()


@pytest.mark.parametrize("name", ["zip://a.zip!x.tif", "zip+file://a.zip!/x.tif"])
def test_a_raster_in_an_archive_beside_is_read(name, tmp_path, monkeypatch):
    path = write_raster(tmp_path / "x.tif", blocks(40, 50))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "x.tif")
    monkeypatch.chdir(tmp_path)
    scene = open_scene(name)
    assert np.array_equal(read_window(scene, scene.window)[0], blocks(40, 50))


def test_a_server_without_ranges_will_never_do(tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    write_raster(tmp_path / "s.tif", blocks(600, 600))
    with web(tmp_path, tmp_path / "control.json") as server:
        server.tell(ranges=False)
        with pytest.raises(SceneError, match=r"s\.tif: its server .*download the file") as caught:
            open_scene(f"{server.address}/s.tif")
    assert not isinstance(caught.value, RemoteError)
