"""The memory that a run announces, against measured peaks (benchmarks/RESULTS.md)."""

from dataclasses import dataclass, replace

import pytest

from geoseg.classification import ClassifySettings, Job
from geoseg.classification.memory import cache_share, chunk_bytes, run_bytes
from geoseg.grid import MapGrid, WindowGrid
from geoseg.legend import Legend
from geoseg.model import Model, OnnxModel, OnnxSpec, UNetSpec, make_network
from geoseg.models import find_model
from geoseg.raster import CACHE_BYTES, Scene

GIGABYTE = 1e9


@dataclass(frozen=True)
class Run:
    side: int = 4500
    bands: int = 3
    dtype: str = "uint8"
    classes: int = 6
    workers: int = 2
    polygons: bool = False
    probabilities: bool = False


def model_of(run):
    spec = UNetSpec(bands=run.bands, classes=run.classes, width=2, depth=2, window=64)
    legend = Legend.from_names([f"class {n}" for n in range(run.classes)])
    return Model(make_network(spec), legend, tuple(f"band {n}" for n in range(run.bands)))


def job_of(run, model):
    bands = tuple(range(1, run.bands + 1))
    scene = Scene(
        path="scene.tif", height=run.side, width=run.side, dtype=run.dtype,
        transform=(1, 0, 0, 0, -1, 0), crs=None, bands=bands, band_names=("",) * run.bands,
        nodata=None, masked=False, size=None, modified=None,
    )  # fmt: skip
    size = run.side, run.side
    return Job(
        scene=scene, input=scene, map_grid=MapGrid(scene.window, size, size),
        window_grid=WindowGrid(run.side, run.side, 64, 32), chunk=2048, model="m",
        model_hash="", legend=model.legend, settings=ClassifySettings(),
        precision="fp32", engine="torch 2", device="cpu", batch_size=8,
        run_folder="parts", with_outlines=run.polygons, with_confidence=False,
        with_probabilities=run.probabilities,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("run", "peak"),
    [
        (Run(side=30_000, workers=1), 0.81),
        (Run(side=30_000), 0.98),
        (Run(side=30_000, workers=1, polygons=True), 0.99),
        (Run(side=30_000, polygons=True), 1.36),
        (Run(workers=1), 0.64),
        (Run(), 0.78),
        (Run(probabilities=True), 1.09),
        (Run(classes=20), 1.40),
        (Run(bands=8, dtype="float32"), 1.12),
    ],
)
def test_the_announced_memory_is_close_to_the_measured_peak(run, peak):
    model = model_of(run)
    announced = run_bytes(job_of(run, model), model, run.workers) / GIGABYTE
    assert peak <= announced <= 1.25 * peak


@pytest.mark.parametrize(("side", "workers", "peak"), [(2304, 2, 1.37), (4608, 2, 1.53)])
def test_the_announced_memory_of_an_onnx_file_is_close_to_the_measured_peak(side, workers, peak):
    """Peaks of a U-Net with an EfficientNet-B4 (ukis-csmask), which takes 44 MB for a window."""
    spec = OnnxSpec(bands=4, channels=3, window=256)
    model = OnnxModel(
        path="m.onnx", hash="", spec=spec, legend=Legend.from_names([*"abc"]),
        band_names=("",) * 4, dtype=None, pixel_size_range=None, sources=(), bytes=39_600_000,
        window_bytes=44_000_000,
    )  # fmt: skip
    run = Run(side=side, bands=4, dtype="float32", classes=3, workers=workers)
    grid = WindowGrid(side, side, 256, 192)
    job = replace(job_of(run, model), window_grid=grid, batch_size=1, onnx=spec)
    assert peak <= run_bytes(job, model, workers) / GIGABYTE <= 1.25 * peak


@pytest.mark.parametrize(
    ("side", "chunk", "polygons", "peak"),
    [(3000, 1536, False, 1.20), (4500, 2048, True, 1.58)],
)
def test_the_announced_memory_of_two_processes_is_close_to_the_measured_peak(
    side, chunk, polygons, peak
):
    """Peaks of the reference network; pages that processes share are counted once."""
    model = Model.load(find_model("lab"))
    grid = WindowGrid(side, side, 128, 96)
    job = replace(job_of(Run(side=side, polygons=polygons), model), window_grid=grid, chunk=chunk)
    announced = run_bytes(job, model, 2, processes=True) / GIGABYTE
    assert peak <= announced <= 1.25 * peak


def test_the_caches_of_all_processes_are_bounded():
    assert cache_share(1) == CACHE_BYTES
    assert all(n * cache_share(n) <= CACHE_BYTES for n in range(1, 9))
    assert cache_share(1000) == 16 << 20


def test_a_worker_more_is_a_chunk_more():
    model = model_of(Run())
    job = job_of(Run(), model)
    assert run_bytes(job, model, 3) - run_bytes(job, model, 2) == chunk_bytes(job, model)
    assert chunk_bytes(replace(job, chunk=512), model) < chunk_bytes(job, model) / 8
