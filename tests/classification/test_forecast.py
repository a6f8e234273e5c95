"""What a run would do and need: --dry-run, and the disk space before a run."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import geoseg
from geoseg.classification import assemble as assemble_module
from geoseg.classification import memory as memory_module
from geoseg.classification import run as run_module
from geoseg.classification.compute import check_memory_of
from geoseg.classification.forecast import describe as describe_module
from geoseg.classification.forecast import disk as disk_module
from geoseg.classification.forecast.disk import DiskNeed, disk_need, free_bytes, total_need
from geoseg.errors import OutputError, RunError, ScenesError
from geoseg.execute import Executor, total_memory
from tests.support.commands import here, refused
from tests.support.paths import names_in
from tests.support.rasters import blocks, write_raster
from tests.support.refusals import refusal

SETTINGS = geoseg.ClassifySettings(overlap=8)


@pytest.fixture(autouse=True)
def short_trial(monkeypatch):
    monkeypatch.setattr(describe_module, "_TRIAL_SECONDS", 0.05)


@pytest.fixture
def scene(tmp_path):
    return write_raster(tmp_path / "scene.tif", np.maximum(blocks(700, 530), 1))


def described(scene, out, model, **keywords):
    return geoseg.describe_run(scene, out, model=model, settings=SETTINGS, **keywords)


def test_a_description_is_what_the_run_then_does(scene, model, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    out, counts = tmp_path / "m.tif", []
    chunk = geoseg.Execution(chunk=512)
    told = described(scene, out, model, execution=chunk, workers=2, confidence=tmp_path / "c.tif")
    assert sorted(tmp_path.rglob("*")) == before
    report = geoseg.classify(
        scene, out, model=model, settings=SETTINGS, execution=chunk, workers=2,
        confidence=tmp_path / "c.tif", progress=lambda unit, done, total: counts.append(total),
    )  # fmt: skip
    assert told.windows == counts[0] > 600
    assert (told.chunks, told.finished, told.chunk) == (4, 0, 512)
    assert (told.height, told.width) == (report.scene["height"], report.scene["width"])
    for name in ("device", "batch_size", "engine", "workers"):
        assert getattr(told, name) == report.execution[name]
    assert told.precision == report.settings["precision"]
    assert told.worker_kind == "thread"
    assert told.outputs == (str(out), str(tmp_path / "c.tif"))
    assert told.bands == tuple(zip(report.scene["bands"], report.scene["band_names"], strict=True))
    assert told.seconds_per_window > 0
    assert told.seconds == told.windows * told.seconds_per_window / 2
    assert not told.complete


def test_finished_chunks_and_a_finished_map_are_told_and_left_as_they_are(scene, model, tmp_path):
    out = tmp_path / "m.tif"
    run = {"model": model, "settings": SETTINGS}
    geoseg.classify(scene, out, execution=geoseg.Execution(chunk=512, shard=(1, 2)), **run)
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    rest = described(scene, out, model, execution=geoseg.Execution(chunk=512))
    assert (rest.chunks, rest.finished) == (4, 2)
    shard = described(scene, out, model, execution=geoseg.Execution(chunk=512, shard=(1, 2)))
    assert (shard.chunks, shard.finished, shard.windows) == (2, 2, 0)
    anew = described(scene, out, model, execution=geoseg.Execution(chunk=512, resume=False))
    assert (anew.chunks, anew.finished) == (4, 0)
    now = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert now == files
    geoseg.classify(scene, out, execution=geoseg.Execution(chunk=512), **run)
    parts = tmp_path / "m.tif.parts"
    parts.mkdir()  # of a run that was killed while it deleted its parts
    done = described(scene, out, model, execution=geoseg.Execution(chunk=512))
    assert done.complete
    assert done.windows == 0
    assert "this run has made them already" in done.to_text()
    assert parts.exists()
    geoseg.classify(scene, out, execution=geoseg.Execution(chunk=512), **run)
    assert not parts.exists()


@pytest.mark.parametrize(
    ("names", "bands", "matched", "expected"),
    [
        (None, None, "by name", (1, 2, 3)),
        (("blue", "green", "red"), None, "by name", (3, 2, 1)),
        (("a", "b", "c"), None, "by number", (1, 2, 3)),
        (None, (2, 3, 1), "given", (2, 3, 1)),
    ],
)
def test_how_bands_were_matched(names, bands, matched, expected, model, tmp_path):
    import rasterio

    scene = write_raster(tmp_path / "scene.tif", np.maximum(blocks(100, 100), 1))
    if names:
        with rasterio.open(scene, "r+") as file:
            file.descriptions = names
    settings = replace(SETTINGS, bands=bands)
    told = geoseg.describe_run(scene, tmp_path / "m.tif", model=model, settings=settings)
    assert told.matched == matched
    assert tuple(number for number, _ in told.bands) == expected


def test_the_command_prints_the_description_and_writes_nothing(scene, model, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    done = here(
        "classify", scene, "--model", model, "--overlap", 8, "--out", tmp_path / "maps",
        "--dry-run",
    )  # fmt: skip
    assert "end in .tif" in refused(done)
    (tmp_path / "b.tif").write_bytes(scene.read_bytes())
    done = here(
        "classify", scene, tmp_path / "nope.tif", tmp_path / "b.tif", "--model", model, "--overlap",
        8, "--out", tmp_path / "maps", "--dry-run",
    )  # fmt: skip
    assert done.returncode == 1
    assert "1 scene of 3 failed: cannot open" in done.stderr
    first, second = done.stdout.split("\n\n")
    assert first.splitlines()[0] == str(scene)
    assert second.splitlines()[0] == str(tmp_path / "b.tif")
    for title in (
        "size",
        "read as",
        "bands",
        "windows",
        "chunks",
        "network",
        "workers",
        "time",
        "disk",
    ):
        assert f"\n  {title}" in first
    assert "WGS 84 / UTM zone 40N" in first
    assert "(by name)" in first
    (tmp_path / "b.tif").unlink()
    assert sorted(tmp_path.rglob("*")) == before


def test_the_description_of_a_shard_writes_nothing_for_the_others(scene, model, tmp_path):
    """The shards of a run agree on their engine in a file of the run folder."""
    shard = geoseg.Execution(chunk=512, shard=(1, 2))
    before = names_in(tmp_path)
    described(scene, tmp_path / "lulc.tif", model, execution=shard)
    assert names_in(tmp_path) == before


def test_what_a_run_would_refuse_is_refused(scene, model, tmp_path):
    (tmp_path / "m.tif").write_text("precious")
    with refusal(OutputError, r"m\.tif exists", tmp_path):
        described(scene, tmp_path / "m.tif", model)
    with pytest.raises(ScenesError, match="1 scene of 1 failed"):
        geoseg.describe_runs([tmp_path / "nope.tif"], tmp_path / "maps", model=model)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.234, "about 1.2 s "), (300, "about 5 min "), (259_200, "about 72 h ")],
)
def test_the_time_is_told_in_a_unit_that_fits(seconds, text, scene, model, tmp_path):
    told = described(scene, tmp_path / "m.tif", model, workers=1)
    told = replace(told, seconds_per_window=seconds / told.windows)
    assert text in told.to_text()


def test_a_scene_without_valid_pixels_has_no_time(model, tmp_path):
    empty = write_raster(tmp_path / "empty.tif", np.zeros((3, 60, 60), np.uint8), nodata=0)
    told = described(empty, tmp_path / "m.tif", model)
    assert told.seconds is None
    assert "time     unknown" in told.to_text()
    assert json.loads(json.dumps(told.to_dict()))["seconds"] is None


# Disk space.


def folder_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("kinds", "min_area", "bytes_per_pixel"),
    [
        ((), 0, 1),
        (("polygons",), 40_000, 2),
        (("confidence", "probabilities"), 0, 6),
        (("polygons", "confidence", "probabilities"), 40_000, 6),
    ],
)
def test_the_parts_take_what_is_certain_and_the_peak_stays_below_the_bound(
    kinds, min_area, bytes_per_pixel, scene, model, tmp_path, monkeypatch
):
    """The smallest area is that of 400 px: the map of random weights is not like a real one."""
    out, seen, needs = tmp_path / "out", [], []
    out.mkdir()
    names = {"polygons": "p.gpkg", "confidence": "c.tif", "probabilities": "s.tif"}
    check, rename = run_module.check_disk, assemble_module.replace_durably

    def checked(runs):
        needs.extend(disk_need(*run) for run in runs)
        check(runs)

    def renamed(staged, path):  # all is written now, beside all parts
        seen.append(folder_size(out))
        rename(staged, path)

    monkeypatch.setattr(run_module, "check_disk", checked)
    monkeypatch.setattr(assemble_module, "replace_durably", renamed)
    geoseg.classify(
        scene, out / "m.tif", model=model,
        settings=replace(SETTINGS, cleaning=geoseg.Cleaning(min_area=min_area)),
        **{kind: out / names[kind] for kind in kinds},
    )  # fmt: skip
    [need] = needs
    small_files = 100_000  # manifest, records, report, style and an empty GeoPackage
    assert need.certain == 700 * 530 * bytes_per_pixel
    assert need.certain < max(seen) < need.at_most + small_files
    assert folder_size(out) < need.outputs + small_files


def with_free(monkeypatch, free):
    usage = SimpleNamespace(free=free)
    monkeypatch.setattr(disk_module.shutil, "disk_usage", lambda _: usage)


def test_a_disk_that_is_too_small_is_refused_before_anything_is_written(
    scene, model, tmp_path, monkeypatch
):
    with_free(monkeypatch, 700 * 530 - 1)
    words = r"the finished chunks need 371 kB in .* but 371 kB are free, free some space or"
    with refusal(OutputError, words, tmp_path):
        geoseg.classify(scene, tmp_path / "m.tif", model=model, settings=SETTINGS)
    assert described(scene, tmp_path / "m.tif", model).disk_free == 700 * 530 - 1


def test_a_disk_that_may_be_too_small_is_warned_of(scene, model, tmp_path, monkeypatch, caplog):
    with_free(monkeypatch, 700 * 530)
    geoseg.classify(scene, tmp_path / "m.tif", model=model, settings=SETTINGS)
    assert any("for certain and" in record.message for record in caplog.records)
    caplog.clear()
    with_free(monkeypatch, 700 * 530 * 10)
    geoseg.classify(scene, tmp_path / "b.tif", model=model, settings=SETTINGS)
    assert not any("for certain" in record.message for record in caplog.records)


def test_outputs_of_earlier_scenes_stay_and_parts_do_not():
    needs = [DiskNeed(100, 300, 50), DiskNeed(200, 220, 20), DiskNeed(10, 20, 5)]
    assert total_need(needs) == DiskNeed(certain=200, at_most=300, outputs=75)
    assert total_need([]) == DiskNeed(0, 0, 0)


def test_free_space_is_that_of_the_first_folder_that_exists(tmp_path):
    assert free_bytes(tmp_path / "no" / "deeper" / "m.tif") == pytest.approx(
        shutil.disk_usage(tmp_path).free, rel=0.1
    )


# Memory.


def with_memory(monkeypatch, total, available):
    monkeypatch.setattr(memory_module, "total_memory", lambda: total)
    monkeypatch.setattr(memory_module, "available_memory", lambda: available)


def test_a_machine_with_too_little_memory_is_refused_before_anything_is_written(
    scene, model, tmp_path, monkeypatch
):
    with_memory(monkeypatch, 100_000_000, 50_000_000)
    words = (
        r"scene\.tif needs about .* MB of memory with one worker, but this machine has 100\.0 MB "
        "in all, give a smaller --chunk or a coarser --resolution$"
    )
    with refusal(RunError, words, tmp_path):
        geoseg.classify(scene, tmp_path / "m.tif", model=model, settings=SETTINGS)
    [warning] = described(scene, tmp_path / "m.tif", model).warnings
    assert re.search(words, warning)


def test_memory_that_others_use_is_warned_of(scene, model, tmp_path, monkeypatch, caplog):
    with_memory(monkeypatch, 10**12, 50_000_000)
    chunk = geoseg.Execution(chunk=512)
    [warning] = described(scene, tmp_path / "m.tif", model, execution=chunk, workers=2).warnings
    assert "with 2 workers, but 50.0 MB are available here" in warning
    assert "give fewer --workers, a smaller --chunk or a coarser --resolution" in warning
    geoseg.classify(
        scene, tmp_path / "m.tif", model=model, settings=SETTINGS, execution=chunk, workers=2
    )
    assert warning in caplog.messages
    caplog.clear()
    with_memory(monkeypatch, 1, 1)  # of a machine that only assembles, or has nothing to do
    geoseg.classify(
        scene, tmp_path / "m.tif", model=model, settings=SETTINGS, execution=chunk, workers=2
    )
    assert not caplog.messages


def test_of_several_scenes_the_largest_is_warned_of(scene, model, tmp_path, monkeypatch, caplog):
    with_memory(monkeypatch, 10**12, 50_000_000)
    larger = write_raster(tmp_path / "larger.tif", np.maximum(blocks(750, 600), 1))
    geoseg.classify_scenes([scene, larger], tmp_path / "maps", model=model, settings=SETTINGS)
    [warning] = [text for text in caplog.messages if "available here" in text]
    assert "larger.tif needs about" in warning


def test_the_memory_of_this_machine_does_not_refuse_a_run_on_a_cluster(scene, monkeypatch):
    with_memory(monkeypatch, 1, 1)
    cluster = SimpleNamespace(threads=4)
    check_memory_of([object()], object(), geoseg.Execution(), Executor(), cluster)


def test_the_memory_of_the_machine_is_limited_by_its_cgroups(monkeypatch):
    machine = total_memory()
    monkeypatch.setattr(
        "geoseg.execute.resources._cgroup_limits", lambda: [(1000, 900), (1 << 60, 0)]
    )
    assert total_memory() == 1000 < machine


@pytest.mark.slow
def test_the_trial_runs_where_the_chunks_will_be_computed(scene, model, tmp_path, dask):
    pytest.importorskip("distributed")
    dask.add()
    told = described(scene, tmp_path / "m.tif", model, scheduler=dask.address)
    assert (told.workers, told.worker_kind) == (1, "Dask worker")
    assert told.seconds_per_window > 0
    assert not (tmp_path / "m.tif.parts").exists()


def test_a_scene_in_other_pixels_is_described_as_the_network_reads_it(scene, model, tmp_path):
    settings = replace(SETTINGS, resolution=20.0)
    told = geoseg.describe_run(scene, tmp_path / "m.tif", model=model, settings=settings)
    assert (told.height, told.width) == (700, 530)
    assert told.input_size == (350, 265)
    assert told.input_pixel_size == pytest.approx(2 * told.pixel_size, rel=1e-3)
    assert told.disk.certain == 700 * 530
    assert "350 x 265 px, pixels of 20 m" in told.to_text()
