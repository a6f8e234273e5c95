"""One chunk from scene to part: the function that every backend runs."""

import logging
import socket
import time
from collections.abc import Callable, Iterator
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
from geoseg.model import Predictor, best_class, cached_predictor
from geoseg.polygons import trace_chunk
from geoseg.raster import pad_reflect, read_window
from geoseg.version import __version__

log = logging.getLogger("geoseg")

WindowProgress = Callable[[int], None]


def classify_chunk(job: Job, chunk: Window, tick: WindowProgress | None = None) -> Part:
    """Classify one chunk and leave it as a part on disk; return at once if the part is there.

    Reads its own halo, so it needs nothing from its neighbours.

    Args:
        job: the run.
        chunk: pixels to classify, one of ``job.chunks()``.
        tick: called with a number of windows as they are done or found needless.

    Raises:
        ChunkError: if anything fails; the message names the chunk and the cause.
        RunError: if this process has another version of geoseg than the one that planned the run.
    """
    if job.geoseg != __version__:
        raise RunError(
            f"the run was planned by geoseg {job.geoseg}, {socket.gethostname()} has "
            f"{__version__}, install the same version there"
        )
    part = load_record(job, chunk)
    if part is not None:
        return part
    try:
        return _compute_outputs(job, chunk, tick or (lambda windows: None))
    except InterruptedRun:
        raise
    except GeosegError as error:
        raise ChunkError(f"chunk at {chunk} failed: {error}", again=_is_transient(error)) from error
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ChunkError(
            f"chunk at {chunk} failed: {reason}", again=_is_transient(error)
        ) from error


def _is_transient(error: Exception) -> bool:
    """Whether the cause may be gone at another try: links break and shared disks stumble."""
    return isinstance(error, OSError | LinkError | OutputError)


def _compute_outputs(job: Job, chunk: Window, tick: WindowProgress) -> Part:
    start = time.perf_counter()
    windows = job.lattice.windows(chunk)
    area = bounds(windows)
    seen = area.intersection(job.scene.window) or area
    pixels, valid = read_window(job.scene, seen)
    if job.aoi is not None:
        valid &= load_aoi(job.parts, job.aoi).inside(job.scene, seen)
    useful = [w for w in windows if valid[w.relative_to(area)].any()]
    tick(len(windows) - len(useful))
    here = valid[chunk.relative_to(area)]
    if useful and here.any():
        predictor = cached_predictor(
            job.model, job.model_hash, job.device, job.precision, job.batch_size, job.options.tta
        )
        predictor.spec.fill_invalid(pixels, valid)
        scores = _scores(predictor, pad_reflect(pixels, area), useful, area, tick)
        arrays: dict[str, NDArray[Any]] = {
            **_scores_to_outputs(job, predictor, scores, chunk, here)
        }
    else:
        tick(len(useful))
        arrays = {**_empty_outputs(job, chunk)}
    if job.polygons:
        size = (job.scene.height, job.scene.width)
        confidence = arrays.get("confidence")
        arrays |= trace_chunk(arrays["labels"], chunk, size, confidence=confidence).to_arrays()
    if not job.confidence:
        arrays.pop("confidence", None)
    part = write_part(job, chunk, arrays, windows=len(useful))
    log.debug(
        "chunk at %s: %d of %s computed, %.1f s",
        chunk, len(useful), count_of(len(windows), "window"), time.perf_counter() - start,
    )  # fmt: skip
    return part


def _scores(
    predictor: Predictor,
    pixels: NDArray[Any],
    windows: list[Window],
    area: Window,
    tick: WindowProgress,
) -> Iterator[tuple[Window, Any]]:
    places = [w.relative_to(area) for w in windows]
    return zip(windows, predictor.scores(pixels, places, tick), strict=True)


def _scores_to_outputs(
    job: Job,
    predictor: Predictor,
    scores: Iterator[tuple[Window, Any]],
    chunk: Window,
    valid: NDArray[np.bool_],
) -> dict[str, NDArray[np.uint8]]:
    """Blend and take the best class where the scores are; only bytes come back from a device."""
    weights = taper_profile(job.options.blend, job.lattice.size, job.options.overlap)
    square = predictor.to_device(np.outer(weights, weights).astype(np.float32))
    total = blend(scores, chunk, square, predictor.zeros, predictor.spec.classes)
    index, best = best_class(total)
    values = np.array(job.legend.values, np.uint8)
    arrays = {"labels": np.where(valid, values[index.cpu().numpy()], NODATA).astype(np.uint8)}
    if not (job.polygons or job.confidence or job.probabilities):
        return arrays
    rows = weight_sums(job.lattice.rows, weights, chunk.row, chunk.row_end)
    cols = weight_sums(job.lattice.cols, weights, chunk.col, chunk.col_end)
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


def _empty_outputs(job: Job, chunk: Window) -> dict[str, NDArray[np.uint8]]:
    """The arrays of a chunk without a valid pixel."""
    shape = (chunk.height, chunk.width)
    arrays = {"labels": np.full(shape, NODATA, np.uint8), "confidence": np.zeros(shape, np.uint8)}
    if job.probabilities:
        arrays["probabilities"] = np.zeros((len(job.legend), *shape), np.uint8)
    return arrays
