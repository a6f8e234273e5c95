"""The main job, held to the laws: one scene in, one map out, whatever way it is computed."""

import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
import rasterio.features
import shapely
import torch
from affine import Affine
from rio_cogeo.cogeo import cog_validate

from geoseg import __version__
from geoseg.blend import taper_profile
from geoseg.classification import (
    ClassifyReport,
    ClassifySettings,
    Cleaning,
    Execution,
    classify,
    classify_chunk,
    finished_parts,
    read_manifest,
)
from geoseg.classification import chunk as chunk_module
from geoseg.classification import compute as compute_module
from geoseg.classification import compute_config as config_module
from geoseg.classification import run as run_module
from geoseg.classification.plan import default_chunk
from geoseg.classification.prepare.aoi import load_aoi
from geoseg.classification.run_folder.parts import read_part_window
from geoseg.errors import ChunkError, InterruptedRun, OutputError, RunError, SceneError
from geoseg.grid import Window, WindowGrid, chunks
from geoseg.model import Model, Predictor, one_torch_thread
from tests.support.class_maps import polygons_of as trace
from tests.support.commands import here, start
from tests.support.models import tiny_model
from tests.support.processes import Forked
from tests.support.rasters import blocks, write_raster

SETTINGS = ClassifySettings(overlap=8)


def pixels(height=520, width=1040, bands=3, seed=0) -> np.ndarray:
    return blocks(height, width, bands, seed)


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Path:
    """520 x 1040 px with an invalid corner: six chunks of 512 px."""
    image = np.maximum(pixels(), 1)
    image[:, :90, :200] = 0
    return write_raster(tmp_path_factory.mktemp("scene") / "scene.tif", image, nodata=0)


@pytest.fixture(scope="module")
def plain(scene, model, tmp_path_factory) -> Path:
    """The map of the scene with all its outputs, as one worker makes it: what others must equal."""
    folder = tmp_path_factory.mktemp("plain")
    run(scene, folder, model)
    return folder


@pytest.fixture(scope="module")
def strip(tmp_path_factory) -> Path:
    """40 x 2570 px with an invalid corner: three chunks of 1024 px in a row, soon computed.

    For what does not depend on where chunks lie: runs that go on, and their faults.
    """
    image = np.maximum(pixels(40, 2570), 1)
    image[:, :9, :200] = 0
    return write_raster(tmp_path_factory.mktemp("strip") / "scene.tif", image, nodata=0)


@pytest.fixture(scope="module")
def plain_strip(strip, model, tmp_path_factory) -> Path:
    """The map of the strip with all its outputs, as one worker makes it."""
    folder = tmp_path_factory.mktemp("plain_strip")
    run(strip, folder, model)
    return folder


def run(scene, folder, model, *, settings=SETTINGS, workers=1, **kwargs):
    return classify(
        scene, folder / "lulc.tif", model=model, polygons=folder / "lulc.gpkg",
        confidence=folder / "conf.tif", probabilities=folder / "probs.tif", settings=settings,
        workers=workers, **kwargs,
    )  # fmt: skip


def labels_of(path: Path) -> np.ndarray:
    with rasterio.open(path) as map_:
        return map_.read(1)


def polygons_of(path: Path) -> set[tuple]:
    _, _, wkb, columns = pyogrio.raw.read(path, layer=path.stem)
    return set(
        zip((shapely.normalize(g).wkb for g in shapely.from_wkb(wkb)), *columns, strict=True)
    )


RASTERS = ("lulc.tif", "conf.tif", "probs.tif")


def assert_same_map(folder: Path, plain: Path, *, bytes_of_polygons: bool) -> None:
    for name in (*RASTERS, "lulc.tif.aux.xml", "lulc.qml"):
        assert (folder / name).read_bytes() == (plain / name).read_bytes(), name
    if bytes_of_polygons:
        assert (folder / "lulc.gpkg").read_bytes() == (plain / "lulc.gpkg").read_bytes()
    assert polygons_of(folder / "lulc.gpkg") == polygons_of(plain / "lulc.gpkg")
    assert not (folder / "lulc.tif.parts").exists()


def record_chunks(monkeypatch) -> list[tuple]:
    """The (job, chunk) of each chunk that this process classifies."""
    calls = []

    def recording(job, chunk, *more):
        calls.append((job, chunk))
        return classify_chunk(job, chunk, *more)

    monkeypatch.setattr(compute_module, "classify_chunk", recording)
    return calls


# Law 1: chunking is invisible.


@pytest.mark.parametrize(("chunk", "workers"), [(512, 2), (1024, 1), (1024, 2), (2048, 1)])
def test_chunks_and_workers_do_not_show(scene, model, plain, tmp_path, chunk, workers):
    run(scene, tmp_path, model, execution=Execution(chunk=chunk), workers=workers)
    assert_same_map(tmp_path, plain, bytes_of_polygons=chunk == 512)


def test_any_window_of_the_map_is_read_from_the_parts(scene, model, plain, tmp_path, monkeypatch):
    calls = record_chunks(monkeypatch)
    whole_shard = Execution(chunk=512, shard=(1, 1))
    run(scene, tmp_path, model, execution=whole_shard, workers=2)
    rng = np.random.default_rng(0)
    for name, file in (("labels", "lulc.tif"), ("confidence", "conf.tif")):
        whole = labels_of(plain / file)
        for _ in range(20):
            row, col = int(rng.integers(0, 520)), int(rng.integers(0, 1040))
            height, width = int(rng.integers(1, 521 - row)), int(rng.integers(1, 1041 - col))
            window = Window(row, col, height, width)
            assert np.array_equal(read_part_window(calls[0][0], window, name), whole[window.slices])


def test_the_map_is_that_of_a_plain_script_over_the_whole_scene(scene, model, plain):
    loaded = Model.load(model)
    predictor = Predictor(loaded, device="cpu")
    with rasterio.open(scene) as source:
        image, valid = source.read(), source.dataset_mask() > 0
    grid = WindowGrid(*valid.shape, 32, 24)
    weights = taper_profile("hann", 32, 8)
    square = np.outer(weights, weights).astype(np.float32)
    total, summed = np.zeros((4, *valid.shape), np.float32), np.zeros(valid.shape)
    windows = grid.windows(Window(0, 0, *valid.shape))
    with one_torch_thread():
        scores = list(predictor.scores(image, [w.slices for w in windows]))
    for window, score in zip(windows, scores, strict=True):
        total[:, *window.slices] += score.numpy() * square
        summed[window.slices] += square
    mean = total / summed
    labels = labels_of(plain / "lulc.tif")
    assert np.array_equal(labels, np.where(valid, total.argmax(0), 255))
    assert len(np.unique(labels)) >= 3, "the test is worth little on one class"
    with rasterio.open(plain / "probs.tif") as probs:
        probabilities = probs.read().astype(float)
    assert np.abs(probabilities - np.where(valid, mean * 255, 0)).max() <= 0.51
    assert np.array_equal(labels_of(plain / "conf.tif"), probabilities.max(0))


def test_every_chunk_sums_its_windows_in_the_order_of_the_lattice(
    scene, model, tmp_path, monkeypatch
):
    orders = []
    true_scores = Predictor.scores

    def recording(self, image, windows, on_windows=None):
        orders.append([(rows.start, cols.start) for rows, cols in windows])
        return true_scores(self, image, windows, on_windows)

    monkeypatch.setattr(Predictor, "scores", recording)
    run(scene, tmp_path, model)
    assert len(orders) == 6
    assert all(order == sorted(order) for order in orders)


def test_chunks_are_computed_with_one_thread(strip, model, tmp_path, monkeypatch):
    """The sums of several threads have other last bits."""
    numbers = []
    true_scores = Predictor.scores

    def recording(self, *args):
        numbers.append(torch.get_num_threads())
        return true_scores(self, *args)

    monkeypatch.setattr(Predictor, "scores", recording)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        run(strip, tmp_path, model, workers=2)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert numbers == [1, 1, 1]


# Law 3: invalid in, nodata out.


def rgba(path, image, valid):
    alpha = (valid * 255).astype(np.uint8)[None]
    return write_raster(path, np.concatenate([image, alpha]), photometric="RGB", alpha="YES")


def tagged(path, image, valid):
    image = np.where(valid, np.maximum(image, 1), 0).astype(np.uint8)
    return write_raster(path, image, nodata=0)


def with_nan(path, image, valid):
    image = image.astype(np.float32)
    image[1, ~valid] = np.nan
    return write_raster(path, image)


def masked(path, image, valid, *, internal):
    write_raster(path, image)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal), rasterio.open(path, "r+") as out:
        out.write_mask(valid)
    return path


INVALID = {
    "tag": tagged,
    "nan": with_nan,
    "alpha": rgba,
    "mask band": lambda *args: masked(*args, internal=True),
    "external mask": lambda *args: masked(*args, internal=False),
}


@pytest.mark.parametrize("kind", INVALID)
def test_invalid_pixels_are_nodata_and_have_no_polygon(kind, model, tmp_path):
    image = np.maximum(pixels(200, 260), 1)
    valid = np.ones(image.shape[1:], bool)
    valid[30:150, 40:170] = False
    valid[5, 250] = False
    scene = INVALID[kind](tmp_path / "s.tif", image, valid)
    report = run(scene, tmp_path, model)
    labels = labels_of(tmp_path / "lulc.tif")
    assert np.array_equal(labels == 255, ~valid)
    assert report.nodata_pixels == (~valid).sum()
    assert sum(c.pixels for c in report.classes) == valid.sum()
    area = shapely.area(
        pyogrio.read_dataframe(tmp_path / "lulc.gpkg", layer="lulc").geometry.to_numpy()
    ).sum()
    assert area == valid.sum() * 100
    assert (labels_of(tmp_path / "conf.tif")[~valid] == 0).all()


def test_what_lies_under_a_mask_does_not_change_the_map(model, tmp_path):
    valid = np.ones((100, 120), bool)
    valid[20:60, 30:90] = False
    maps = []
    for seed in (1, 2):
        image = pixels(100, 120)
        image[:, ~valid] = pixels(100, 120, seed=seed)[:, ~valid]
        folder = tmp_path / str(seed)
        folder.mkdir()
        run(rgba(folder / "s.tif", image, valid), folder, model)
        maps.append([(folder / name).read_bytes() for name in RASTERS])
    assert maps[0] == maps[1]


def test_windows_without_a_valid_pixel_are_not_computed(model, tmp_path, monkeypatch):
    computed = []
    true_scores = Predictor.scores

    def counting(self, image, windows, on_windows=None):
        computed.append(len(windows))
        return true_scores(self, image, windows, on_windows)

    monkeypatch.setattr(Predictor, "scores", counting)
    image = np.maximum(pixels(320, 320), 1)
    image[:, 32:] = 0
    done = []
    scene = write_raster(tmp_path / "s.tif", image, nodata=0)
    run(scene, tmp_path, model, progress=lambda *call: done.append(call))
    grid = WindowGrid(320, 320, 32, 24)
    assert sum(computed) == grid.count(Window(0, 0, 32, 320))
    assert done[-1] == ("windows", len(grid), len(grid))


# Law 4: polygons are the map.


def test_polygons_are_the_map(scene, plain):
    labels = labels_of(plain / "lulc.tif")
    frame = pyogrio.read_dataframe(plain / "lulc.gpkg", layer="lulc")
    with rasterio.open(plain / "lulc.tif") as map_:
        transform = map_.transform
    burnt = rasterio.features.rasterize(
        zip(frame.geometry, frame.class_id, strict=True), labels.shape, 255, transform=transform
    )
    assert np.array_equal(burnt, labels)
    assert shapely.is_valid(frame.geometry.to_numpy()).all()
    assert shapely.coverage_is_valid(frame.geometry.to_numpy()).all()
    for value, pixels_ in zip(*np.unique(labels[labels != 255], return_counts=True), strict=True):
        mine = frame[frame.class_id == value]
        assert mine.pixels.sum() == pixels_
        assert mine.area_m2.sum() == pytest.approx(pixels_ * 100, rel=1e-12)
        assert mine.geometry.area.sum() == pytest.approx(pixels_ * 100, rel=1e-12)


def test_polygons_carry_class_and_confidence(plain):
    frame = pyogrio.read_dataframe(plain / "lulc.gpkg", layer="lulc")
    conf, labels = labels_of(plain / "conf.tif"), labels_of(plain / "lulc.tif")
    assert list(frame.columns) == [
        "class_id", "class_name", "area_m2", "perimeter_m", "pixels", "mean_confidence",
        "min_confidence", "true_area_m2", "geometry",
    ]  # fmt: skip
    assert (frame.class_name == "class " + frame.class_id.astype(str)).all()
    weighted = (frame.mean_confidence * frame.pixels).sum() / frame.pixels.sum()
    assert weighted == pytest.approx(conf[labels != 255].mean() / 255, abs=1e-9)


@pytest.mark.parametrize("chunk", [512, 1024])
def test_cleaning_is_that_of_the_map_and_does_not_show_the_chunks(scene, model, tmp_path, chunk):
    cleaning = Cleaning(min_area=3000, simplify=1.5, smooth=1)
    run(scene, tmp_path, model, settings=ClassifySettings(overlap=8, cleaning=cleaning),
        execution=Execution(chunk=chunk), workers=2)  # fmt: skip
    labels = labels_of(tmp_path / "lulc.tif")
    frame = pyogrio.read_dataframe(tmp_path / "lulc.gpkg", layer="lulc")
    traced = trace(labels)
    assert sorted(traced.pixels) == sorted(frame.pixels)
    assert traced.pixels.min() * 100 >= 3000
    assert shapely.coverage_is_valid(frame.geometry.to_numpy())
    assert not frame.mean_confidence.isna().any()
    report = json.loads((tmp_path / "lulc.json").read_text())
    assert sum(c["pixels"] for c in report["classes"]) == (labels != 255).sum()
    assert report["options"]["cleaning"] == {"min_area": 3000, "simplify": 1.5, "smooth": 1}
    other = tmp_path / "other"
    other.mkdir()
    run(scene, other, model, settings=ClassifySettings(overlap=8, cleaning=cleaning),
        execution=Execution(chunk=1536), workers=1)  # fmt: skip
    for name in ("lulc.tif", "lulc.gpkg"):
        assert (other / name).read_bytes() == (tmp_path / name).read_bytes()


def test_a_map_that_is_there_is_not_that_of_another_cleaning(strip, model, tmp_path):
    first = run(strip, tmp_path, model)
    assert run(strip, tmp_path, model) == first
    for cleaning in (Cleaning(min_area=3000), Cleaning(simplify=1)):
        with pytest.raises(OutputError, match="exists, use another output name"):
            run(strip, tmp_path, model, settings=replace(SETTINGS, cleaning=cleaning))


# Law 5: memory does not grow with the scene.


def test_nothing_larger_than_a_chunk_with_its_halo_is_read(scene, model, tmp_path, monkeypatch):
    read_windows = []
    true_read = chunk_module.read_window

    def reading(scene, window):
        read_windows.append(window)
        return true_read(scene, window)

    monkeypatch.setattr(chunk_module, "read_window", reading)
    run(scene, tmp_path, model, execution=Execution(chunk=512), workers=1)
    assert len(read_windows) == 6
    assert max(max(w.height, w.width) for w in read_windows) <= 512 + 2 * 32


# Law 6: nothing half-written, and killed runs resume.


def start_classify(scene, folder, model, *more) -> Forked:
    return start(
        "classify", scene, "--out", folder / "lulc.tif", "--polygons", folder / "lulc.gpkg",
        "--confidence", folder / "conf.tif", "--probabilities", folder / "probs.tif", "--model",
        model, "--overlap", 8, "--workers", 1, *more,
    )  # fmt: skip


def wait_for_parts(folder: Path, number: int) -> None:
    deadline = time.monotonic() + 60
    while len(list((folder / "lulc.tif.parts").glob("part-*.json"))) < number:
        assert time.monotonic() < deadline, "no part appeared"
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_resumes_to_the_same_bytes(scene, model, plain, tmp_path, how):
    process = start_classify(scene, tmp_path, model)
    wait_for_parts(tmp_path, 2)
    process.send_signal(how)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 75, stderr
    assert {p.name for p in tmp_path.iterdir()} == {"lulc.tif.parts"}
    assert "run the same command to go on" in stderr
    assert "Traceback" not in stderr
    kept = finished_parts(tmp_path / "lulc.tif.parts")
    assert 2 <= len(kept) < 6
    progress = []
    run(scene, tmp_path, model, progress=lambda *call: progress.append(call))
    finished = {(part.row, part.col) for part in kept}
    grid = WindowGrid(520, 1040, 32, 24)
    missing = [c for c in chunks(520, 1040, 512) if (c.row, c.col) not in finished]
    assert progress[0] == ("windows", 0, sum(map(grid.count, missing)))
    assert_same_map(tmp_path, plain, bytes_of_polygons=True)


def test_a_run_asked_to_stop_while_it_assembles_keeps_its_chunks(
    strip, model, plain_strip, tmp_path
):
    def stop_after_the_last_window(unit, done, total):
        if done == total:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(InterruptedRun, match="while assembling, all chunks are kept"):
        run(strip, tmp_path, model, progress=stop_after_the_last_window)
    assert {p.name for p in tmp_path.iterdir()} == {"lulc.tif.parts"}
    assert not list(tmp_path.rglob(".tmp*"))
    run(strip, tmp_path, model)
    assert_same_map(tmp_path, plain_strip, bytes_of_polygons=True)


def test_a_stop_takes_effect_before_small_polygons_are_merged(strip, model, tmp_path, monkeypatch):
    """Merging reads all windows first; a large map takes minutes for it."""

    def stop_after_the_last_window(unit, done, total):
        if done == total:
            os.kill(os.getpid(), signal.SIGTERM)

    read = []
    monkeypatch.setattr(
        "geoseg.classification.assemble.read_part_window", lambda *args: read.append(args)
    )
    settings = ClassifySettings(overlap=8, cleaning=Cleaning(min_area=5000))
    with pytest.raises(InterruptedRun, match="while assembling, all chunks are kept"):
        classify(
            strip, tmp_path / "lulc.tif", model=model, settings=settings,
            progress=stop_after_the_last_window,
        )  # fmt: skip
    assert read == []


def test_shards_in_any_order_make_the_same_map(strip, model, plain_strip, tmp_path):
    for share in ((3, 3), (1, 3), (2, 3)):
        assert run(strip, tmp_path, model, execution=Execution(shard=share)) is None
        assert not (tmp_path / "lulc.tif").exists()
    assert len(list(tmp_path.glob("lulc.tif.parts/part-*.safetensors"))) == 3
    run(strip, tmp_path, model)
    assert_same_map(tmp_path, plain_strip, bytes_of_polygons=True)


@pytest.mark.slow
def test_a_dask_cluster_makes_the_same_map(strip, model, plain_strip, tmp_path, dask):
    dask.add(), dask.add()
    done = []
    run(strip, tmp_path, model, scheduler=dask.address, progress=lambda *d: done.append(d))
    assert done[-1][1] == done[-1][2]
    assert_same_map(tmp_path, plain_strip, bytes_of_polygons=True)


def first_shard(scene, folder, model, **kwargs):
    run(scene, folder, model, execution=Execution(shard=(1, 2)), **kwargs)


def test_parts_of_another_run_are_refused_by_name(strip, model, plain_strip, tmp_path):
    first_shard(strip, tmp_path, model, settings=ClassifySettings(overlap=16))
    with pytest.raises(
        RunError, match=r"another run \(not the same: overlap; window \(stride\)\).*--no-resume"
    ):
        run(strip, tmp_path, model)
    other = tiny_model(tmp_path / "other.safetensors", seed=5)
    with pytest.raises(RunError, match="not the same: model"):
        run(strip, tmp_path, other, settings=ClassifySettings(overlap=16))
    assert (tmp_path / "lulc.tif.parts").is_dir()
    run(strip, tmp_path, model, execution=Execution(resume=False))
    assert_same_map(tmp_path, plain_strip, bytes_of_polygons=True)


def test_parts_of_another_version_of_torch_are_refused(
    strip, model, plain_strip, tmp_path, monkeypatch
):
    first_shard(strip, tmp_path, model)
    version = torch.__version__.partition("+")[0]
    assert read_manifest(tmp_path / "lulc.tif.parts")["engine"] == f"torch {version}"
    with monkeypatch.context() as other:
        for module in (config_module, chunk_module):
            other.setattr(module, "engine_name", lambda engine: f"{engine} 0.1")
        with pytest.raises(
            RunError, match=r"another run \(not the same: engine; batch size\).*--no-resume"
        ):
            run(strip, tmp_path, model, execution=Execution(engine="mnn"))
        # With the engine of the manifest, another machine may assemble, but not compute.
        message = rf"planned by torch {re.escape(version)}, .* has 0\.1, install the same version"
        with pytest.raises(RunError, match=message):
            run(strip, tmp_path, model)
        assert not (tmp_path / "lulc.tif").exists()
    run(strip, tmp_path, model, execution=Execution(shard=(2, 2)))
    for module in (config_module, chunk_module):
        monkeypatch.setattr(module, "engine_name", lambda engine: f"{engine} 0.1")
    run(strip, tmp_path, model)
    assert_same_map(tmp_path, plain_strip, bytes_of_polygons=True)


def test_a_worker_with_another_version_computes_nothing(
    strip, model, plain_strip, tmp_path, monkeypatch
):
    jobs = []
    monkeypatch.setattr(compute_module, "classify_chunk", lambda job, *_: jobs.append(job))
    run(strip, tmp_path, model, execution=Execution(shard=(1, 2)))
    job = replace(jobs[0], run_folder=str(tmp_path / "parts"))
    for changes, message in (
        ({"engine": "torch 0.1"}, r"planned by torch 0\.1, .* has .*, install the same version"),
        ({"version": "0.0"}, r"planned by geoseg 0\.0, .* has .*, install the same version"),
    ):
        with pytest.raises(RunError, match=message):
            classify_chunk(replace(job, **changes), job.chunks()[0])
    assert not (tmp_path / "parts").exists()


def test_a_scene_that_changed_is_another_run(model, tmp_path):
    scene = write_raster(tmp_path / "s.tif", pixels(600, 600))
    first_shard(scene, tmp_path, model)
    os.utime(scene, (1, 1))
    with pytest.raises(RunError, match=r"not the same: scene \(modified\)"):
        run(scene, tmp_path, model)


def test_a_damaged_part_is_named_and_computed_again(strip, model, plain_strip, tmp_path):
    first_shard(strip, tmp_path, model)
    part = min(tmp_path.glob("lulc.tif.parts/part-*.safetensors"))
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 0xFF
    part.write_bytes(data)
    with pytest.raises(InterruptedRun, match=part.name):
        run(strip, tmp_path, model)
    assert not (tmp_path / "lulc.tif").exists()
    run(strip, tmp_path, model)
    assert_same_map(tmp_path, plain_strip, bytes_of_polygons=True)


def test_a_part_without_its_record_or_cut_short_does_not_count(strip, model, plain_strip, tmp_path):
    first_shard(strip, tmp_path, model)
    first, second, *_ = sorted(tmp_path.glob("lulc.tif.parts/part-*.safetensors"))
    first.with_suffix(".json").unlink()
    second.write_bytes(second.read_bytes()[:-10])
    run(strip, tmp_path, model)
    assert_same_map(tmp_path, plain_strip, bytes_of_polygons=True)


def late(folder: Path, scene: Path, model: Path) -> None:
    """A worker of another run, told to stop long ago, puts its parts where ours are."""
    other = folder / "other"
    other.mkdir()
    first_shard(scene, other, model, settings=ClassifySettings(overlap=16))
    for part in other.glob("lulc.tif.parts/part-*"):
        shutil.copy2(part, folder / "lulc.tif.parts")
    shutil.rmtree(other)


def test_a_part_of_another_run_does_not_count(strip, model, plain_strip, tmp_path):
    first_shard(strip, tmp_path, model)
    late(tmp_path, strip, model)
    run(strip, tmp_path, model)
    assert_same_map(tmp_path, plain_strip, bytes_of_polygons=True)


def test_a_part_of_another_run_that_comes_before_assembly_is_told(
    strip, model, plain_strip, tmp_path, monkeypatch
):
    true_assemble = run_module.assemble

    def late_before(*args):
        monkeypatch.undo()
        late(tmp_path, strip, model)
        return true_assemble(*args)

    monkeypatch.setattr(run_module, "assemble", late_before)
    with pytest.raises(InterruptedRun, match="is of another run"):
        run(strip, tmp_path, model)
    assert not (tmp_path / "lulc.tif").exists()
    run(strip, tmp_path, model)
    assert_same_map(tmp_path, plain_strip, bytes_of_polygons=True)


def test_an_existing_output_is_refused_until_overwriting_is_asked_for(strip, model, tmp_path):
    (tmp_path / "conf.tif").write_text("precious")
    with pytest.raises(OutputError, match=r"conf\.tif exists, use another output name"):
        run(strip, tmp_path, model)
    assert [p.name for p in tmp_path.iterdir()] == ["conf.tif"]
    run(strip, tmp_path, model, overwrite=True)
    assert labels_of(tmp_path / "conf.tif").shape == (40, 2570)


def test_an_output_that_appears_after_planning_is_kept(strip, model, tmp_path, monkeypatch):
    """`check_disk` stands for the hours that earlier scenes of a list take."""
    monkeypatch.setattr(
        run_module, "check_disk", lambda runs: (tmp_path / "conf.tif").write_text("precious")
    )
    with pytest.raises(OutputError, match=r"conf\.tif exists, use another output name"):
        run(strip, tmp_path, model)
    assert [p.name for p in tmp_path.iterdir()] == ["conf.tif"]
    assert (tmp_path / "conf.tif").read_text() == "precious"


def test_a_map_whose_polygons_are_of_another_run_is_not_complete(strip, model, tmp_path):
    """With small polygons merged, polygons are made from labels and confidence, as here."""
    merged = replace(SETTINGS, cleaning=Cleaning(min_area=50))

    def call(settings=SETTINGS, overwrite=False, **outputs):
        out = tmp_path / "lulc.tif"
        return classify(
            strip, out, model=model, settings=settings, overwrite=overwrite, workers=1, **outputs
        )

    polygons = tmp_path / "lulc.gpkg"
    call(polygons=polygons)
    before = polygons.read_bytes()
    report = call(merged, overwrite=True, confidence=tmp_path / "conf.tif")
    with pytest.raises(OutputError, match=r"lulc\.tif exists"):
        call(merged, polygons=polygons)
    assert polygons.read_bytes() == before
    assert call(merged, confidence=tmp_path / "conf.tif") == report


# Law 7: an error is an error.


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_chunk_fails_the_run_by_name(scene, model, tmp_path, monkeypatch, workers):
    true_scores = Predictor.scores

    def failing(self, image, windows, on_windows=None):
        if image.shape[1] > 500 and image.shape[2] < 120:
            raise RuntimeError("out of luck")
        return true_scores(self, image, windows, on_windows)

    monkeypatch.setattr(Predictor, "scores", failing)
    chunk = r"chunk at rows 0-511, columns 1024-1039 failed: RuntimeError: out of luck"
    with pytest.raises(ChunkError, match=chunk):
        run(scene, tmp_path, model, execution=Execution(chunk=512), workers=workers)
    assert {p.name for p in tmp_path.iterdir()} == {"lulc.tif.parts"}


# Odd scenes.


def check_whole(scene: Path, folder: Path, model: Path) -> np.ndarray:
    run(scene, folder, model)
    labels = labels_of(folder / "lulc.tif")
    with rasterio.open(scene) as source, rasterio.open(folder / "lulc.tif") as map_:
        assert (map_.shape, map_.transform, map_.crs) == (
            source.shape,
            source.transform,
            source.crs,
        )
    return labels


@pytest.mark.parametrize("shape", [(50, 30), (32, 32), (1, 500), (33, 700), (7, 5)])
def test_scenes_of_any_size_are_mapped_to_the_last_pixel(shape, model, tmp_path):
    labels = check_whole(write_raster(tmp_path / "s.tif", pixels(*shape)), tmp_path, model)
    assert labels.shape == shape
    assert (labels != 255).all()


def test_a_scene_of_nodata_gives_an_empty_map(model, tmp_path):
    scene = write_raster(tmp_path / "s.tif", np.zeros((3, 600, 600), np.uint8), nodata=0)
    assert (check_whole(scene, tmp_path, model) == 255).all()
    assert len(pyogrio.read_dataframe(tmp_path / "lulc.gpkg", layer="lulc")) == 0


def test_a_rotated_scene_keeps_its_rotation(model, tmp_path):
    turned = Affine.translation(3e5, 2.8e6) @ Affine.rotation(30) @ Affine.scale(10, -10)
    scene = write_raster(tmp_path / "s.tif", pixels(100, 140), transform=turned)
    labels = check_whole(scene, tmp_path, model)
    frame = pyogrio.read_dataframe(tmp_path / "lulc.gpkg", layer="lulc")
    assert frame.area_m2.sum() == pytest.approx(labels.size * 100)
    corner = shapely.Point(turned @ (139.5, 99.5))
    inside = frame[frame.geometry.contains(corner)]
    assert inside.class_id.tolist() == [labels[-1, -1]]


def test_a_scene_without_crs_is_mapped_with_a_warning(model, tmp_path, caplog):
    scene = write_raster(tmp_path / "s.tif", pixels(60, 60), crs=None)
    check_whole(scene, tmp_path, model)
    assert "no CRS" in caplog.text
    assert pyogrio.read_dataframe(tmp_path / "lulc.gpkg", layer="lulc").area_m2.isna().all()
    report = json.loads((tmp_path / "lulc.json").read_text())
    assert {c["area_m2"] for c in report["classes"]} == {None}
    with pytest.raises(OutputError, match="no CRS"):
        classify(
            scene, tmp_path / "b.tif", model=model, polygons=tmp_path / "b.geojson",
            settings=SETTINGS,
        )  # fmt: skip


def test_the_true_area_is_told_in_any_crs(model, tmp_path):
    degrees = Affine(1e-4, 0, 55.0, 0, -1e-4, 25.0)
    scene = write_raster(tmp_path / "s.tif", pixels(64, 64), crs="EPSG:4326", transform=degrees)
    report = run(scene, tmp_path, model)
    area = sum(c.area_m2 for c in report.classes)
    assert area == pytest.approx(64 * 64 * 1e-8 * 110_780 * 100_950, rel=2e-3)
    frame = pyogrio.read_dataframe(tmp_path / "lulc.gpkg", layer="lulc")
    assert frame.area_m2.sum() == pytest.approx(area, rel=1e-7)


@pytest.mark.parametrize("kind", ["uint16", "float32", "int16"])
def test_other_dtypes_with_the_models_values_give_the_same_map(kind, model, tmp_path):
    image, maps = pixels(70, 90), []
    for dtype in ("uint8", kind):
        scene = write_raster(tmp_path / f"{dtype}.tif", image.astype(dtype))
        classify(scene, tmp_path / f"{dtype}-map.tif", model=model, settings=SETTINGS)
        maps.append(labels_of(tmp_path / f"{dtype}-map.tif"))
    assert np.array_equal(*maps)


def test_bands_are_matched_by_name_or_by_number(model, tmp_path):
    image = pixels(70, 90)
    straight = write_raster(tmp_path / "rgb.tif", image, photometric="RGB")
    turned = write_raster(tmp_path / "bgr.tif", image[::-1])
    with rasterio.open(turned, "r+") as out:
        out.descriptions = ("Blue", "Green", "Red")
    stacked = write_raster(tmp_path / "four.tif", np.concatenate([image[::-1], image[:1]]))
    runs = {straight: None, turned: None, stacked: (3, 2, 1)}
    maps = []
    for number, (scene, bands) in enumerate(runs.items()):
        out = tmp_path / f"map{number}.tif"
        classify(scene, out, model=model, settings=replace(SETTINGS, bands=bands))
        maps.append(labels_of(out))
    assert np.array_equal(maps[0], maps[1])
    assert np.array_equal(maps[0], maps[2])


def write_area(path: Path, shapes: list) -> ClassifySettings:
    """Options with an area of interest, given in EPSG:32640 and written in EPSG:4326."""
    geopandas.GeoDataFrame(geometry=shapes, crs="EPSG:32640").to_crs(4326).to_file(path)
    return replace(SETTINGS, aoi=str(path))


def test_an_area_of_interest_limits_the_map(model, tmp_path):
    scene = write_raster(tmp_path / "s.tif", pixels(100, 100))
    box = shapely.box(500_200, 2_799_200, 500_600, 2_799_700)
    settings = write_area(tmp_path / "aoi.gpkg", [box, None])
    classify(scene, tmp_path / "m.tif", model=model, settings=settings)
    inside = labels_of(tmp_path / "m.tif") != 255
    expected = np.zeros((100, 100), bool)
    expected[30:80, 20:60] = True
    assert np.array_equal(inside, expected)


def test_another_area_of_interest_is_another_run_and_an_empty_one_is_refused(model, tmp_path):
    scene = write_raster(tmp_path / "s.tif", pixels(100, 100))
    one, other = (
        write_area(tmp_path / f"{x}.gpkg", [shapely.box(500_200, 2_799_200, x, 2_799_700)])
        for x in (500_600, 500_700)
    )
    out, shard = tmp_path / "m.tif", Execution(shard=(1, 2))
    classify(scene, out, model=model, settings=one, execution=shard)
    with pytest.raises(RunError, match=r"another run \(not the same: aoi\)"):
        classify(scene, out, model=model, settings=other)
    empty = write_area(tmp_path / "empty.gpkg", [None])
    with pytest.raises(RunError, match="has no geometry"):
        classify(scene, out, model=model, settings=empty)


def test_an_area_of_interest_damaged_on_the_way_is_told(model, tmp_path):
    scene = write_raster(tmp_path / "s.tif", pixels(100, 100))
    settings = write_area(
        tmp_path / "aoi.gpkg", [shapely.box(500_200, 2_799_200, 500_600, 2_799_700)]
    )
    first = Execution(shard=(1, 2))
    classify(scene, tmp_path / "m.tif", model=model, settings=settings, execution=first)
    load_aoi.cache_clear()
    parts = tmp_path / "m.tif.parts"
    for part in parts.glob("part-*"):
        part.unlink()
    area = next(parts.glob("aoi-*"))
    area.write_bytes(area.read_bytes()[:-8] + bytes(8))
    with pytest.raises(ChunkError, match=r"aoi-\w+\.wkb is damaged, run the same command again"):
        classify(scene, tmp_path / "m.tif", model=model, settings=settings)
    classify(scene, tmp_path / "m.tif", model=model, settings=settings)
    assert (labels_of(tmp_path / "m.tif") != 255).sum() == 2000


# A scene that does not fit the model.


def test_a_wrong_number_of_bands_is_refused_with_the_cure(model, tmp_path):
    scene = write_raster(tmp_path / "s.tif", pixels(50, 50, bands=5))
    with pytest.raises(SceneError, match=r"5 bands \(without names\), but the model wants 3"):
        run(scene, tmp_path, model)
    with pytest.raises(SceneError, match="bands 1 to 5, not 9"):
        run(scene, tmp_path, model, settings=ClassifySettings(bands=(1, 2, 9)))


@pytest.mark.parametrize("factor", [1 / 255, 50])
def test_values_that_the_model_cannot_know_are_refused(factor, model, tmp_path):
    scene = write_raster(tmp_path / "s.tif", pixels(50, 50).astype(np.float32) * factor)
    with pytest.raises(SceneError, match=r"float32 values up to about .* trained on uint8"):
        run(scene, tmp_path, model)
    assert [p.name for p in tmp_path.iterdir()] == ["s.tif"]


def test_another_pixel_size_is_warned_about(model, tmp_path, caplog):
    loaded = replace(Model.load(model), pixel_size=0.5)
    loaded.save(tmp_path / "fine.safetensors")
    scene = write_raster(tmp_path / "s.tif", pixels(50, 50))
    run(scene, tmp_path, tmp_path / "fine.safetensors")
    assert "pixels of 10 m, the model was trained on 0.5 m" in caplog.text


# What comes out.


def test_the_labels_are_a_valid_cog_with_palette_names_and_provenance(scene, plain, model):
    valid, errors, warnings = cog_validate(plain / "lulc.tif", strict=True)
    assert (valid, errors, warnings) == (True, [], [])
    with rasterio.open(scene) as source, rasterio.open(plain / "lulc.tif") as map_:
        assert (map_.transform, map_.crs, map_.shape) == (
            source.transform,
            source.crs,
            source.shape,
        )
        assert (map_.nodata, map_.dtypes, map_.block_shapes) == (255, ("uint8",), [(512, 512)])
        palette = map_.colormap(1)
        assert [palette[c][:3] for c in range(4)] == [
            c.rgb for c in Model.load(model).legend.classes
        ]
        tags = map_.tags()
        overviews = map_.overviews(1)
    assert (tags["GEOSEG_VERSION"], tags["GEOSEG_MODEL"]) == (__version__, Model.load(model).hash)
    assert (tags["GEOSEG_OVERLAP"], tags["GEOSEG_PRECISION"]) == ("8", "fp32")
    assert overviews
    with rasterio.open(plain / "lulc.tif", overview_level=0) as small:
        assert set(np.unique(small.read(1))) <= {0, 1, 2, 3, 255}
    assert "<Category>class 2</Category>" in (plain / "lulc.tif.aux.xml").read_text()
    assert 'label="class 2"' in (plain / "lulc.qml").read_text()


@pytest.mark.parametrize("name", ["conf.tif", "probs.tif"])
def test_the_other_rasters_are_valid_cogs(plain, name):
    assert cog_validate(plain / name, strict=True) == (True, [], [])


def test_probabilities_are_named_by_class(plain):
    with rasterio.open(plain / "probs.tif") as probs:
        assert probs.descriptions == ("class 0", "class 1", "class 2", "class 3")


def test_the_report_tells_where_the_map_came_from(plain, scene, model):
    report = json.loads((plain / "lulc.json").read_text())
    assert ClassifyReport.from_dict(report).to_dict() == report
    labels = labels_of(plain / "lulc.tif")
    assert report["scene"]["path"] == str(scene)
    assert report["model"]["hash"] == Model.load(model).hash
    assert report["options"]["overlap"] == 8
    assert [c["pixels"] for c in report["classes"]] == [(labels == v).sum() for v in range(4)]
    assert [c["area_m2"] for c in report["classes"]] == [
        (labels == v).sum() * 100 for v in range(4)
    ]


@pytest.mark.parametrize("extension", [".parquet", ".fgb", ".geojson"])
def test_polygons_come_in_other_formats(extension, strip, model, plain_strip, tmp_path):
    classify(
        strip, tmp_path / "m.tif", model=model, polygons=tmp_path / f"m{extension}",
        settings=SETTINGS, workers=1,
    )  # fmt: skip
    expected = pyogrio.read_dataframe(plain_strip / "lulc.gpkg", layer="lulc")
    if extension == ".parquet":
        import geopandas

        frame = geopandas.read_parquet(tmp_path / f"m{extension}")
    else:
        frame = pyogrio.read_dataframe(tmp_path / f"m{extension}")
    assert sorted(frame.pixels) == sorted(expected.pixels)
    assert frame.crs.to_epsg() == (4326 if extension == ".geojson" else 32640)


def test_a_scene_smaller_than_a_window_is_seen_as_its_own_mirror(tmp_path, model):
    image = np.maximum(pixels(20, 24, seed=3), 1)
    image[:, 2:5, 20:] = 0
    mirrored = np.pad(image, ((0, 0), (0, 12), (0, 8)), mode="reflect")
    maps = []
    for name, content in (("small", image), ("window", mirrored)):
        (tmp_path / name).mkdir()
        path = write_raster(tmp_path / name / "scene.tif", content, nodata=0)
        run(path, tmp_path / name, model)
        maps.append(labels_of(tmp_path / name / "lulc.tif"))
    assert np.array_equal(maps[0], maps[1][:20, :24])
    assert (maps[0] == 255).sum() == 12


# Options and small decisions.


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"overlap": 32}, "not smaller than the model's window"), ({"overlap": 40}, "not smaller")],
)
def test_an_overlap_without_stride_is_refused(strip, model, tmp_path, fields, words):
    with pytest.raises(RunError, match=words):
        run(strip, tmp_path, model, settings=ClassifySettings(**fields))


def test_shards_are_disjoint_and_together_all_chunks(strip, model, tmp_path):
    parts = []
    for number in (1, 2, 3, 4):
        (folder := tmp_path / str(number)).mkdir()
        run(strip, folder, model, execution=Execution(chunk=512, shard=(number, 4)))
        parts += [(p.row, p.col) for p in finished_parts(folder / "lulc.tif.parts")]
    assert sorted(parts) == [(c.row, c.col) for c in chunks(40, 2570, 512)]


def test_an_overlap_of_nothing_and_every_blend_work(strip, model, tmp_path):
    maps = {}
    for kind in ("hann", "linear", "crop", "none"):
        for overlap in (0, 8):
            out = tmp_path / f"{kind}{overlap}.tif"
            settings = ClassifySettings(overlap=overlap, blend=kind)
            classify(strip, out, model=model, settings=settings, workers=1)
            maps[kind, overlap] = labels_of(out)
    assert all(
        np.array_equal(maps[kind, 0], maps["none", 0]) for kind in ("hann", "linear", "crop")
    )
    assert not np.array_equal(maps["hann", 8], maps["none", 8])
    assert not np.array_equal(maps["crop", 8], maps["none", 8])


@pytest.mark.parametrize(
    ("shape", "chunk"),
    [
        ((300, 400), 2048), ((2000, 2000), 1024), ((4096, 4096), 2048), ((6000, 6000), 1536),
        ((50_000, 50_000), 2048), ((400, 4096), 1024),
    ],
)  # fmt: skip
def test_the_default_chunk_keeps_four_workers_busy(shape, chunk):
    assert default_chunk(*shape) == chunk


@pytest.mark.parametrize(
    ("input_pixels", "chunk"), [(0.4, 2048), (1.0, 2048), (1.2, 1536), (2.0, 1024), (9.0, 512)]
)
def test_the_input_of_the_default_chunk_has_a_limit(input_pixels, chunk):
    assert default_chunk(50_000, 50_000, input_pixels) == chunk


def test_a_chunk_that_is_there_is_not_computed_again(strip, model, tmp_path, monkeypatch):
    calls = record_chunks(monkeypatch)
    first_shard(strip, tmp_path, model)
    parts = {(part.row, part.col): part for part in finished_parts(tmp_path / "lulc.tif.parts")}
    monkeypatch.setattr(chunk_module, "read_window", None)
    assert len(calls) == len(parts) == 2
    for job, chunk in calls:
        assert classify_chunk(job, chunk) == parts[chunk.row, chunk.col]


# What a call leaves of the process.

STATE = """
import ctypes, sys
import numpy, torch
from geoseg import ClassifySettings, classify
from geoseg.model import tune_malloc

class Info(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

def blocks_from_kernel():
    mallinfo = ctypes.CDLL("libc.so.6").mallinfo2
    mallinfo.restype = Info
    before = mallinfo().hblks
    array = numpy.ones(64 << 20, "uint8")
    return mallinfo().hblks - before

torch.set_num_threads(3)
scene, out, model = sys.argv[1:]
classify(scene, out, model=model, settings=ClassifySettings(overlap=8), workers=2)
print(torch.get_num_threads(), blocks_from_kernel())
tune_malloc()
print(blocks_from_kernel())
"""
"""Prints torch's threads and whether malloc still asks the kernel for large blocks; it does not
after `tune_malloc`."""


@pytest.mark.slow
def test_a_call_leaves_threads_and_malloc_of_the_process_as_they_were(strip, model, tmp_path):
    if not hasattr(ctypes.CDLL(None), "mallinfo2"):
        pytest.skip("the C library has no mallinfo2")
    command = [sys.executable, "-W", "ignore", "-c", STATE, strip, tmp_path / "map.tif", model]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3", "1", "0"]


def test_the_report_of_a_scene_with_nan_as_nodata_is_json_and_makes_the_map_again(model, tmp_path):
    pixels = np.random.default_rng(0).uniform(0, 255, (3, 70, 80)).astype(np.float32)
    pixels[:, :10] = np.nan
    scene = write_raster(tmp_path / "s.tif", pixels, nodata=np.nan)
    classify(
        scene, tmp_path / "a.tif", model=model, settings=ClassifySettings(overlap=8, nodata=np.nan)
    )

    def refuse_constant(text):
        raise AssertionError(f"{text} is not JSON")

    report = json.loads((tmp_path / "a.json").read_text(), parse_constant=refuse_constant)
    assert report["scene"]["nodata"] == "nan"
    done = here("classify", scene, "--model", model, "--out", tmp_path / "b.tif", "--config",
                tmp_path / "a.json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "b.tif").read_bytes() == (tmp_path / "a.tif").read_bytes()
