"""The run folder: its manifest, and what killed processes left in it."""

import json
import os
import re
import time

import numpy as np
import pytest

from geoseg.classification import (
    MANIFEST,
    ClassifySettings,
    Execution,
    classify,
    finished_parts,
    read_manifest,
)
from geoseg.errors import OutputError, RunError
from tests.support.rasters import blocks, write_raster

YOUNG = ".tmp01234567-part-0000000-0000000.safetensors"
OLD = ".tmp89abcdef-part-0000000-0000512.safetensors"


@pytest.fixture
def scene(tmp_path):
    """Two chunks of 512 px."""
    return write_raster(tmp_path / "scene.tif", np.maximum(blocks(100, 600), 1))


@pytest.fixture
def run(scene, model, tmp_path):
    """Classify the scene, or a shard of it."""

    def run(shard=None):
        execution = Execution(chunk=512, shard=shard)
        out = tmp_path / "map.tif"
        classify(scene, out, model=model, settings=ClassifySettings(overlap=8), execution=execution)
        return tmp_path / "map.tif.parts"

    return run


def leave_temporaries(folder):
    """What killed processes leave: a file, an older one, and a folder of an assembly."""
    (folder / YOUNG).write_bytes(b"half a part")
    (folder / OLD).write_bytes(b"half a part")
    assembly = folder / ".tmp00112233-assembled"
    assembly.mkdir()
    (assembly / "0-map.tif").write_bytes(b"half a map")
    two_hours_ago = time.time() - 7200
    os.utime(folder / OLD, (two_hours_ago, two_hours_ago))


def test_a_shard_deletes_temporaries_older_than_an_hour_and_leaves_those_of_other_shards(run):
    folder = run(shard=(1, 2))
    leave_temporaries(folder)
    run(shard=(2, 2))
    assert {path.name for path in folder.glob(".tmp*")} == {YOUNG, ".tmp00112233-assembled"}
    assert len(finished_parts(folder)) == 2


def test_a_run_that_holds_the_lock_alone_deletes_all_temporaries(run, tmp_path):
    folder = run(shard=(1, 2))
    leave_temporaries(folder)
    (tmp_path / "map.json").mkdir()  # so that the assembly fails and the folder stays
    with pytest.raises(OutputError, match=r"map\.json"):
        run()
    assert not list(folder.glob(".tmp*"))
    assert len(finished_parts(folder)) == 2
    (tmp_path / "map.json").rmdir()
    run()
    assert not folder.exists()


def test_another_run_is_refused_by_what_differs(run, scene, model, tmp_path):
    run(shard=(1, 2))
    for settings, differ in (
        (ClassifySettings(overlap=4), "overlap; window (stride)"),
        (ClassifySettings(overlap=8, nodata=7), "scene (nodata)"),
    ):
        with pytest.raises(RunError, match=re.escape(f"another run (not the same: {differ})")):
            classify(scene, tmp_path / "map.tif", model=model, settings=settings,
                     execution=Execution(chunk=512))  # fmt: skip


def test_the_manifest_names_the_run_of_its_parts(run):
    folder = run(shard=(1, 2))
    manifest = read_manifest(folder)
    assert manifest == json.loads((folder / MANIFEST).read_text())
    assert {part.run for part in finished_parts(folder)} == {manifest["run"]}
    assert read_manifest(folder.parent) is None


def test_a_part_without_its_arrays_is_not_finished(run):
    folder = run(shard=(1, 2))
    [part] = finished_parts(folder)
    assert (part.row, part.col, part.windows) == (0, 0, 4 * 22)
    next(folder.glob("part-*.safetensors")).unlink()
    assert finished_parts(folder) == []
