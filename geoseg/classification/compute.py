"""The chunks of a run, computed here or on a cluster."""

from collections.abc import Callable
from functools import partial

from geoseg.classification.chunk import classify_chunk
from geoseg.classification.job import Job
from geoseg.classification.parts import Part
from geoseg.errors import InterruptedRun
from geoseg.execute import Cluster, Stop, run_here
from geoseg.grid import Window

Progress = Callable[[int, int], None]
"""Called with the windows just done and the windows of the whole run."""


def compute_here(
    job: Job, chunks: list[Window], workers: int, stop: Stop, progress: Progress | None
) -> None:
    """Compute chunks in threads of this process.

    Raises:
        ChunkError: the first one.
        InterruptedRun: if asked to stop, when the chunks at work are done.
    """
    total = sum(job.lattice.count(chunk) for chunk in chunks)

    def check(asked: bool) -> None:
        if asked:
            raise InterruptedRun(
                "interrupted, finished chunks are kept, run the same command to go on"
            )

    def tick(windows: int) -> None:
        check(stop.at_once)
        if progress is not None:
            progress(windows, total)

    def step(chunk: Window) -> Part:
        check(stop.is_set())
        return classify_chunk(job, chunk, tick)

    run_here(step, chunks, workers)


def compute_there(
    job: Job, chunks: list[Window], cluster: Cluster, progress: Progress | None
) -> None:
    """Compute chunks on the workers of a cluster.

    Raises:
        ChunkError: the first one.
        InterruptedRun: if asked to stop, or the cluster is lost.
    """
    windows = {(chunk.row, chunk.col): job.lattice.count(chunk) for chunk in chunks}
    total = sum(windows.values())

    def done(part: Part) -> None:
        if progress is not None:
            progress(windows[part.row, part.col], total)

    cluster.map(partial(classify_chunk, job), chunks, done)
