"""Classify one chunk, from scene to part: the function that every backend runs."""

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.classification.job import Job
from geoseg.classification.pixels import InputPixels, WindowCounter, classify_pixels, input_of_chunk
from geoseg.classification.prepare.aoi import AreaOfInterest, load_aoi
from geoseg.classification.run_folder.parts import Part, load_record, write_part
from geoseg.errors import (
    ChunkError,
    GeosegError,
    InterruptedRun,
    OutputError,
    RemoteError,
    RunError,
    count_of,
)
from geoseg.grid import Window
from geoseg.model import engine_name, instruction_set, one_torch_thread
from geoseg.polygons import trace_chunk
from geoseg.raster import WindowReader, read_window
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
    check_versions(job)
    with naming_the_chunk(chunk), one_torch_thread():
        return _compute_part(job, chunk, count or (lambda windows: None))


def check_versions(job: Job) -> None:
    """Refuse to compute with other versions than those that planned the run.

    Raises:
        RunError: if this process has another version of geoseg or of the engine.
    """
    _check_version("geoseg", job.version, __version__)
    name, _, version = job.engine.partition(" ")
    _check_version(name, version, engine_name(name).partition(" ")[2])


@contextmanager
def naming_the_chunk(chunk: Window) -> Iterator[None]:
    """Turn any error inside into one that names the chunk.

    Raises:
        ChunkError: with the cause.
    """
    try:
        yield
    except InterruptedRun:
        raise
    except Exception as error:
        kind = "" if isinstance(error, GeosegError) else f"{type(error).__name__}: "
        # Network links and shared disks fail for a while.
        retryable = isinstance(error, OSError | RemoteError | OutputError)
        raise ChunkError(f"chunk at {chunk} failed: {kind}{error}", retryable=retryable) from error


def _compute_part(job: Job, chunk: Window, count: WindowCounter) -> Part:
    start = time.perf_counter()
    aoi = load_aoi(job.run_folder, job.aoi) if job.aoi is not None else None
    arrays, computed = read_and_classify(job, chunk, read_window, aoi, count)
    if job.with_outlines:
        size = (job.scene.height, job.scene.width)
        confidence = arrays.get("confidence")
        arrays |= trace_chunk(arrays["labels"], chunk, size, confidence=confidence).to_arrays()
    if not job.with_confidence:
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


def read_and_classify(
    job: Job,
    chunk: Window,
    read: WindowReader,
    aoi: AreaOfInterest | None,
    count: WindowCounter,
) -> tuple[dict[str, NDArray[Any]], int]:
    """Read the pixels of a chunk with its halo, and classify them; see `classify_pixels`.

    Args:
        job: the run.
        chunk: pixels of the map.
        read: `read_window`, or what reads a window of a scene as it does.
        aoi: pixels outside of it are nodata; None for no limit.
        count: counts the windows.
    """
    window = input_of_chunk(job, chunk)
    pixels = InputPixels(window, *read(job.input, window))
    region = job.map_grid.input_window(chunk)
    valid = pixels.valid[region.relative_to(window)][np.ix_(*job.map_grid.nearest(chunk))]
    if not job.map_grid.same_pixels and valid.any():
        valid &= read(job.scene, chunk)[1]
    if aoi is not None:
        valid &= aoi.mask(job.scene, chunk)
    return classify_pixels(job, chunk, pixels, valid, count)


def _check_version(name: str, planned: str, here: str) -> None:
    """Refuse to work with another version than that which planned the run."""
    if planned != here:
        raise RunError(
            f"the run was planned by {name} {planned}, {socket.gethostname()} has "
            f"{here}, install the same version there, or use one version everywhere and start "
            "again with resume=False (--no-resume)"
        )
