"""The chunks of a run, computed in threads of this process or on a Dask cluster."""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from geoseg.classification.chunk import classify_chunk
from geoseg.classification.job import Job
from geoseg.classification.memory import chunk_bytes, run_bytes
from geoseg.classification.run_folder.parts import Part, missing_chunks
from geoseg.classification.settings import Execution
from geoseg.errors import count_of, redact
from geoseg.execute import (
    DaskCluster,
    Executor,
    ProgressCounter,
    StopFlag,
    available_cpus,
    available_memory,
    map_threads,
)
from geoseg.grid import Window
from geoseg.model import AnyModel, one_torch_thread, tune_malloc

log = logging.getLogger("geoseg")

_INTERRUPTED = ", finished chunks are kept"


@dataclass(frozen=True, slots=True)
class Backend:
    """Where and how the chunks of a call are computed."""

    execution: Execution
    executor: Executor
    """Its ``workers`` are None for as many as processors and memory allow."""
    cluster: DaskCluster | None
    """The workers behind its scheduler; None for threads of this process."""
    stop: StopFlag
    """Checked between chunks."""


def compute(
    job: Job, model: AnyModel, backend: Backend, windows_done: ProgressCounter, *, resumed: bool
) -> int:
    """Compute the missing chunks of a run, or of its shard; the run folder is open.

    Args:
        job: the run.
        model: gives the memory of a chunk.
        backend: where and how.
        windows_done: counts the windows of all runs of the call.
        resumed: whether to log how many chunks are finished.

    Returns:
        The number of chunks at a time.

    Raises:
        ChunkError: the first one.
        InterruptedRun: if a stop is requested, after the running chunks are finished, or if the
            cluster is lost.
    """
    chunks = _shard_chunks(job, backend.execution.shard)
    missing = missing_chunks(job, chunks)
    if resumed:
        total = count_of(len(chunks), "chunk")
        log.info("resuming: %d of %s finished", len(chunks) - len(missing), total)
    if backend.cluster is not None:
        _log_start(job, model, missing, backend.cluster.threads)
        _compute_dask(job, missing, backend.cluster, windows_done)
        return backend.cluster.threads
    workers = backend.executor.workers or _default_workers(job, model, len(missing))
    _log_start(job, model, missing, workers)
    _compute_local(job, missing, workers, backend.stop, windows_done)
    return workers


def count_windows(job: Job, execution: Execution) -> int:
    """Return the number of windows that a run, or its shard, has yet to compute."""
    chunks = _shard_chunks(job, execution.shard)
    missing = missing_chunks(job, chunks) if execution.resume else chunks
    return sum(job.window_grid.count(chunk) for chunk in missing)


def _shard_chunks(job: Job, shard: tuple[int, int] | None) -> list[Window]:
    """Return the chunks of a shard (i, n): every n-th, so that all shards cost about the same.

    Law: the n shards are disjoint and together all chunks.
    """
    number, count = shard or (1, 1)
    return job.chunks()[number - 1 :: count]


def _compute_local(
    job: Job, chunks: list[Window], workers: int, stop: StopFlag, windows_done: ProgressCounter
) -> None:
    """Compute chunks in threads of this process."""

    def count(windows: int) -> None:
        if stop.immediate:
            stop.check(_INTERRUPTED)
        windows_done.add(windows)

    def classify(chunk: Window) -> Part:
        stop.check(_INTERRUPTED)
        return classify_chunk(job, chunk, count)

    with one_torch_thread():
        map_threads(classify, chunks, workers)


def _compute_dask(
    job: Job, chunks: list[Window], cluster: DaskCluster, windows_done: ProgressCounter
) -> None:
    """Compute chunks on the workers of a cluster."""
    windows = {(chunk.row, chunk.col): job.window_grid.count(chunk) for chunk in chunks}
    cluster.map(
        partial(_classify_on_worker, job),
        chunks,
        lambda part: windows_done.add(windows[part.row, part.col]),
    )


def _classify_on_worker(job: Job, chunk: Window) -> Part:
    """Classify a chunk in a worker process, whose threads and memory are geoseg's to set."""
    tune_malloc()
    torch.set_num_threads(1)
    return classify_chunk(job, chunk)


def _default_workers(job: Job, model: AnyModel, chunks: int) -> int:
    by_memory = available_memory() // (2 * chunk_bytes(job, model))  # polygons may take twice
    return max(1, min(available_cpus(), by_memory, chunks))


def _log_start(job: Job, model: AnyModel, missing: list[Window], workers: int) -> None:
    windows = sum(job.window_grid.count(chunk) for chunk in missing)
    log.info(
        "%s: %d x %d px, bands %s; %s of %d px, overlap %d; %s of %d px, "
        "%d at a time, about %.1f GB; %s %s; model %s",
        Path(redact(job.scene.path)).name, job.scene.height, job.scene.width,
        ",".join(map(str, job.scene.bands)), count_of(windows, "window"), job.window_grid.size,
        job.settings.overlap, count_of(len(missing), "chunk"), job.chunk, workers,
        run_bytes(job, model, workers) / 1e9, job.device, job.precision, job.model_hash,
    )  # fmt: skip
    log.debug(
        "%s on %s, each with %s in a batch",
        count_of(workers, "thread"), job.device, count_of(job.batch_size, "window"),
    )  # fmt: skip
