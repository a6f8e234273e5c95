"""The workflows that need no Slurm, run as their document says."""

import os
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from geoseg.classification import ClassifySettings, Execution, classify
from tests.support.clusters import wait_for
from tests.support.paths import WORKFLOWS
from tests.support.rasters import blocks, write_raster

pytest.importorskip("distributed")
pytestmark = pytest.mark.slow


def with_this_checkout(**env: str) -> dict[str, str]:
    """Environment in which scripts find this checkout's geoseg."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(WORKFLOWS.parent), **env}


def script(*command: object, cwd: Path, **env: str) -> subprocess.CompletedProcess:
    """Run a script with this checkout's geoseg."""
    return subprocess.run(
        [str(word) for word in command], cwd=cwd, env=with_this_checkout(**env),
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_the_messages_in_the_table_of_faults_exist():
    sources = "".join(path.read_text() for path in (WORKFLOWS.parent / "geoseg").rglob("*.py"))
    messages = re.sub(r'"\s+f?"', "", sources)  # a message in several lines
    rows = re.findall(r"^\| .+ \|$", (WORKFLOWS / "README.md").read_text(), re.MULTILINE)
    quotes = [quote for row in rows for quote in re.findall(r'"([^"]+)"', row)]
    pieces = [piece.strip(" ,") for quote in quotes for piece in quote.split("…")]
    assert len(pieces) > 10
    assert [piece for piece in pieces if piece not in messages] == ["No space left on device"]


@pytest.mark.parametrize("protocol", ["tcp", "tls"])
def test_a_local_dask_cluster_makes_the_same_map(protocol, model, tmp_path):
    scene = write_raster(tmp_path / "scene.tif", blocks(520, 1040))
    plain = tmp_path / "plain"
    plain.mkdir()
    classify(
        scene, plain / "lulc.tif", model=model, polygons=plain / "lulc.gpkg",
        settings=ClassifySettings(overlap=8), execution=Execution(chunk=512),
    )  # fmt: skip
    env = {"PROTOCOL": protocol}
    if protocol == "tls":
        made = script(WORKFLOWS / "dask" / "tls.sh", "secrets", cwd=tmp_path)
        assert made.returncode == 0, made.stderr
        assert (tmp_path / "secrets" / "key.pem").stat().st_mode & 0o077 == 0
        env["DASK_CONFIG"] = str(tmp_path / "secrets" / "dask.yaml")
    [text] = re.findall(r"`(dask/local\.sh .+?)`", (WORKFLOWS / "README.md").read_text())
    command, *words = shlex.split(text)
    if protocol == "tls":
        assert words[0] == "2"
        words[0] = "1"  # one worker needs the certificates as much as two
    done = script(
        WORKFLOWS / command, *words, "--model", model, "--polygons", "lulc.gpkg", "--overlap", 8,
        "--chunk", 512, cwd=tmp_path, **env,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name in ("lulc.tif", "lulc.gpkg"):
        assert (tmp_path / name).read_bytes() == (plain / name).read_bytes(), name
    assert "geoseg: Dask: " in done.stderr
    assert "dashboard http" in done.stderr


def test_a_signal_ends_a_local_dask_cluster(model, tmp_path):
    write_raster(tmp_path / "scene.tif", blocks(1500, 1500))
    (tmp_path / "tmp").mkdir()
    command = [
        str(WORKFLOWS / "dask" / "local.sh"), "1", "scene.tif", "--out", "lulc.tif",
        "--model", str(model), "--overlap", "24", "--chunk", "512",
    ]  # fmt: skip
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=with_this_checkout(TMPDIR=str(tmp_path / "tmp")), stderr=log,
            start_new_session=True,
        )  # fmt: skip
    wait_for(lambda: list((tmp_path / "lulc.tif.parts").glob("part-*.json")))
    process.terminate()
    assert process.wait(60) == 75, (tmp_path / "log").read_text()
    left = [p.pid for p in psutil.process_iter() if str(tmp_path) in " ".join(command_of(p))]
    assert left == []
    assert list((tmp_path / "tmp").glob("tmp.*")) == []
    assert not (tmp_path / "lulc.tif").exists()


def command_of(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return process.cmdline()
    return []
