"""Classify one chunk, from scene to part: the function that every backend runs."""

import logging
import socket
import time
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from geoseg.blend import blend, blend_batches, taper_profile, weight_sums
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
        scale = _byte_scale(job, chunk) if _needs_scores(job) else None
        with predictor.stream():
            total = _blended(job, predictor, padded, inputs, useful, chunk, count)
            arrays = _scores_to_outputs(job, predictor, total, chunk_valid, scale)
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


def _blended(
    job: Job,
    predictor: Predictor,
    pixels: NDArray[Any],
    inputs: list[tuple[slice, slice]],
    windows: list[Window],
    chunk: Window,
    count: WindowCounter,
) -> torch.Tensor:
    """Return the blended scores of a chunk, (classes, height, width) float32 on the device."""
    weights = taper_profile(job.settings.blend, job.window_grid.size, job.settings.overlap)
    square = predictor.to_device(np.outer(weights, weights).astype(np.float32))
    zeros, classes = predictor.zeros, predictor.spec.classes
    if predictor.by_batch:
        batches = predictor.batches(pixels, inputs, square, count)
        total = blend_batches(batches, windows, chunk, zeros, classes)
    else:
        scores = zip(windows, predictor.scores(pixels, inputs, count), strict=True)
        total = blend(scores, chunk, square, zeros, classes)
    return cast(torch.Tensor, total)


def _needs_scores(job: Job) -> bool:
    """Whether a chunk has other outputs than labels."""
    return job.polygons or job.confidence or job.probabilities


def _byte_scale(job: Job, chunk: Window) -> NDArray[np.float32]:
    """Return the factors that scale blended scores to 0 to 255, (height, width) float32."""
    weights = taper_profile(job.settings.blend, job.window_grid.size, job.settings.overlap)
    rows = weight_sums(job.window_grid.rows, weights, chunk.row, chunk.row_end)
    cols = weight_sums(job.window_grid.cols, weights, chunk.col, chunk.col_end)
    return (255 / np.outer(rows, cols)).astype(np.float32)


def _scores_to_outputs(
    job: Job,
    predictor: Predictor,
    total: torch.Tensor,
    valid: NDArray[np.bool_],
    byte_scale: NDArray[np.float32] | None,
) -> dict[str, NDArray[Any]]:
    """Take the best class, and turn scores into bytes, on the device; copy all bytes at once.

    ``byte_scale`` is None if only the labels are needed.
    """
    labels, best = best_class(total, job.legend.values)
    planes = 1 if byte_scale is None else 2 + job.probabilities * len(total)
    outputs = torch.empty((planes, *valid.shape), dtype=torch.uint8, device=predictor.device)
    outputs[0] = labels
    if byte_scale is not None:
        scale = predictor.to_device(byte_scale)
        if predictor.temperature != 1:
            total = predictor.apply_temperature(total)
            best, scale = total.amax(0), torch.full_like(scale, 255)
        for plane, scores in zip(outputs[1:], (best, *total), strict=False):
            plane.copy_((scores * scale).round_().clamp_(0, 255))
    invalid = predictor.to_device(~valid)
    outputs[0].masked_fill_(invalid, NODATA)
    outputs[1:].masked_fill_(invalid, 0)
    copied = predictor.to_host(outputs)
    arrays: dict[str, NDArray[Any]] = {"labels": copied[0]}
    if byte_scale is not None:
        arrays["confidence"] = copied[1]
    if job.probabilities:
        arrays["probabilities"] = copied[2:]
    return arrays


def _empty_outputs(job: Job, chunk: Window) -> dict[str, NDArray[Any]]:
    """Return the arrays of a chunk without a valid pixel."""
    shape = (chunk.height, chunk.width)
    labels, confidence = np.full(shape, NODATA, np.uint8), np.zeros(shape, np.uint8)
    arrays: dict[str, NDArray[Any]] = {"labels": labels, "confidence": confidence}
    if job.probabilities:
        arrays["probabilities"] = np.zeros((len(job.legend), *shape), np.uint8)
    return arrays
