"""Classify one chunk, from scene to part: the function that every backend runs."""

import logging
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geoseg.blend import blend, taper_profile, weight_sums
from geoseg.classification.aoi import load_aoi
from geoseg.classification.job import Job
from geoseg.classification.run_folder.parts import Part, load_record, write_part
from geoseg.errors import (
    ChunkError,
    GeosegError,
    InterruptedRun,
    LinkError,
    OutputError,
    RunError,
    count_of,
)
from geoseg.grid import Window, bounds
from geoseg.legend import NODATA
from geoseg.model import (
    Predictor,
    best_class,
    cached_predictor,
    engine_name,
    instruction_set,
    one_torch_thread,
)
from geoseg.polygons import trace_chunk
from geoseg.raster import pad_reflect, read_window
from geoseg.version import __version__

log = logging.getLogger("geoseg")

WindowCounter = Callable[[int], None]
"""Called with a number of windows that are done, or that need not be computed."""


def classify_chunk(job: Job, chunk: Window, count: WindowCounter | None = None) -> Part:
    """Classify one chunk and write its part; return at once if the part exists.

    The chunk reads its own halo, so it needs nothing from its neighbours. On a CPU, torch computes
    with one thread, so that the scores do not depend on the number of threads.

    Args:
        job: the run.
        chunk: pixels to classify, one of ``job.chunks()``.
        count: counts the windows; may raise `InterruptedRun` to stop.

    Raises:
        ChunkError: if anything fails; the message names the chunk and the cause.
        RunError: if this process has another version of geoseg or of the engine than the one that
            planned the run.
    """
    _check_version("geoseg", job.version, __version__)
    part = load_record(job, chunk)
    if part is not None:
        return part
    name, _, version = job.engine.partition(" ")
    _check_version(name, version, engine_name(name).partition(" ")[2])
    try:
        with one_torch_thread():
            return _compute_part(job, chunk, count or (lambda windows: None))
    except InterruptedRun:
        raise
    except Exception as error:
        kind = "" if isinstance(error, GeosegError) else f"{type(error).__name__}: "
        # Network links and shared disks fail for a while.
        retryable = isinstance(error, OSError | LinkError | OutputError)
        raise ChunkError(f"chunk at {chunk} failed: {kind}{error}", retryable=retryable) from error


def _compute_part(job: Job, chunk: Window, count: WindowCounter) -> Part:
    start = time.perf_counter()
    windows = job.window_grid.windows(chunk)
    halo, margin = bounds(windows), job.margin
    in_scene = _input_in_scene(job, halo)
    pixels, valid = read_window(job.scene, in_scene)
    if job.aoi is not None:
        valid &= load_aoi(job.parts, job.aoi).mask(job.scene, in_scene)
    useful = [w for w in windows if valid[_in_array(w, in_scene)].any()]
    count(len(windows) - len(useful))
    chunk_valid = valid[_in_array(chunk, in_scene)]
    if useful and chunk_valid.any():
        predictor = cached_predictor(job.predictor_source)
        predictor.spec.scaling.fill_invalid(pixels, valid)
        area = Window(0, 0, halo.height + 2 * margin, halo.width + 2 * margin)
        above, left = in_scene.row - halo.row + margin, in_scene.col - halo.col + margin
        padded = pad_reflect(pixels, area, above=above, left=left)
        inputs = [_input_slices(w, halo, margin) for w in useful]
        scores = predictor.scores(padded, inputs, count)
        by_window = zip(useful, scores, strict=True)
        arrays = _scores_to_outputs(job, predictor, by_window, chunk, chunk_valid)
    else:
        count(len(useful))
        arrays = _empty_outputs(job, chunk)
    if job.polygons:
        size = (job.scene.height, job.scene.width)
        confidence = arrays.get("confidence")
        arrays |= trace_chunk(arrays["labels"], chunk, size, confidence=confidence).to_arrays()
    if not job.confidence:
        arrays.pop("confidence", None)
    part = write_part(
        job, chunk, arrays, windows=len(useful),
        instruction_set=instruction_set() if job.device == "cpu" else "",
    )  # fmt: skip
    log.debug(
        "chunk at %s: %d of %s computed, %.1f s",
        chunk, len(useful), count_of(len(windows), "window"), time.perf_counter() - start,
    )  # fmt: skip
    return part


def _check_version(name: str, planned: str, here: str) -> None:
    """Refuse to work with another version than that which planned the run."""
    if planned != here:
        raise RunError(
            f"the run was planned by {name} {planned}, {socket.gethostname()} has "
            f"{here}, install the same version there, or use one version everywhere and start "
            "again with resume=False (--no-resume)"
        )


def _input_in_scene(job: Job, halo: Window) -> Window:
    """Return the pixels of the scene that the windows of a halo read, with their margin.

    What they read beyond the edge is its reflection, which lies inside of these pixels.
    """
    row, col = max(0, halo.row - job.margin), max(0, halo.col - job.margin)
    height, width = halo.row_end + job.margin - row, halo.col_end + job.margin - col
    inputs = Window(row, col, height, width)
    return inputs.intersection(job.scene.window) or inputs


def _in_array(window: Window, outer: Window) -> tuple[slice, slice]:
    """Index of the part of a window that is inside ``outer``, in an array of ``outer``."""
    return (window.intersection(outer) or window).relative_to(outer)


def _input_slices(window: Window, halo: Window, margin: int) -> tuple[slice, slice]:
    """Index of the input of a window, in an array of the halo with its margin."""
    rows, cols = window.relative_to(halo)
    return slice(rows.start, rows.stop + 2 * margin), slice(cols.start, cols.stop + 2 * margin)


def _scores_to_outputs(
    job: Job,
    predictor: Predictor,
    scores: Iterable[tuple[Window, Any]],
    chunk: Window,
    valid: NDArray[np.bool_],
) -> dict[str, NDArray[Any]]:
    """Blend the scores and take the best class on the device, which returns only bytes."""
    weights = taper_profile(job.settings.blend, job.window_grid.size, job.settings.overlap)
    square = predictor.to_device(np.outer(weights, weights).astype(np.float32))
    total = blend(scores, chunk, square, predictor.zeros, predictor.spec.classes)
    index, best = best_class(total)
    values = np.array(job.legend.values, np.uint8)
    labels = np.where(valid, values[index.cpu().numpy()], NODATA).astype(np.uint8)
    arrays: dict[str, NDArray[Any]] = {"labels": labels}
    if not (job.polygons or job.confidence or job.probabilities):
        return arrays
    rows = weight_sums(job.window_grid.rows, weights, chunk.row, chunk.row_end)
    cols = weight_sums(job.window_grid.cols, weights, chunk.col, chunk.col_end)
    scale = predictor.to_device((255 / np.outer(rows, cols)).astype(np.float32))
    if predictor.temperature != 1:
        total = predictor.apply_temperature(total)
        best, scale = total.amax(0), torch.full_like(scale, 255)

    def as_bytes(scores: Any) -> NDArray[np.uint8]:  # noqa: ANN401 - a tensor
        scaled = (scores * scale).round().clamp(0, 255).cpu().numpy().astype(np.uint8)
        return np.where(valid, scaled, 0).astype(np.uint8)

    arrays["confidence"] = as_bytes(best)
    if job.probabilities:
        arrays["probabilities"] = np.stack([as_bytes(scores) for scores in total])
    return arrays


def _empty_outputs(job: Job, chunk: Window) -> dict[str, NDArray[Any]]:
    """Return the arrays of a chunk without a valid pixel."""
    shape = (chunk.height, chunk.width)
    labels, confidence = np.full(shape, NODATA, np.uint8), np.zeros(shape, np.uint8)
    arrays: dict[str, NDArray[Any]] = {"labels": labels, "confidence": confidence}
    if job.probabilities:
        arrays["probabilities"] = np.zeros((len(job.legend), *shape), np.uint8)
    return arrays
