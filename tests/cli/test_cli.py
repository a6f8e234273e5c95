"""The command line: bad input ends in one sentence, good input in files."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from geoseg.classification.compute import WORKER_MODULE
from tests.support.commands import geoseg, here, refused
from tests.support.rasters import blocks, write_raster


def classified(scene, model, out, *more) -> subprocess.CompletedProcess:
    """Classify with the tiny model."""
    return here("classify", scene, "--model", model, "--overlap", 8, "--out", out, *more)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 80, 90), dtype=np.uint8)


@pytest.fixture
def scene(image, tmp_path) -> Path:
    return write_raster(tmp_path / "scene.tif", image)


def cases(tmp_path, scene, model):
    """Name, arguments of `geoseg classify`, words of the refusal."""
    (tmp_path / "text.tif").write_text("not a raster")
    (tmp_path / "cut.tif").write_bytes(scene.read_bytes()[:3000])
    (tmp_path / "there.tif").write_text("precious")
    torch.save({"a": 1}, tmp_path / "pickle.safetensors")
    five = write_raster(tmp_path / "five.tif", np.ones((5, 40, 40), np.uint8))
    good = ("--model", model, "--overlap", "8", "--out", tmp_path / "o.tif")
    return {
        "missing scene": ((tmp_path / "no.tif", *good), "no.tif: No such file"),
        "not a raster": ((tmp_path / "text.tif", *good), "text.tif: not recognized"),
        "truncated": ((tmp_path / "cut.tif", *good), "cut.tif"),
        "five bands": ((five, *good), "5 bands (without names), but the model wants 3"),
        "no model": ((scene, "--model", "no.safetensors", "--out", "o.tif"), "No such file"),
        "pickled model": (
            (scene, "--model", tmp_path / "pickle.safetensors", "--out", tmp_path / "o.tif"),
            "pickled",
        ),
        "output exists": (
            (scene, "--model", model, "--overlap", 8, "--out", tmp_path / "there.tif"),
            "there.tif exists, use another output name, or overwrite (-f)",
        ),
        "no such folder": (
            (scene, "--model", model, "--overlap", 8, "--out", tmp_path / "no" / "o.tif"),
            "does not exist",
        ),
        "over the scene": (
            (scene, "--model", model, "--overlap", 8, "--out", scene, "-f"), "is an input",
        ),
        "not a GeoTIFF": ((scene, "--model", model, "--out", tmp_path / "o.png"), "end in .tif"),
        "unknown polygons": ((scene, *good, "--polygons", tmp_path / "p.doc"), ".gpkg"),
        "twice the same": ((scene, *good, "--confidence", tmp_path / "o.tif"), "two outputs"),
        "no device": ((scene, *good, "--device", "cuda:7"), "there is no device cuda:7"),
        "odd chunk": ((scene, *good, "--chunk", "700"), "multiple of 512"),
        "large overlap": ((scene, *good, "--overlap", "32"), "not smaller than the model's"),
        "no scheduler": ((scene, *good, "--scheduler", "tcp://127.0.0.1:1", "--wait", "2"),
            "no Dask scheduler"),
    }  # fmt: skip


NAMES = (
    "missing scene", "not a raster", "truncated", "five bands", "no model", "pickled model",
    "output exists", "no such folder", "over the scene", "not a GeoTIFF", "unknown polygons",
    "twice the same", "no device", "odd chunk", "large overlap",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_bad_input_gives_one_sentence_and_leaves_nothing(name, scene, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    args, words = cases(tmp_path, scene, model)[name]
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    assert words in refused(here("classify", "-q", *args))
    left = {p for p in tmp_path.iterdir() if p.suffix != ".parts"}
    assert left == set(before)
    assert all(p.read_bytes() == content for p, content in before.items())


@pytest.mark.slow
def test_a_scheduler_that_is_not_there_is_said(scene, model, tmp_path):
    pytest.importorskip("distributed")
    args, words = cases(tmp_path, scene, model)["no scheduler"]
    assert words in here("classify", *args).stderr


def test_wrong_usage_has_exit_code_2(scene):
    for args in ((), ("--out", "x.tif", "--shard", "three"), ("--out", "x.tif", "--bands", "red,")):
        done = here("classify", scene, *args)
        assert done.returncode == 2
        assert "Usage:" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("limit", [2_000, 5_000])
def test_a_full_disk_is_said_and_leaves_nothing_half_written(scene, model, tmp_path, limit):
    done = geoseg(
        "classify", scene, "--model", model, "--overlap", 8, "--out", tmp_path / "o.tif",
        "--polygons", tmp_path / "o.gpkg", limit=limit,
    )  # fmt: skip
    assert re.search(r"cannot write \S+ in \S+ \(.*File too large\)", refused(done))
    assert {p.name for p in tmp_path.iterdir()} - {"o.tif.parts"} == {"scene.tif"}
    assert not list(tmp_path.rglob(".tmp*"))


def test_a_folder_that_may_not_be_written_is_said(tmp_path):
    labels = write_raster(tmp_path / "labels.tif", np.ones((1, 20, 20), np.uint8))
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    command = [sys.executable, "-m", "geoseg", "vectorise", labels, "--out", locked / "o.gpkg"]
    if os.getuid() == 0:  # root may write anywhere, unless it gives that up
        if shutil.which("setpriv") is None:
            pytest.skip("no setpriv here: apt-get install util-linux")
        command = ["setpriv", "--bounding-set=-dac_override", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "cannot write" in refused(done)
    assert not list(locked.iterdir())


@pytest.mark.slow
def test_a_folder_that_is_a_device_without_room_is_said(scene, model):
    sentence = refused(classified(scene, model, "/proc/o.tif"))
    assert "/proc" in sentence


@pytest.mark.slow
def test_progress_is_plain_lines_where_there_is_no_terminal(scene, model, tmp_path):
    done = classified(scene, model, tmp_path / "o.tif")
    assert done.returncode == 0, done.stderr
    assert "windows of 32 px" in done.stderr
    assert "windows/s" in done.stderr
    assert "\r" not in done.stderr
    assert done.stdout.startswith(f"{tmp_path / 'o.tif'}: class ")
    quiet = classified(scene, model, tmp_path / "o.tif", "-qf")
    assert quiet.stderr == ""


@pytest.mark.slow
def test_several_scenes_go_into_a_folder(image, model, tmp_path):
    scenes = [write_raster(tmp_path / f"{name}.tif", image) for name in "ab"]
    done = here(
        "classify", *scenes, "--model", model, "--overlap", 8, "--out", tmp_path / "maps",
        "--polygons", tmp_path / "polygons",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name in "ab":
        assert (tmp_path / "maps" / f"{name}.tif").exists()
        assert (tmp_path / "polygons" / f"{name}.gpkg").exists()


WITHOUT_TORCH = """
import sys
from geoseg.cli import cli
from geoseg.errors import GeosegError

try:
    cli(sys.argv[1:], standalone_mode=False)
except GeosegError as error:
    print(error, "torch" in sys.modules)
"""


def test_wrong_names_are_told_before_torch_is_loaded(scene, tmp_path):
    for name, model in ((tmp_path / "no.tif", "default"), (scene, tmp_path / "no.safetensors")):
        arguments = ["classify", name, "--model", model, "--out", tmp_path / "o.tif"]
        command = [sys.executable, "-W", "ignore", "-c", WITHOUT_TORCH, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "No such file" in done.stdout
        assert done.stdout.endswith("False\n")


def test_verbose_tells_versions_threads_and_chunks(scene, model, tmp_path):
    plain = classified(scene, model, tmp_path / "o.tif").stderr
    verbose = classified(scene, model, tmp_path / "o.tif", "-fv").stderr
    assert "1 chunk of 2048 px" in plain
    for words in ("chunk at rows 0-79, columns 0-89: ", "torch ", "1 thread on cpu"):
        assert words in verbose
        assert words not in plain


def test_quiet_commands_print_nothing(scene, model, tmp_path):
    options = ("--model", model, "--overlap", 8)
    for extra in ((), ("-q",)):
        done = here("classify", scene, *options, "--out", tmp_path / "map.tif", "-f", *extra)
        outline = here(
            "vectorise", tmp_path / "map.tif", "--out", tmp_path / "p.gpkg", "-f", *extra
        )
        for result in (done, outline):
            assert result.returncode == 0
            assert bool(result.stdout + result.stderr) is not bool(extra)


@pytest.mark.parametrize(
    ("options", "large", "early"),
    [
        ((), True, True),
        (("--workers", 2, "--device", "cpu"), True, True),
        (("--workers", 1), True, False),
        (("--dry-run",), True, False),
        ((), False, False),
    ],
)
def test_worker_processes_of_a_large_scene_start_early(
    scene, model, tmp_path, monkeypatch, options, large, early
):
    preloaded = []
    monkeypatch.setattr("geoseg.execute.preload_workers", preloaded.append)
    monkeypatch.setattr("geoseg.cli.commands.classify._LARGE_SCENE", 80 * 90 + (not large))
    assert classified(scene, model, tmp_path / "map.tif", *options).returncode == 0
    assert preloaded == [[WORKER_MODULE]] * early


@pytest.mark.parametrize("length", [245, 300])
def test_a_name_that_is_too_long_is_told(model, tmp_path, length):
    scene = write_raster(tmp_path / "scene.tif", blocks(40, 40))
    out = tmp_path / "a.tif".rjust(length, "x")
    message = refused(here("classify", scene, "--out", out, "--model", model, "--overlap", 8))
    assert message.endswith("is longer than 234 bytes, give a shorter name")
