"""The chunks of a run, computed in threads of this process or by Dask, here or elsewhere."""

import logging
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from geoseg.classification.chunk import classify_chunk
from geoseg.classification.job import Job
from geoseg.classification.memory import cache_share, check_memory, default_workers, run_bytes
from geoseg.classification.run_folder.parts import Part, missing_chunks
from geoseg.classification.settings import Execution
from geoseg.errors import count_of, redact
from geoseg.execute import (
    DaskCluster,
    Executor,
    LocalWorkers,
    ProgressCounter,
    StopFlag,
    discard_preloaded,
    map_threads,
    send_message,
)
from geoseg.grid import Window
from geoseg.model import AnyModel, tune_malloc
from geoseg.raster import Scene

log = logging.getLogger("geoseg")

_INTERRUPTED = ", finished chunks are kept"
WORKER_MODULE = "geoseg.classification.preload"
"""Module that imports what worker processes need."""
_REPORT_INTERVAL = 0.25
"""Seconds between two messages of a worker about the windows that it has done."""


@dataclass(frozen=True, slots=True)
class Backend:
    """Where and how the chunks of a call are computed."""

    execution: Execution
    executor: Executor
    """Its ``workers`` are None for as many as processors and memory allow."""
    cluster: DaskCluster | None
    """The workers behind its scheduler; None to compute on this machine."""
    processes: LocalWorkers
    """Worker processes of this machine."""
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
    chunks = shard_chunks(job, backend.execution.shard)
    missing = missing_chunks(job, chunks)
    if resumed:
        total = count_of(len(chunks), "chunk")
        log.info("resuming: %d of %s finished", len(chunks) - len(missing), total)
    executor, cluster, processes = backend.executor, backend.cluster, backend.processes
    workers, kind = choose_workers(job, model, executor, cluster, len(missing))
    if workers < min(processes.number, len(missing)):  # perhaps they take too much memory
        processes.end()
        workers, kind = choose_workers(job, model, executor, cluster, len(missing))
    _log_start(job, model, missing, workers, kind)
    if cluster is not None:
        _compute_dask(job, missing, cluster, windows_done)
    elif kind == "thread":
        discard_preloaded()
        _compute_threads(job, missing, workers, backend.stop, windows_done)
    else:
        with processes.use(workers, {"GDAL_CACHEMAX": str(cache_share(workers))}) as local:
            _compute_dask(job, missing, local, windows_done)
    return workers


def choose_workers(
    job: Job, model: AnyModel, executor: Executor, cluster: DaskCluster | None, chunks: int
) -> tuple[int, str]:
    """Choose how many workers compute a number of missing chunks, and of which kind.

    Returns:
        The number, and "thread", "process" or "Dask worker".
    """
    if cluster is not None:
        return cluster.threads, "Dask worker"
    workers = executor.workers or default_workers(job, model)
    workers = max(1, min(workers, chunks))
    return workers, "thread" if workers == 1 or not job.suits_processes else "process"


def check_memory_of(
    jobs: Sequence[Job],
    model: AnyModel,
    execution: Execution,
    executor: Executor,
    cluster: DaskCluster | None,
) -> None:
    """Check the memory of the runs that compute chunks on this machine, see `check_memory`.

    Raises:
        RunError: if one of them certainly does not fit.
    """
    if cluster is not None:  # the memory of its workers is not known here
        return
    runs = []
    for job in jobs:
        missing = chunks_to_compute(job, execution)
        if missing:
            workers, kind = choose_workers(job, model, executor, cluster, len(missing))
            runs.append((job, workers, kind != "thread"))
    check_memory(model, runs)


def count_windows(job: Job, execution: Execution) -> int:
    """Return the number of windows that a run, or its shard, still has to compute."""
    return sum(job.count_windows(chunk) for chunk in chunks_to_compute(job, execution))


def chunks_to_compute(job: Job, execution: Execution) -> list[Window]:
    """Return the chunks that a run, or its shard, still has to compute."""
    chunks = shard_chunks(job, execution.shard)
    return missing_chunks(job, chunks) if execution.resume else chunks


def shard_chunks(job: Job, shard: tuple[int, int] | None) -> list[Window]:
    """Return the chunks of a shard (i, n): every n-th, so that all shards cost about the same.

    Law: the n shards are disjoint and together all chunks.
    """
    number, count = shard or (1, 1)
    return job.chunks()[number - 1 :: count]


def _compute_threads(
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

    map_threads(classify, chunks, workers)


def _compute_dask(
    job: Job, chunks: list[Window], cluster: DaskCluster, windows_done: ProgressCounter
) -> None:
    """Compute chunks on the workers of a cluster."""
    counts = _WindowCounts(job, chunks, windows_done)
    cluster.listen(counts.update)
    cluster.map(partial(_classify_on_worker, job, counts.key), chunks, counts.finish)


class _WindowCounts:
    """Counts the windows of chunks on workers: each once, even if its chunk is computed again."""

    def __init__(self, job: Job, chunks: list[Window], windows_done: ProgressCounter) -> None:
        self.key = uuid.uuid4().hex
        """Tells the messages of this run from those of others on the same cluster."""
        self._left = {(chunk.row, chunk.col): job.count_windows(chunk) for chunk in chunks}
        self._windows_done = windows_done

    def update(self, message: tuple[str, int, int, int]) -> None:
        """Take a message of a worker: key, row and column of the chunk, windows left."""
        key, row, col, left = message
        if key == self.key:
            self._count(row, col, left)

    def finish(self, part: Part) -> None:
        """Count the windows of a finished chunk that no message has reported."""
        self._count(part.row, part.col, 0)

    def _count(self, row: int, col: int, left: int) -> None:
        windows = self._left[row, col] - left
        if windows > 0:
            self._left[row, col] = left
            self._windows_done.add(windows)


def _classify_on_worker(job: Job, key: str, chunk: Window) -> Part:
    """Classify a chunk in a worker process, whose threads and memory are geoseg's to set."""
    tune_malloc()
    torch.set_num_threads(1)
    left, sent = job.count_windows(chunk), time.monotonic()

    def count(windows: int) -> None:
        nonlocal left, sent
        left -= windows
        if time.monotonic() - sent > _REPORT_INTERVAL:
            sent = time.monotonic()
            send_message((key, chunk.row, chunk.col, left))

    return classify_chunk(job, chunk, count)


def _band_list(scene: Scene) -> str:
    """Names of the bands that are read, or their numbers if one has no name."""
    named = all(scene.band_names)
    return ", ".join(scene.band_names) if named else ",".join(map(str, scene.bands))


def _log_start(job: Job, model: AnyModel, missing: list[Window], workers: int, kind: str) -> None:
    """Announce a run; ``kind`` is what its workers are, see `choose_workers`."""
    windows = sum(job.count_windows(chunk) for chunk in missing)
    needed = run_bytes(job, model, workers, processes=kind != "thread")
    log.info(
        "%s: %d x %d px, bands %s; %s of %d px, overlap %d; %s of %d px, "
        "%d at a time, about %.1f GB; %s %s; model %s",
        Path(redact(job.scene.path)).name, job.scene.height, job.scene.width,
        _band_list(job.scene), count_of(windows, "window"), job.window_grid.size,
        job.settings.overlap, count_of(len(missing), "chunk"), job.chunk, workers,
        needed / 1e9, job.device, job.precision, job.model_hash,
    )  # fmt: skip
    log.debug(
        "%s on %s, each with %s in a batch",
        count_of(workers, kind), job.device, count_of(job.batch_size, "window"),
    )  # fmt: skip
