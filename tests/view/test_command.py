"""The command, in a process of its own."""

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.commands import here, refused
from tests.support.rasters import describe_band
from tests.support.views import write_place


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_place(tmp_path_factory.mktemp("place"), "UTM")


@pytest.mark.slow
def test_it_prints_the_address_and_ends_on_ctrl_c(files, tmp_path):
    drawn = tmp_path / "corrections.gpkg"
    words = ["view", files.scene, files.map, "--confidence", files.confidence]
    env = {name: value for name, value in os.environ.items() if "DISPLAY" not in name}
    process = subprocess.Popen(
        [sys.executable, "-m", "geoseg", *map(str, words), "--corrections", str(drawn)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
    )  # fmt: skip
    address = process.stdout.readline().strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{20,}/", address)
    assert process.stdout.readline() == "Ctrl-C ends the page.\n"
    assert urllib.request.urlopen(f"{address}tiles/confidence/0/0/0.png").status == 200
    busy = here("view", files.scene, "--no-browser", "--port", urlsplit(address).port)
    assert "choose another one (--port)" in refused(busy)
    locked = here("view", files.scene, files.map, "--corrections", drawn)
    assert "is in use" in refused(locked, 75)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 0
    assert stdout == ""
    assert stderr == "There is no display here: open the address in a browser.\n"
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_shown_is_refused_in_one_sentence(files, tmp_path):
    second = ["--compare", files.second]
    assert "give LULC too" in refused(here("view", files.scene, *second))
    assert "is not a class raster" in refused(here("view", files.scene, files.scene))
    assert "cannot open" in refused(here("view", tmp_path / "none.tif", files.map))
    scores = ["--confidence", files.scene]
    assert ", not one of uint8, give the raster" in refused(here("view", files.scene, *scores))
    scores = ["--confidence", files.probabilities]
    assert "bands of uint8, not one of uint8" in refused(here("view", files.scene, *scores))
    unsure = Path(shutil.copyfile(files.confidence, tmp_path / "unc.tif"))
    scores = ["--confidence", describe_band(unsure, "uncertainty")]
    assert "holds the uncertainty of a map" in refused(here("view", files.scene, *scores))
    polygons = ["--polygons", tmp_path / "lulc.parquet"]
    assert "neither a GeoPackage" in refused(here("view", files.scene, files.map, *polygons))


def test_a_page_is_saved(files, tmp_path):
    done = here("view", files.scene, files.map, "--save", tmp_path / "map.html")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path / 'map.html'}: page of {files.scene}, {files.map}\n"
    assert "exists" in refused(here("view", files.scene, "--save", tmp_path / "map.html"))


def test_a_saved_page_refuses_options_that_it_does_not_have(files, tmp_path):
    options = ["--corrections", tmp_path / "c.gpkg", "--places", files.map, "--no-browser"]
    done = here("view", files.scene, files.map, "--save", tmp_path / "map.html", *options)
    assert done.returncode == 2
    assert "--save cannot be combined with --corrections, --no-browser, --places" in done.stderr
    assert not (tmp_path / "map.html").exists()
