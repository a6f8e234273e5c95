"""The workflows on a real Slurm of one machine: arrays, preemption, lost nodes, wrong ends."""

import re
import sys
from pathlib import Path

import pytest

from geoseg.classification import ClassifySettings, Execution, classify
from tests.support.clusters import wait_for
from tests.support.paths import WORKFLOWS
from tests.support.rasters import blocks, write_raster
from tests.support.slurm import POLL, Slurm, private_slurm, why_not
from tests.support.training import make_tiles

REASON = why_not()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(REASON is not None, reason=str(REASON))]

SCRIPTS = WORKFLOWS / "slurm"
SMALL = {"SBATCH_MEM_PER_NODE": "2G", "SBATCH_TIMELIMIT": "10"}


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with private_slurm(tmp_path_factory.mktemp("slurm") / "cluster") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Path:
    """Four chunks of 512 px."""
    return write_raster(tmp_path_factory.mktemp("scene") / "scene.tif", blocks(1024, 1024))


@pytest.fixture(scope="module")
def plain(scene, model, tmp_path_factory) -> Path:
    """The map as one process makes it, with so much overlap that chunks take a while."""
    return local_map(scene, model, tmp_path_factory.mktemp("plain"), overlap=24)


@pytest.fixture(scope="module")
def quick(scene, model, tmp_path_factory) -> Path:
    """The map with little overlap, for runs that nothing interrupts."""
    return local_map(scene, model, tmp_path_factory.mktemp("quick"), overlap=8)


def local_map(scene: Path, model: Path, folder: Path, overlap: int) -> Path:
    """Classify in this process.

    With a named engine, here and in the jobs: on a busy machine a trial may choose another one.
    """
    out = folder / "map.tif"
    settings = ClassifySettings(overlap=overlap)
    execution = Execution(chunk=512, engine="torch")
    polygons = out.with_suffix(".gpkg")
    classify(scene, out, model=model, polygons=polygons, settings=settings, execution=execution)
    return out


@pytest.fixture
def arguments(scene, model) -> tuple:
    return (
        scene, "--model", model, "--overlap", 24, "--chunk", 512, "--workers", 1,
        "--engine", "torch",
    )  # fmt: skip


def parts(folder: Path) -> dict[str, int]:
    """Finished parts and when they were written (ns)."""
    found = folder.glob("map.tif.parts/part-*.json")
    return {p.name: p.stat().st_mtime_ns for p in found}


def outputs(folder: Path) -> tuple:
    """The map and its polygons."""
    return "--out", folder / "map.tif", "--polygons", folder / "map.gpkg"


def submit(slurm: Slurm, folder: Path, arguments: tuple, shards: int = 2) -> tuple[str, str]:
    """Array and assembly, as a user starts them."""
    command = (SCRIPTS / "submit.sh", shards, *arguments, *outputs(folder))
    array, assembly = slurm.run(*command, cwd=folder, **SMALL).split()
    return array, assembly


def check(folder: Path, plain: Path) -> None:
    logs = "\n".join(p.read_text() for p in folder.glob("*.log"))
    assert (folder / "map.tif").exists(), logs
    for suffix in (".tif", ".gpkg"):
        found = (folder / "map").with_suffix(suffix)
        assert found.read_bytes() == plain.with_suffix(suffix).read_bytes(), suffix
    assert not (folder / "map.tif.parts").exists()
    # Dask may log a connection that closes while its processes end, but geoseg raises nothing.
    assert not re.search(r'File "[^"]*/geoseg/(?!\.venv)\w+/', logs), logs
    assert "\r" not in logs


def test_an_array_and_a_dependent_job_make_the_map_through_preemption(
    slurm, plain, arguments, tmp_path
):
    array, _ = submit(slurm, tmp_path, arguments)
    wait_for(lambda: parts(tmp_path))
    slurm.run("sbatch", "-p", "urgent", "-N3", "--exclusive", "--wrap", "sleep 1", cwd=tmp_path)
    wait_for(lambda: slurm.restarted(array, 1, 2), pause=POLL)
    assert len(parts(tmp_path)) < 4
    slurm.finish()
    check(tmp_path, plain)
    log = "".join(p.read_text() for p in tmp_path.glob("geoseg-*_*.log"))
    assert log.count("resuming: ") >= 2
    assert "DUE TO PREEMPTION" in log


def test_a_lost_node_costs_its_chunk_and_no_more(slurm, plain, arguments, tmp_path):
    array, _ = submit(slurm, tmp_path, arguments, shards=1)
    wait_for(lambda: parts(tmp_path))
    node = slurm.job(f"{array}_1")["NodeList"]
    slurm.lose_node(node)
    kept = parts(tmp_path)
    try:
        wait_for(lambda: slurm.restarted(array, 1), pause=POLL)
        assert kept.items() <= parts(tmp_path).items()
    finally:
        slurm.start_node(node)
    slurm.finish()
    check(tmp_path, plain)


def test_time_running_out_requeues_the_share(slurm, plain, arguments, tmp_path):
    array, _ = submit(slurm, tmp_path, arguments, shards=2)
    log = tmp_path / "map.tif.parts" / "at-work.log"
    for number, whom in ((1, ["--batch"]), (2, [])):  # the script alone, the step alone
        wait_for(lambda n=number: log.exists() and f"shard {n}/2" in log.read_text())
        slurm.run("scancel", "--signal=USR1", *whom, f"{array}_{number}")
    wait_for(lambda: slurm.restarted(array, 1, 2), pause=POLL)
    slurm.finish()
    check(tmp_path, plain)
    log = "".join(p.read_text() for p in tmp_path.glob("geoseg-*_*.log"))
    assert log.count("interrupted, finished chunks are kept") == 2


def test_a_cancelled_share_stays_cancelled_and_so_does_the_map(slurm, arguments, tmp_path):
    array, assembly = submit(slurm, tmp_path, arguments, shards=1)
    wait_for(lambda: parts(tmp_path))
    slurm.run("scancel", f"{array}_1")
    slurm.finish()
    assert slurm.job(f"{array}_1")["JobState"] == "CANCELLED"
    assert slurm.job(assembly)["JobState"] == "CANCELLED"
    assert {p.suffix for p in tmp_path.iterdir()} == {".log", ".parts"}


def test_a_failing_share_is_not_requeued_and_leaves_no_map(slurm, model, scene, tmp_path):
    arguments = (scene, "--model", model, "--overlap", 40)
    array, assembly = submit(slurm, tmp_path, arguments, shards=2)
    slurm.finish()
    assert slurm.job(f"{array}_1")["JobState"] == "FAILED"
    assert slurm.job(f"{array}_1")["ExitCode"] == "1:0"
    assert slurm.job(assembly)["JobState"] == "CANCELLED"
    assert "not smaller than the model's window" in next(tmp_path.glob("*_1.log")).read_text()
    assert not (tmp_path / "map.tif").exists()


def test_many_scenes_are_one_array(slurm, model, tmp_path):
    scenes = [
        write_raster(tmp_path / f"{name}.tif", blocks(60, 70, seed=seed))
        for seed, name in enumerate(("north", "south"))
    ]
    (tmp_path / "list.txt").write_text("\n".join(map(str, scenes)))  # without a final newline
    script = SCRIPTS / "classify_scenes.sbatch"
    [count] = re.findall(r"sbatch --array=1-(\$\(.+? LIST\)) classify_scenes", script.read_text())
    command = (
        "bash", "-c", f'sbatch --array=1-{count.replace("LIST", "list.txt")} "$@"', "bash",
        script, "list.txt", "maps", "--polygons", "areas", "--model", model, "--overlap", 8,
    )  # fmt: skip
    for _ in range(2):  # the second time all is there
        slurm.run(*command, cwd=tmp_path, **SMALL)
        slurm.finish()
    for scene in scenes:
        one = tmp_path / "one.tif"
        settings = ClassifySettings(overlap=8)
        classify(scene, one, model=model, polygons=one.with_suffix(".gpkg"), settings=settings)
        found = tmp_path / "maps" / scene.name
        assert found.read_bytes() == one.read_bytes()
        assert (tmp_path / "areas" / f"{scene.stem}.gpkg").exists()
        for file in tmp_path.glob("one.*"):
            file.unlink()
    assert "this run has made" in "".join(p.read_text() for p in tmp_path.glob("*.log"))


def dask_arguments(scene: Path, model: Path, folder: Path) -> tuple:
    return (
        scene, "--model", model, "--overlap", 8, "--chunk", 512, "--engine", "torch",
        *outputs(folder),
    )  # fmt: skip


def test_dask_in_one_allocation(slurm, quick, scene, model, tmp_path):
    pytest.importorskip("distributed")
    slurm.run(
        "sbatch", "--nodes=2", "--ntasks-per-node=1", WORKFLOWS / "dask" / "one_allocation.sbatch",
        *dask_arguments(scene, model, tmp_path), cwd=tmp_path, INTERFACE="lo",
    )  # fmt: skip
    slurm.finish()
    check(tmp_path, quick)
    assert not list(tmp_path.glob("geoseg-dask-*.json"))


def test_dask_workers_as_jobs(slurm, quick, scene, model, tmp_path):
    pytest.importorskip("dask_jobqueue")
    slurm.run(
        sys.executable, WORKFLOWS / "dask" / "jobqueue.py", 2,
        *dask_arguments(scene, model, tmp_path), cwd=tmp_path,
        DASK_CONFIG=str(WORKFLOWS / "dask" / "jobqueue.yaml"),
        DASK_JOBQUEUE__SLURM__INTERFACE="lo", DASK_JOBQUEUE__SLURM__MEMORY="2GB",
    )  # fmt: skip
    slurm.finish()
    check(tmp_path, quick)


def test_training_goes_on_after_its_job_was_told_to_end(slurm, tmp_path):
    make_tiles(tmp_path / "set")
    job = slurm.run(
        "sbatch", "--parsable", "--gpus=2", "--cpus-per-task=2", "--mem=4G",
        SCRIPTS / "train.sbatch", tmp_path / "set" / "tiles",
        "--out", tmp_path / "model.safetensors",
        "--recipe", "lab", "--epochs", 150, "--width", 2, "--depth", 2, "--batch-size", 4,
        "--pictures", 0,
        cwd=tmp_path,
    )  # fmt: skip
    wait_for((tmp_path / "model.safetensors.checkpoint").exists, 60)
    slurm.run("scancel", "--signal=TERM", "--batch", job)
    slurm.finish(90)
    log = next(tmp_path.glob("*.log")).read_text()
    assert (tmp_path / "model.safetensors").exists(), log
    assert slurm.job(job)["Restarts"] == "1"
