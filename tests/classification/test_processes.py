"""Scenes that are not small: their chunks are computed in worker processes of this machine."""

import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import psutil
import pytest

from geoseg.classification import (
    ClassifySettings,
    Execution,
    classify,
    classify_scenes,
    finished_parts,
)
from geoseg.classification import compute as compute_module
from geoseg.classification import job as job_module
from geoseg.classification.compute import _classify_on_worker, _WindowCounts
from geoseg.classification.job import is_small
from geoseg.classification.run_folder.parts import missing_chunks
from geoseg.errors import ChunkError, GeosegError, ScenesError
from geoseg.execute import ProgressCounter
from geoseg.grid import Window, WindowGrid
from tests.support.clusters import wait_for
from tests.support.commands import ended, start
from tests.support.rasters import blocks, write_raster

SETTINGS = ClassifySettings(overlap=8)
CHUNKS = Execution(chunk=512, engine="torch")
"""With a named engine: on a busy machine a trial may choose another one, with other last bits."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Path:
    """Six chunks of 512 px, the last ones narrow."""
    return write_raster(tmp_path_factory.mktemp("scene") / "scene.tif", blocks(600, 1100))


@pytest.fixture(scope="module")
def plain(scene, model, tmp_path_factory) -> Path:
    """The map as one thread makes it: what others must equal."""
    folder = tmp_path_factory.mktemp("plain")
    run(scene, folder, model, workers=1)
    return folder


@pytest.fixture
def processes(monkeypatch):
    """No scene is small."""
    monkeypatch.setattr(job_module, "SMALL_PIXELS", 0)


def run(scene, folder, model, *, workers=2, execution=CHUNKS, **kwargs):
    return classify(
        scene, folder / "map.tif", model=model, polygons=folder / "map.gpkg", settings=SETTINGS,
        execution=execution, workers=workers, **kwargs,
    )  # fmt: skip


def assert_same(folder: Path, plain: Path) -> None:
    for name in ("map.tif", "map.gpkg"):
        assert (folder / name).read_bytes() == (plain / name).read_bytes(), name
    assert not (folder / "map.tif.parts").exists()


def die_once(folder: Path, job, key, chunk):
    """Compute a chunk, and leave its place and process in a file.

    Kill the worker of one chunk, but not a second time.
    """
    if (chunk.row, chunk.col) == (0, 512) and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    part = _classify_on_worker(job, key, chunk)
    (folder / f"{chunk.row}-{chunk.col}-{os.getpid()}").touch()
    return part


def die(job, key, chunk):
    if (chunk.row, chunk.col) == (0, 512):
        os.kill(os.getpid(), signal.SIGKILL)
    return _classify_on_worker(job, key, chunk)


def fail(job, key, chunk):
    raise ChunkError(f"chunk at {chunk} failed: out of luck")


@pytest.mark.slow
def test_processes_the_order_of_chunks_and_a_lost_worker_do_not_show(
    scene, model, plain, tmp_path, processes, monkeypatch, caplog
):
    def shuffled(job, chunks):
        return random.Random(1).sample(missing := missing_chunks(job, chunks), len(missing))

    calls = []
    (log := tmp_path / "log").mkdir()
    monkeypatch.setattr(compute_module, "missing_chunks", shuffled)
    monkeypatch.setattr(compute_module, "_classify_on_worker", partial(die_once, log))
    with caplog.at_level(logging.DEBUG, "geoseg"):
        run(scene, tmp_path, model, progress=lambda *call: calls.append(call))
    assert_same(tmp_path, plain)
    assert any(message.startswith("chunk at rows 0-511, ") for message in caplog.messages)
    (log / "died").unlink()
    names = [path.name.split("-") for path in log.iterdir()]
    assert len(names) == 6
    assert {int(pid) for _, _, pid in names} & {os.getpid()} == set()
    done = [count for _, count, _ in calls]
    assert done == sorted(done)
    assert done[0] == 0
    assert done[-1] == calls[-1][2]
    assert json.loads((tmp_path / "map.json").read_text())["execution"]["workers"] == 2


@pytest.mark.slow
def test_a_chunk_that_kills_its_workers_is_named_and_the_others_are_kept(
    scene, model, plain, tmp_path, processes, monkeypatch
):
    with monkeypatch.context() as poisoned:
        poisoned.setattr(compute_module, "_classify_on_worker", die)
        message = "^rows 0-511, columns 512-1023: each Dask .* was killed, .* or smaller chunks$"
        with pytest.raises(GeosegError, match=message):
            run(scene, tmp_path, model)
    assert len(finished_parts(tmp_path / "map.tif.parts")) == 5
    run(scene, tmp_path, model, workers=1)
    assert_same(tmp_path, plain)


@pytest.mark.slow
def test_a_failing_chunk_fails_the_run_by_name(scene, model, tmp_path, processes, monkeypatch):
    monkeypatch.setattr(compute_module, "_classify_on_worker", fail)
    with pytest.raises(ChunkError, match=r"^chunk at rows \d+-\d+, columns .* failed: out of luck"):
        run(scene, tmp_path, model)
    assert [path.name for path in tmp_path.iterdir()] == ["map.tif.parts"]


def leave_pid(folder: Path, job, key, chunk):
    """Compute a chunk, and leave the process in a file; fail for scenes with such a name."""
    name = Path(job.scene.path).stem
    (folder / f"{name}-{os.getpid()}").touch()
    if name.startswith("bad"):
        fail(job, key, chunk)
    return _classify_on_worker(job, key, chunk)


def pids(folder: Path, name: str) -> set[str]:
    return {path.name.split("-")[1] for path in folder.glob(f"{name}-*")}


@pytest.mark.slow
def test_workers_stay_for_the_next_scene_unless_one_fails(
    scene, model, plain, tmp_path, processes, monkeypatch
):
    monkeypatch.setattr(compute_module, "_classify_on_worker", partial(leave_pid, tmp_path))
    names = ["a", "b", "bad", "c"]
    scenes = [Path(shutil.copy(scene, tmp_path / f"{name}.tif")) for name in names]
    with pytest.raises(ScenesError, match=r"bad.*out of luck"):
        classify_scenes(
            scenes, tmp_path / "maps", model=model, settings=SETTINGS, execution=CHUNKS, workers=2,
        )  # fmt: skip
    assert len(pids(tmp_path, "a")) == 2
    assert pids(tmp_path, "a") == pids(tmp_path, "b") >= pids(tmp_path, "bad")
    assert not pids(tmp_path, "a") & pids(tmp_path, "c")
    for name in ("a", "b", "c"):
        labels = (tmp_path / "maps" / f"{name}.tif").read_bytes()
        assert labels == (plain / "map.tif").read_bytes()
    running = psutil.Process().children(recursive=True)
    assert not {str(process.pid) for process in running} & pids(tmp_path, "c")


@pytest.mark.slow
def test_more_workers_than_memory_has_room_for_do_not_stay(
    scene, model, tmp_path, processes, monkeypatch
):
    """The memory that the workers of the first scene hold would else count as not there."""
    before = len(psutil.Process().children(recursive=True))
    seen = []

    def choose(job, model, executor, cluster, chunks):
        seen.append(len(psutil.Process().children(recursive=True)) > before)
        return (1, "thread") if seen[-1] else (2, "process")

    monkeypatch.setattr(compute_module, "choose_workers", choose)
    scenes = [Path(shutil.copy(scene, tmp_path / f"{name}.tif")) for name in "ab"]
    reports = classify_scenes(
        scenes, tmp_path / "maps", model=model, settings=SETTINGS, execution=CHUNKS
    )
    assert [report.execution["workers"] for report in reports] == [2, 2]
    planned, computed = seen[:2], seen[2:]  # the check of the memory comes before all runs
    assert (planned, computed) == ([False, False], [False, True, False])


@pytest.fixture(scope="module")
def long(model, tmp_path_factory) -> Path:
    """A folder with a scene of 18 chunks, of which 10 are whole, and its map."""
    folder = tmp_path_factory.mktemp("long")
    write_raster(folder / "scene.tif", blocks(1100, 2600))
    run(folder / "scene.tif", folder, model, workers=1)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_ends_its_processes_and_resumes(model, long, tmp_path, how):
    scene = long / "scene.tif"
    process = start(
        "classify", scene, "--out", tmp_path / "map.tif", "--polygons", tmp_path / "map.gpkg",
        "--model", model, "--overlap", 8, "--chunk", 512, "--workers", 2, "--engine", "torch",
        processes=True, cwd=tmp_path,
    )  # fmt: skip
    parts = tmp_path / "map.tif.parts"
    wait_for(lambda: len(list(parts.glob("part-*.json"))) >= 2)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 4
    process.send_signal(how)
    done = ended(process)
    assert done.returncode == 75, done.stderr
    assert "finished chunks are kept, run the same command to go on" in done.stderr
    assert all(line.startswith("geoseg: ") for line in done.stderr.splitlines()), done.stderr
    wait_for(lambda: not any(p.is_running() and p.status() != "zombie" for p in children))
    assert {path.name for path in tmp_path.iterdir()} == {"map.tif.parts"}
    assert 2 <= len(finished_parts(parts)) < 18
    if how == signal.SIGTERM:  # running chunks are finished, so nothing is left of one
        assert not list(parts.glob(".tmp*"))
    run(scene, tmp_path, model, workers=1)
    assert_same(tmp_path, long)


SCRIPT = """
import os, sys
from geoseg import ClassifySettings, classify
from geoseg.classification import Execution, job

print("start", flush=True)
job.SMALL_PIXELS = 0
scene, out, model = {arguments!r}
execution = Execution(chunk=512, engine="torch")
classify(scene, out, model=model, settings=ClassifySettings(overlap=8), execution=execution,
         workers=2)
print("end")
"""


@pytest.mark.slow
def test_a_script_without_a_guard_of_its_main_module_runs_once(scene, model, plain, tmp_path):
    (tmp_path / "work").mkdir()
    script = tmp_path / "script.py"
    script.write_text(
        SCRIPT.format(arguments=tuple(map(str, (scene, tmp_path / "map.tif", model))))
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", script], cwd=tmp_path / "work", capture_output=True,
        text=True, check=True, timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.stdout.split() == ["start", "end"]
    assert done.stderr == ""
    assert list((tmp_path / "work").iterdir()) == []
    assert (tmp_path / "map.tif").read_bytes() == (plain / "map.tif").read_bytes()


@pytest.mark.parametrize(("side", "small"), [(2000, True), (2300, False)])
def test_whether_a_scene_is_small_depends_on_the_pixels_of_its_windows(side, small):
    whole = Window(0, 0, side, side)
    assert is_small(WindowGrid(side, side, 128, 96), whole) == small
    assert is_small(WindowGrid(side, side, 128, 128), whole)


def test_windows_are_counted_once_whatever_the_messages(scene, model, tmp_path, monkeypatch):
    jobs = []
    monkeypatch.setattr(compute_module, "classify_chunk", lambda job, *_: jobs.append(job))
    run(scene, tmp_path, model, workers=1, execution=Execution(chunk=512, shard=(1, 1)))
    chunks = jobs[0].chunks()
    windows = jobs[0].window_grid.count(chunks[0])
    calls = []
    counter = ProgressCounter(lambda *call: calls.append(call[1]), "windows", 1000)
    counts = _WindowCounts(jobs[0], chunks, counter)
    for key, left in (
        (counts.key, windows - 5), ("other", 0), (counts.key, windows - 2), (counts.key, 10),
    ):  # fmt: skip
        counts.update((key, 0, 0, left))
    assert calls == [0, 5, windows - 10]
    part = type("Part", (), {"row": 0, "col": 0})
    counts.finish(part)
    counts.update((counts.key, 0, 0, 3))
    assert calls[-1] == windows
