"""`geoseg vectorise` that is stopped, killed, or run twice at once."""

import signal
import threading

import numpy as np
import pytest

import geoseg
from geoseg.cli.commands.vectorise import command
from geoseg.errors import InterruptedRun
from geoseg.files import output_lock
from tests.support.class_maps import class_labels
from tests.support.commands import here, refused
from tests.support.paths import names_in
from tests.support.rasters import write_raster


@pytest.fixture
def labels(tmp_path):
    return write_raster(tmp_path / "labels.tif", class_labels()[None], nodata=255)


class OneSignal:
    """Sends a signal to the main thread once: a second one might come when the run has ended."""

    def __init__(self, number: int):
        self._number, self._first = number, threading.Lock()

    def send(self) -> None:
        if self._first.acquire(blocking=False):
            signal.pthread_kill(threading.main_thread().ident, self._number)


@pytest.mark.parametrize("extension", ["gpkg", "parquet", "geojson", "pmtiles"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_without_a_trace(labels, tmp_path, extension, number):
    out = tmp_path / f"lulc.{extension}"
    out.write_text("the map of last week")

    one = OneSignal(number)

    def interrupt(_: str, done: int, __: int) -> None:
        if done:
            one.send()

    with pytest.raises(InterruptedRun, match="interrupted, nothing was written"):
        geoseg.vectorise(labels, out, overwrite=True, progress=interrupt)
    assert out.read_text() == "the map of last week"
    assert names_in(tmp_path) == sorted(["labels.tif", out.name])


def test_a_signal_while_areas_are_merged_ends_it_too(tmp_path):
    big = write_raster(tmp_path / "big.tif", np.zeros((1, 2100, 2100), np.uint8))
    done: list[int] = []
    one = OneSignal(signal.SIGTERM)

    def interrupt(_: str, number: int, __: int) -> None:
        done.append(number)
        if number:
            one.send()

    settings = geoseg.VectoriseSettings(cleaning=geoseg.Cleaning(min_area=1e4))
    with pytest.raises(InterruptedRun):
        geoseg.vectorise(big, tmp_path / "x.gpkg", settings=settings, workers=1, progress=interrupt)
    assert max(done) < 4
    assert names_in(tmp_path) == ["big.tif"]


def test_the_command_line_says_that_it_was_interrupted(labels, tmp_path, monkeypatch):
    def stopped(*_: object, **__: object) -> None:
        raise InterruptedRun("interrupted, nothing was written")

    monkeypatch.setattr("geoseg.vectorisation.vectorise", stopped)
    done = here(command.name, labels, "--out", tmp_path / "x.gpkg")
    assert refused(done, code=75) == "geoseg: interrupted, nothing was written"


def test_what_a_killed_run_left_is_deleted_by_the_next(labels, tmp_path):
    left = tmp_path / ".lulc.gpkg.tmp"
    left.mkdir()
    (left / "lulc.gpkg").write_text("half a GeoPackage")
    (left / "lulc.gpkg-journal").write_text("of an unfinished transaction")
    (left / "lulc.gpkg.tmp_rtree_lulc.db").write_text("an index")
    (tmp_path / ".lulc.gpkg.lock").write_text("a line of the killed run\n")
    geoseg.vectorise(labels, tmp_path / "lulc.gpkg")
    assert names_in(tmp_path) == ["labels.tif", "lulc.gpkg"]


def test_two_runs_on_one_output_take_turns(labels, tmp_path):
    out = tmp_path / "lulc.gpkg"
    with (
        output_lock(tmp_path / ".lulc.gpkg.lock", out, "vectorise"),
        pytest.raises(InterruptedRun, match=r"lulc\.gpkg is in use"),
    ):
        geoseg.vectorise(labels, out)
    geoseg.vectorise(labels, out)
