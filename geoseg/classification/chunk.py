"""Classify one chunk, from scene to part: the function that every backend runs."""

import logging
import socket
import time

import numpy as np
from numpy.typing import NDArray

from geoseg.classification.job import Job
from geoseg.classification.pixels import (
    InputPixels,
    WindowCounter,
    classify_pixels,
    input_of_chunk,
)
from geoseg.classification.prepare.aoi import load_aoi
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
from geoseg.grid import Window
from geoseg.model import engine_name, instruction_set, one_torch_thread
from geoseg.polygons import trace_chunk
from geoseg.raster import read_window
from geoseg.version import __version__

log = logging.getLogger("geoseg")


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
    window = input_of_chunk(job, chunk)
    read = InputPixels(window, *read_window(job.input, window))
    arrays, computed = classify_pixels(job, chunk, read, _valid_in_map(job, chunk, read), count)
    if job.polygons:
        size = (job.scene.height, job.scene.width)
        confidence = arrays.get("confidence")
        arrays |= trace_chunk(arrays["labels"], chunk, size, confidence=confidence).to_arrays()
    if not job.confidence:
        arrays.pop("confidence", None)
    part = write_part(
        job, chunk, arrays, windows=computed,
        instruction_set=instruction_set() if job.device == "cpu" else "",
    )  # fmt: skip
    log.debug(
        "chunk at %s: %d of %s computed, %.1f s",
        chunk, computed, count_of(job.count_windows(chunk), "window"), time.perf_counter() - start,
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


def _valid_in_map(job: Job, chunk: Window, read: InputPixels) -> NDArray[np.bool_]:
    """Return the pixels of a chunk that have data and lie in the area of interest."""
    area = job.map_grid.input_window(chunk)
    nearest = np.ix_(*job.map_grid.nearest(chunk))
    valid = read.valid[area.relative_to(read.window)][nearest]
    if not job.map_grid.same_pixels and valid.any():
        valid &= read_window(job.scene, chunk)[1]
    if job.aoi is not None:
        valid &= load_aoi(job.parts, job.aoi).mask(job.scene, chunk)
    return valid
