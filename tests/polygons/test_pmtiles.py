"""Vector tiles: what the archive says and holds, and how tippecanoe is run and ended."""

import gzip
import json
import logging
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pyogrio
import pytest
from affine import Affine
from pyproj import CRS

import geoseg
from geoseg.classification import classify
from geoseg.errors import InterruptedRun, OutputError
from geoseg.legend import Legend
from geoseg.polygons import FeatureBuilder, check_format_fits, polygonise_windows, write_polygons
from geoseg.polygons.write import pmtiles
from tests.support.class_maps import class_labels
from tests.support.rasters import write_raster

UTM = CRS.from_epsg(32633).to_wkt()
GRID = Affine(10, 0, 400_000, 0, -10, 5_000_000)


def header_of(path: Path) -> tuple[int, ...]:
    """Eleven places and counts, then the kinds, zooms and bounds, as the specification has them."""
    return struct.unpack("<7sB11Q6B4iB2i", path.read_bytes()[:127])[2:]


def metadata_of(path: Path) -> dict:
    _, _, offset, length, *_ = header_of(path)
    return json.loads(gzip.decompress(path.read_bytes()[offset : offset + length]))


def tiles_of(path: Path) -> Iterator[int]:
    """Zooms of the tiles, by their numbers in the root directory."""
    offset, length, *_ = header_of(path)
    numbers = list(pmtiles._varints(gzip.decompress(path.read_bytes()[offset : offset + length])))
    count, tile = numbers[0], 0
    for step in numbers[1 : 1 + count]:
        tile += step
        yield next(z for z in range(30) if tile < (4 ** (z + 1) - 1) // 3)


def vectorised(tmp_path: Path, labels: np.ndarray, **grid: object) -> Path:
    scene = write_raster(tmp_path / "in.tif", labels[None], nodata=255, **grid)
    geoseg.vectorise(scene, tmp_path / "lulc.pmtiles")
    return tmp_path / "lulc.pmtiles"


def test_the_archive_is_named_after_the_file_and_tells_no_path(tmp_path):
    out = vectorised(tmp_path, class_labels())
    about = metadata_of(out)
    assert about["name"] == "lulc"
    assert about["description"] == "Land cover"
    assert str(tmp_path) not in json.dumps(about)


SPARSE = np.full((700, 700), 255, np.uint8)
SPARSE[3, 5] = SPARSE[650, 690] = 1


@pytest.mark.parametrize(
    "labels",
    [np.ones((1, 1), np.uint8), class_labels()[:, :35], np.ones((512, 512), np.uint8), SPARSE],
    ids=["one pixel", "small", "one class", "two pixels far apart"],
)
def test_the_zooms_of_the_header_are_those_of_the_tiles(tmp_path, labels):
    out = vectorised(tmp_path, labels)
    zooms = list(tiles_of(out))
    low, high = header_of(out)[15:17]
    assert (min(zooms), max(zooms)) == (low, high)
    assert low > 5  # no tiles of the whole earth with a map that cannot be seen


def test_a_map_without_polygons_is_an_archive_with_an_empty_tile(tmp_path):
    out = vectorised(tmp_path, np.full((20, 30), 255, np.uint8))
    head = header_of(out)
    assert list(tiles_of(out)) == [0]
    assert head[8:11] == (1, 1, 1)
    assert metadata_of(out)["vector_layers"][0]["id"] == "lulc"
    tile = out.read_bytes()[head[6] : head[6] + head[7]]
    assert gzip.decompress(tile) == b""
    assert out.stat().st_size == head[6] + head[7]
    west, south, east, north = (side / 1e7 for side in head[17:21])
    assert (west, south) == pytest.approx((57, 25.3), abs=0.1)
    assert (east - west, north - south) == pytest.approx((0.003, 0.0018), rel=0.1)
    decoded = subprocess.run(
        [Path(sys.executable).parent / "tippecanoe-decode", out], capture_output=True, check=True
    )
    (tile_zero,) = json.loads(decoded.stdout)["features"]
    assert tile_zero["features"] == []
    assert pyogrio.read_info(out)["crs"] == "EPSG:3857"


def test_a_scene_without_valid_pixels_is_classified_with_all_outputs(tmp_path, model):
    scene = write_raster(tmp_path / "s.tif", np.zeros((3, 40, 40), np.uint8), nodata=0)
    classify(
        scene, tmp_path / "m.tif", model=model, polygons=tmp_path / "m.pmtiles",
        settings=geoseg.ClassifySettings(overlap=8),
    )  # fmt: skip
    assert (tmp_path / "m.tif").exists()
    assert metadata_of(tmp_path / "m.pmtiles")["name"] == "m"


def test_a_map_across_180_degrees_is_cut_there(tmp_path):
    transform = Affine(2000, 0, 830_000, 0, -2000, 1_000_000)
    out = vectorised(tmp_path, class_labels(), crs="EPSG:32660", transform=transform)
    west, _, east, _ = (side / 1e7 for side in header_of(out)[17:21])
    assert (west, east) == (-180, 180)
    assert len(list(tiles_of(out))) < 20  # not the whole earth between the two sides


@pytest.mark.parametrize(
    ("crs", "transform", "reason"),
    [
        (UTM, Affine(0.005, 0, 400_000, 0, -0.005, 5_000_000), "smaller than 1 cm"),
        (CRS.from_epsg(3857).to_wkt(), Affine(1e4, 0, 0, 0, -1e4, 4e7), "beyond 85 degrees"),
    ],
)
def test_what_vector_tiles_cannot_hold_is_refused_and_geojson_can(crs, transform, reason):
    with pytest.raises(OutputError, match=reason):
        check_format_fits("x.pmtiles", transform, crs, (48, 60))
    check_format_fits("x.geojson", transform, crs, (48, 60))


def write(path: Path, **options: object) -> int:
    labels = np.random.default_rng(0).integers(0, 5, (150, 150), dtype=np.uint8)
    builder = FeatureBuilder(
        Legend.from_names(list("abcde")), GRID, UTM, labels.shape, has_confidence=False
    )
    polygons = polygonise_windows(lambda window: (labels[window.slices], None), *labels.shape)
    return write_polygons(path, polygons, builder, **options)


def test_the_file_of_which_tiles_are_made_has_no_index(tmp_path, monkeypatch):
    """GDAL makes the index of a FlatGeobuf in memory, which would grow with the polygons."""
    indexed = []

    def note_index(flat, path, layer, lonlat, _):
        indexed.append(pyogrio.read_info(flat)["capabilities"]["fast_spatial_filter"])
        pmtiles.write_empty_pmtiles(path, layer, lonlat)

    monkeypatch.setattr("geoseg.polygons.write.writer.write_pmtiles", note_index)
    vectorised(tmp_path, np.ones((9, 9), np.uint8))
    assert indexed == [False]


def test_progress_is_logged(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(pmtiles, "_LOG_INTERVAL", 0)
    monkeypatch.setattr(pmtiles, "_POLL_INTERVAL", 0.01)
    caplog.set_level(logging.INFO, "geoseg")
    write(tmp_path / "x.pmtiles")
    said = [record.getMessage() for record in caplog.records]
    assert "tippecanoe cuts vector tiles, zooms 11 to 13" in said
    assert any(line.startswith("tippecanoe: ") and "%" in line for line in said)


def test_tippecanoe_ends_when_the_run_is_to_stop(tmp_path):
    before = psutil.Process().children(recursive=True)  # the server that other tests fork from
    children: list[psutil.Process] = []

    def check_stop() -> None:
        children.extend(set(psutil.Process().children(recursive=True)).difference(before))
        if children:
            raise InterruptedRun("stop")

    with pytest.raises(InterruptedRun):
        write(tmp_path / "x.pmtiles", check_stop=check_stop)
    assert not any(child.is_running() for child in children)
    assert {p.name for p in tmp_path.iterdir()} <= {"x.pmtiles", "x.pmtiles-journal"}


START = """
import sys
from pathlib import Path
from geoseg.polygons.write import pmtiles
process = pmtiles._start("/bin/sleep", ["60"], Path(sys.argv[1]), Path(sys.argv[1], "log"))
print(process.pid, flush=True)
process.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of a killed one")
def test_tippecanoe_dies_with_a_killed_run(tmp_path):
    run = subprocess.Popen([sys.executable, "-c", START, tmp_path], stdout=subprocess.PIPE)
    child = psutil.Process(int(run.stdout.readline()))
    until = time.monotonic() + 30
    while child.name() != "sleep" and time.monotonic() < until:
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert child.wait(timeout=10) is None or not child.is_running()


def test_an_error_of_tippecanoe_is_told_with_the_name_of_the_output(tmp_path, monkeypatch):
    monkeypatch.setattr(pmtiles, "_MAX_TILE_BYTES", "none")
    with pytest.raises(OutputError, match=r"final\.pmtiles cannot be written \(tippecanoe: "):
        write(tmp_path / "x.pmtiles", final=tmp_path / "final.pmtiles")
