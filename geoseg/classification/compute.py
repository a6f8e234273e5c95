"""The chunks of a run, computed here or on a cluster."""

import logging
from functools import partial
from pathlib import Path

from geoseg.classification.chunk import classify_chunk
from geoseg.classification.job import Execution, Job
from geoseg.classification.memory import chunk_bytes, run_bytes
from geoseg.classification.run_folder.parts import Part, missing_chunks
from geoseg.errors import InterruptedRun, RunError, count_of, redact
from geoseg.execute import (
    DaskCluster,
    ProgressCounter,
    StopFlag,
    available_cpus,
    available_memory,
    map_threads,
    shard,
)
from geoseg.grid import Window
from geoseg.model import Model

log = logging.getLogger("geoseg")


def compute(
    job: Job,
    execution: Execution,
    cluster: DaskCluster | None,
    stop: StopFlag,
    windows_done: ProgressCounter,
    *,
    model: Model,
    resumed: bool,
) -> int:
    """Compute what is not there of the chunks of a run, or of its share.

    Args:
        job: the run; its folder is open.
        execution: where and how.
        cluster: the workers to use; None for threads of this process.
        stop: looked at between chunks.
        windows_done: counts the windows of all runs of the call.
        model: whose size the memory depends on.
        resumed: whether to say what is there.

    Returns:
        How many chunks were computed at a time.

    Raises:
        ChunkError: the first one.
        InterruptedRun: if asked to stop, when the chunks at work are done, or if the cluster is
            lost.
    """
    chunks = _shard_of(job, execution)
    missing = missing_chunks(job, chunks)
    if resumed:
        verb = "is" if len(chunks) == 1 else "are"
        total = count_of(len(chunks), "chunk")
        log.info("resuming: %d of %s %s there", len(chunks) - len(missing), total, verb)
    if cluster is not None:
        _log_start(job, model, missing, cluster.threads)
        _compute_dask(job, missing, cluster, windows_done)
        return cluster.threads
    workers = _workers(job, model, execution, len(missing))
    _log_start(job, model, missing, workers)
    _compute_local(job, missing, workers, stop, windows_done)
    return workers


def count_windows(job: Job, execution: Execution, *, started: bool) -> int:
    """How many windows of a run, or of its share, lie in chunks that are not finished.

    Args:
        job: the run.
        execution: gives the share.
        started: whether the folder of parts is there.
    """
    chunks = _shard_of(job, execution)
    missing = missing_chunks(job, chunks) if started else chunks
    return sum(job.lattice.count(chunk) for chunk in missing)


def _shard_of(job: Job, execution: Execution) -> list[Window]:
    """The chunks that this process is to compute."""
    return job.chunks() if execution.shard is None else shard(job.chunks(), execution.shard)


def _compute_local(
    job: Job, chunks: list[Window], workers: int, stop: StopFlag, windows_done: ProgressCounter
) -> None:
    """Compute chunks in threads of this process.

    Raises:
        ChunkError: the first one.
        InterruptedRun: if asked to stop, when the chunks at work are done.
    """

    def check(asked: bool) -> None:
        if asked:
            raise InterruptedRun(
                "interrupted, finished chunks are kept, run the same command to go on"
            )

    def tick(windows: int) -> None:
        check(stop.at_once)
        windows_done.add(windows)

    def step(chunk: Window) -> Part:
        check(stop.is_set())
        return classify_chunk(job, chunk, tick)

    map_threads(step, chunks, workers)


def _compute_dask(
    job: Job, chunks: list[Window], cluster: DaskCluster, windows_done: ProgressCounter
) -> None:
    """Compute chunks on the workers of a cluster.

    Raises:
        ChunkError: the first one.
        InterruptedRun: if asked to stop, or the cluster is lost.
    """
    windows = {(chunk.row, chunk.col): job.lattice.count(chunk) for chunk in chunks}

    def done(part: Part) -> None:
        windows_done.add(windows[part.row, part.col])

    cluster.map(partial(classify_chunk, job), chunks, done)


def _workers(job: Job, model: Model, execution: Execution, chunks: int) -> int:
    if execution.workers is not None:
        if execution.workers < 1:
            raise RunError(f"{execution.workers} workers cannot work, use at least 1")
        return execution.workers
    by_memory = available_memory() // (2 * chunk_bytes(job, model))  # polygons may take twice
    return max(1, min(available_cpus(), by_memory, chunks))


def _log_start(job: Job, model: Model, missing: list[Window], workers: int) -> None:
    windows = sum(job.lattice.count(chunk) for chunk in missing)
    log.info(
        "%s: %d x %d px, bands %s; %s of %d px, overlap %d; %s of %d px, "
        "%d at a time, about %.1f GB; %s %s; model %s",
        Path(redact(job.scene.path)).name, job.scene.height, job.scene.width,
        ",".join(map(str, job.scene.bands)), count_of(windows, "window"), job.lattice.size,
        job.options.overlap, count_of(len(missing), "chunk"), job.chunk, workers,
        run_bytes(job, model, workers) / 1e9, job.device, job.precision, job.model_hash,
    )  # fmt: skip
    log.debug(
        "%s on %s, each with %s in a batch",
        count_of(workers, "thread"), job.device, count_of(job.batch_size, "window"),
    )  # fmt: skip
