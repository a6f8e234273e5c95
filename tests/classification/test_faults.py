"""What a run meets on real machines: each fault for real, its one sentence, and the same map after.

The table in workflows/README.md tells these tests in words. Preempted jobs and lost nodes are in
test_slurm.py, what a Dask cluster does without geoseg's chunks in test_cluster.py.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import rasterio

from geoseg.classification import ClassifySettings, Execution, classify
from tests.support.clusters import DaskProcesses, dask_processes, wait_for
from tests.support.commands import ended, here, refused, start
from tests.support.models import tiny_model
from tests.support.rasters import blocks, write_raster

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Path:
    """Twelve chunks of 512 px, the last ones narrow, in compressed blocks of 256 px."""
    return write_raster(
        tmp_path_factory.mktemp("scene") / "scene.tif", blocks(1060, 1600), tiled=True,
        blockxsize=256, blockysize=256, compress="deflate", interleave="pixel",
    )  # fmt: skip


@pytest.fixture(scope="module")
def plain(scene, model, tmp_path_factory) -> Path:
    """Map and polygons as one process makes them."""
    folder = tmp_path_factory.mktemp("plain")
    classify(
        scene, folder / "map.tif", model=model, polygons=folder / "map.gpkg",
        settings=ClassifySettings(overlap=8), execution=Execution(chunk=512),
    )  # fmt: skip
    return folder


@pytest.fixture
def command(scene, model, tmp_path) -> tuple:
    return arguments(scene, model, tmp_path)


def arguments(scene: Path, model: Path, folder: Path) -> tuple:
    return (
        "classify", scene, "--model", model, "--overlap", 8, "--chunk", 512, "--workers", 1,
        "--out", folder / "map.tif", "--polygons", folder / "map.gpkg",
    )  # fmt: skip


@pytest.fixture
def dask(tmp_path, monkeypatch) -> Iterator[DaskProcesses]:
    """One that gives an item up after the second worker that it killed."""
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "1")
    with dask_processes(tmp_path / "dask") as processes:
        yield processes


def records(folder: Path) -> list[Path]:
    return list((folder / "map.tif.parts").glob("part-*.json"))


def begun(folder: Path, number: int = 2) -> None:
    wait_for(lambda: len(records(folder)) >= number)


def nothing_but_parts(folder: Path) -> bool:
    return not [p for p in folder.glob("map*") if p.name != "map.tif.parts"]


def goes_on(command: tuple, plain: Path, folder: Path) -> None:
    """The same command makes the same map from what is there."""
    kept = len(records(folder))
    done = here(*command)
    assert done.returncode == 0, done.stderr
    resumed = re.search(r"resuming: (\d+) of 12 chunks finished", done.stderr)
    assert resumed is not None
    assert int(resumed[1]) >= kept > 0
    same(plain, folder)


def same(plain: Path, folder: Path) -> None:
    for name in ("map.tif", "map.gpkg"):
        assert (folder / name).read_bytes() == (plain / name).read_bytes(), name
    assert not (folder / "map.tif.parts").exists()


def test_a_killed_worker_goes_unnoticed(command, plain, tmp_path, dask):
    victim, _ = dask.add(), dask.add()
    process = start(*command, "--scheduler", dask.file)
    begun(tmp_path)
    victim.kill()
    done = ended(process)
    assert done.returncode == 0, done.stderr
    same(plain, tmp_path)


def test_a_killed_scheduler_ends_the_run_which_goes_on_without_one(command, plain, tmp_path, dask):
    dask.add(), dask.add()
    process = start(*command, "--scheduler", dask.file)
    begun(tmp_path)
    dask.scheduler.kill()
    assert "the Dask scheduler at" in refused(ended(process), 75)
    assert nothing_but_parts(tmp_path)
    goes_on(command, plain, tmp_path)


POISON = """
import os, signal
from geoseg.classification import chunk
from geoseg.raster import read_window as true_read

def read(scene, window):
    if window.row == 0 and window.col > 1000 and window.col_end < 1600:
        os.kill(os.getpid(), signal.SIGKILL)
    return true_read(scene, window)

chunk.read_window = read
"""
"""Kills the worker that takes the third chunk of the first row."""


def test_a_chunk_that_kills_its_workers_is_named_and_the_others_are_done(
    command, plain, tmp_path, dask
):
    (tmp_path / "poison.py").write_text(POISON)
    for _ in range(5):  # it kills two among the other chunks, and two alone
        dask.add("--preload", str(tmp_path / "poison.py"))
    done = here(*command, "--scheduler", dask.file)
    sentence = refused(done)
    assert "rows 0-511, columns 1024-1535: each Dask worker that ran it was killed" in sentence
    assert len(records(tmp_path)) == 11
    assert nothing_but_parts(tmp_path)
    goes_on(command, plain, tmp_path)


def test_a_run_killed_at_any_moment_goes_on(command, plain, tmp_path):
    moments, kills_between = random.Random(5), 0
    for number in (1, 4, 8, 12):
        process = start(*command)
        wait_for(lambda: len(records(tmp_path)) >= number or process.returncode is not None)  # noqa: B023
        time.sleep(moments.uniform(0, 0.1))
        process.kill()
        killed = ended(process).returncode == -signal.SIGKILL
        kills_between += killed and bool(records(tmp_path)) and nothing_but_parts(tmp_path)
    assert kills_between >= 3, "kills must fall between the first part and the map"
    done = here(*command)
    assert done.returncode == 0, done.stderr
    same(plain, tmp_path)


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A disk of 4 MB; `resize` gives it another size."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def resize(disk: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)


def test_a_disk_that_fills_up_while_chunks_are_done_keeps_them(scene, model, plain, small_disk):
    command = arguments(scene, model, small_disk)
    sentence = refused(here(*command))
    assert "No space left on device" in sentence
    assert "chunk at rows" in sentence
    assert nothing_but_parts(small_disk)
    assert not list(small_disk.rglob(".tmp*"))
    resize(small_disk, 100 << 20)
    goes_on(command, plain, small_disk)


def test_outputs_may_lie_on_several_disks(scene, model, plain, small_disk, tmp_path):
    """A rename does not move a file to another file system."""
    resize(small_disk, 100_000_000)
    classify(
        scene, tmp_path / "map.tif", model=model, polygons=small_disk / "map.gpkg",
        confidence=small_disk / "confidence.tif",
        settings=ClassifySettings(overlap=8), execution=Execution(chunk=512),
    )  # fmt: skip
    for name, folder in (("map.tif", tmp_path), ("map.gpkg", small_disk)):
        assert (folder / name).read_bytes() == (plain / name).read_bytes()
    assert sorted(p.name for p in small_disk.iterdir()) == ["confidence.tif", "map.gpkg"]
    assert not list(tmp_path.glob(".tmp*"))


@pytest.mark.parametrize("room", [0, 500_000])
def test_a_disk_that_fills_up_in_assembly_keeps_the_parts(scene, model, plain, small_disk, room):
    command = arguments(scene, model, small_disk)
    resize(small_disk, 100 << 20)
    assert here(*command, "--shard", "1/1").returncode == 0
    resize(small_disk, shutil.disk_usage(small_disk).used + room)
    assert "cannot write" in refused(here(*command))
    assert nothing_but_parts(small_disk)
    assert not list(small_disk.rglob(".tmp*"))
    resize(small_disk, 100 << 20)
    assert len(records(small_disk)) == 12
    goes_on(command, plain, small_disk)


def test_a_corrupt_block_is_named_with_its_chunk(command, scene, plain, tmp_path):
    copy = tmp_path / "scene.tif"
    shutil.copy2(scene, copy)
    with rasterio.open(copy) as source:
        where = int(source.get_tag_item("BLOCK_OFFSET_0_3", "TIFF", bidx=1))
    with copy.open("r+b") as file:
        file.seek(where)
        file.write(b"\xff" * 500)
    times = scene.stat()
    os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
    command = tuple(copy if part == scene else part for part in command)
    sentence = refused(here(*command))
    assert "chunk at rows 512-1023, columns 0-511 failed: " in sentence
    assert "scene.tif" in sentence
    assert nothing_but_parts(tmp_path)
    shutil.copy2(scene, copy)
    goes_on(command, plain, tmp_path)


def test_a_part_damaged_after_its_commit_is_computed_again(command, plain, tmp_path):
    assert here(*command, "--shard", "1/1").returncode == 0
    part = records(tmp_path)[5].with_suffix(".safetensors")
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 0xFF
    part.write_bytes(data)
    assert f"{part.name} is damaged" in refused(here(*command), 75)
    assert nothing_but_parts(tmp_path)
    assert len(records(tmp_path)) == 11
    goes_on(command, plain, tmp_path)


def test_a_model_that_changed_since_the_start_is_refused(command, model, plain, tmp_path):
    copy = tmp_path / "model.safetensors"
    shutil.copy2(model, copy)
    command = tuple(copy if part == model else part for part in command)
    assert here(*command, "--shard", "1/3").returncode == 0
    tiny_model(copy, seed=5)
    assert "parts of another run (not the same: model)" in refused(here(*command))
    assert len(records(tmp_path)) == 4
    assert nothing_but_parts(tmp_path)
    shutil.copy2(model, copy)
    goes_on(command, plain, tmp_path)


def test_a_model_that_changes_while_the_run_goes_is_refused(command, model, plain, tmp_path, dask):
    copy = tmp_path / "model.safetensors"
    shutil.copy2(model, copy)
    command = tuple(copy if part == model else part for part in command)
    process = start(*command, "--scheduler", dask.file)
    log = next(dask.folder.glob("scheduler-*.log"))
    wait_for(lambda: "Receive client connection" in log.read_text())
    tiny_model(copy, seed=5)
    dask.add()
    assert "model.safetensors" in refused(ended(process))
    assert not records(tmp_path)
    shutil.copy2(model, copy)
    assert here(*command).returncode == 0
    same(plain, tmp_path)


def test_of_two_runs_at_once_one_makes_the_map(command, plain, tmp_path):
    first = start(*command)
    begun(tmp_path, 1)
    assert "is in use (last to begin: " in refused(here(*command), 75)
    done = ended(first)
    assert done.returncode == 0, done.stderr
    made = (tmp_path / "map.tif").stat().st_mtime_ns
    again = here(*command)
    assert again.returncode == 0
    assert "this run has made" in again.stderr
    assert (tmp_path / "map.tif").stat().st_mtime_ns == made
    same(plain, tmp_path)


def test_shards_of_one_run_work_side_by_side(command, plain, tmp_path):
    shares = [start(*command, "--shard", f"{i}/2") for i in (1, 2)]
    for share in shares:
        done = ended(share)
        assert done.returncode == 0, done.stderr
    assert len(records(tmp_path)) == 12
    goes_on(command, plain, tmp_path)
