"""The lock of a run folder: shared by many shards, or held by one process that assembles."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from geoseg.files import output_lock

LOCK_FILE = "at-work.log"
"""The locked file; each process that worked in the folder added a line with its name and time."""


@contextmanager
def run_lock(folder: Path, label: str, *, exclusive: bool) -> Iterator[None]:
    """Hold the lock of a run folder; the folder is created, and deleted at the end if empty.

    Args:
        folder: the run folder.
        label: what this process computes, e.g. "shard 2/3", for the messages of other processes.
        exclusive: no other process may hold the lock; otherwise other shared holders may.

    Raises:
        InterruptedRun: if another process holds the lock; the same command works later.
        OutputError: if the folder cannot be written.
    """
    with output_lock(folder / LOCK_FILE, folder, label, exclusive=exclusive, keep=True):
        yield
    with suppress(OSError):  # NFS keeps a file that was deleted while open, and its folder
        folder.rmdir()
