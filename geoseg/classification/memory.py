"""Estimate of the memory of a run, and the number of workers that it has room for.

The constants are fitted to measured peaks (benchmarks/RESULTS.md). The estimate does not depend on
the map: where nearly every pixel is a component, polygons take two to three times as much.
"""

import logging
from collections.abc import Sequence

import numpy as np

from geoseg.classification.job import Job
from geoseg.errors import RunError, count_of, redact, size_text
from geoseg.execute import available_cpus, available_memory, total_memory
from geoseg.grid import Window
from geoseg.model import AnyModel, OnnxModel
from geoseg.raster import CACHE_BYTES

log = logging.getLogger("geoseg")

_PROCESS = 480_000_000
"""Memory of the process with its libraries, also with those that start its workers (bytes)."""
_WORKER = 140_000_000
"""Memory of a worker process that it does not share with the others (bytes)."""
_CACHE_MIN = 16 << 20
"""Smallest limit of GDAL's block cache (bytes)."""
_CACHE = 1.45
"""Largest size of GDAL's block cache, relative to its limit."""
_POLYGONS = 220_000_000
"""Memory of code and buffers for polygons in this process (bytes)."""
_WORKER_POLYGONS = 60_000_000
"""The same in a worker process (bytes)."""
_ACTIVATIONS = 10
"""Activations (float32) per pixel of a batch and filter of the network's width."""
_ONNX = 150_000_000
"""Memory of the libraries of ONNX (bytes)."""
_ENGINE = 60_000_000
"""Memory of the library of an engine that computes a model of geoseg (bytes)."""
_SESSION = 6
"""Memory of a network in an engine other than torch, relative to its float32 weights."""
_NOT_CONVERTED = ("uint8", "int16", "float32")
"""Dtypes that go to the network without a float32 copy."""
_CERTAIN = 0.8
"""Smallest measured peak, relative to the estimate."""


def run_bytes(job: Job, model: AnyModel, workers: int, *, processes: bool = False) -> int:
    """Peak memory of a run with ``workers`` chunks at a time, in threads or processes (bytes)."""
    scene = job.input
    stored = scene.height * scene.width * len(scene.bands) * np.dtype(scene.dtype).itemsize
    total = _PROCESS + workers * worker_bytes(job, model, processes=processes)
    if processes:
        return total + workers * int(_CACHE * min(cache_share(workers), stored))
    total += int(_CACHE * min(CACHE_BYTES, stored)) + _engine_bytes(job, model)
    return total + (_POLYGONS if _has_polygons(job) else 0)


def worker_bytes(job: Job, model: AnyModel, *, processes: bool) -> int:
    """Memory of one more chunk at a time, in a thread or in a process of its own (bytes)."""
    total = chunk_bytes(job, model)
    if processes:
        total += (
            _WORKER + _engine_bytes(job, model) + (_WORKER_POLYGONS if _has_polygons(job) else 0)
        )
    return total


def default_workers(job: Job, model: AnyModel) -> int:
    """Return as many workers as processors and memory allow, at least 1."""
    # The polygons of a chunk may take as much as all else.
    by_memory = available_memory() // (2 * worker_bytes(job, model, processes=job.suits_processes))
    return max(1, min(available_cpus(), by_memory))


def check_memory(model: AnyModel, runs: Sequence[tuple[Job, int, bool]]) -> None:
    """Refuse runs that this machine has certainly too little memory for, and warn if it may have.

    Args:
        model: of all runs.
        runs: the job, the number of workers, and whether they are processes. All of them compute on
            this machine.

    Raises:
        RunError: if a run with one worker takes more memory than the machine has in all.
    """
    if not runs:
        return
    largest = max(runs, key=lambda run: _certain_bytes(run[0], model))
    if _certain_bytes(largest[0], model) <= total_memory():
        # One warning for all scenes of a list.
        largest = max(runs, key=lambda run: run_bytes(run[0], model, run[1], processes=run[2]))
    job, workers, processes = largest
    text = too_much_memory(job, model, workers, processes=processes)
    if text is None:
        return
    if _certain_bytes(job, model) > total_memory():
        raise RunError(text)
    log.warning(text)


def too_much_memory(job: Job, model: AnyModel, workers: int, *, processes: bool) -> str | None:
    """Return a sentence if this machine has, or may have, too little memory; None otherwise."""
    advice = "a smaller --chunk or a coarser --resolution"
    scene, total, free = redact(job.scene.path), total_memory(), available_memory()
    if _certain_bytes(job, model) > total:
        return (
            f"{scene} needs about {size_text(run_bytes(job, model, 1))} of memory with one worker, "
            f"but this machine has {size_text(total)} in all, give {advice}"
        )
    needed = run_bytes(job, model, workers, processes=processes)
    if needed <= free:
        return None
    return (
        f"{scene} needs about {size_text(needed)} of memory with {count_of(workers, 'worker')}, "
        f"but {size_text(free)} are available here, so it may be killed: give "
        f"{'fewer --workers, ' if workers > 1 else ''}{advice}"
    )


def _certain_bytes(job: Job, model: AnyModel) -> int:
    """Return the least memory that a run with one worker needs (bytes)."""
    needed = run_bytes(job, model, 1)
    if job.device != "cpu":  # the activations are in the memory of the device
        needed -= job.batch_size * _window_bytes(model)
    return int(_CERTAIN * needed)


def _has_polygons(job: Job) -> bool:
    """Whether the process that computes or the one that assembles traces polygons or cleans."""
    return job.with_outlines or bool(job.settings.cleaning.min_area)


def _engine_bytes(job: Job, model: AnyModel) -> int:
    """Memory of an engine other than torch with its network, in each process (bytes)."""
    if isinstance(model, OnnxModel):
        return _ONNX + _SESSION * model.bytes
    if job.engine_without_version == "torch":
        return 0
    weights = sum(value.numel() for value in model.network.parameters())
    return _ENGINE + _SESSION * 4 * weights


def cache_share(workers: int) -> int:
    """Limit of GDAL's block cache in each of several processes (bytes).

    Together they have that of one process, but each at least the tiles of a chunk.
    """
    return max(_CACHE_MIN, CACHE_BYTES // workers)


def chunk_bytes(job: Job, model: AnyModel) -> int:
    """Memory of one chunk (bytes): pixels, a batch, scores and output arrays."""
    scene, classes = job.input, len(job.legend)
    chunk = Window(0, 0, min(job.chunk, job.scene.height), min(job.chunk, job.scene.width))
    blended = job.map_grid.input_window(chunk)
    halo = job.window_grid.size + 2 * job.margin
    pixels_read = min(blended.height + halo, scene.height) * min(blended.width + halo, scene.width)
    pixels_out = blended.height * blended.width
    if not job.map_grid.same_pixels:
        pixels_read += chunk.height * chunk.width
    copy = 0 if scene.dtype in _NOT_CONVERTED else 4
    input_bytes = pixels_read * (len(scene.bands) * (np.dtype(scene.dtype).itemsize + copy) + 1)
    pixel_bytes = 4 * classes + 15  # float32 scores; the best score and class so far
    if job.needs_scores:
        pixel_bytes += 12  # scores divided by the summed weights
        pixel_bytes += 2 * classes if model.temperature != 1 else 0
        pixel_bytes += 2 * classes if job.with_probabilities else 0
        pixel_bytes += (
            6 if job.with_uncertainty else 0
        )  # one float32 array more than for confidence
    return input_bytes + pixels_out * pixel_bytes + job.batch_size * _window_bytes(model)


def _window_bytes(model: AnyModel) -> int:
    """Memory of the activations of a window (bytes)."""
    if isinstance(model, OnnxModel):
        return model.window_bytes
    return 4 * model.spec.window**2 * _ACTIVATIONS * model.spec.width
