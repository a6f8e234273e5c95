"""How many chunks a run on this machine computes at a time, and whether in threads or processes."""

from geoseg.classification.job import Job
from geoseg.classification.memory import worker_bytes
from geoseg.execute import available_cpus, available_memory
from geoseg.grid import WindowGrid
from geoseg.model import AnyModel

SMALL_PIXELS = 8 << 20
"""Pixels that the windows of a small scene compute at most, such as 512 windows of 128 px: about
2,150 x 2,150 px of the scene at an overlap of 32 px."""


def is_small(window_grid: WindowGrid) -> bool:
    """Whether a scene takes so few seconds that preparing for a long run does not pay."""
    return len(window_grid) * window_grid.size**2 <= SMALL_PIXELS


def needs_processes(job: Job) -> bool:
    """Whether several workers of a run are processes: not if it is small or if it owns a GPU.

    Processes take some seconds of computing to start. Engines that hold Python's lock are as fast
    with more of them, and one that runs out of memory loses its chunk alone.
    """
    return job.device == "cpu" and not is_small(job.window_grid)


def default_workers(job: Job, model: AnyModel, *, processes: bool) -> int:
    """Return as many workers as processors and memory allow, at least 1."""
    # The polygons of a chunk may take as much as all else.
    by_memory = available_memory() // (2 * worker_bytes(job, model, processes=processes))
    return max(1, min(available_cpus(), by_memory))
