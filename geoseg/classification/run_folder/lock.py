"""Whose turn it is in a folder of parts: many shards at once, or one run that assembles."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from geoseg.files import output_lock

LOCK_FILE = "at-work.log"
"""Who began work in the folder and when, one line each; the lock lies on this file."""


@contextmanager
def run_lock(folder: Path, what: str, *, alone: bool) -> Iterator[None]:
    """Hold the lock of a folder of parts while working in it.

    Args:
        folder: of the parts; it is made.
        what: for the log, e.g. "shard 2/3".
        alone: nobody else may be at work; otherwise others that are not alone may.

    Raises:
        InterruptedRun: if it is not our turn; the same command works later.
        OutputError: if the folder cannot be written.
    """
    with output_lock(folder / LOCK_FILE, folder, what, exclusive=alone, keep=True):
        yield
    with suppress(OSError):  # NFS keeps a file that was deleted while open, and its folder
        folder.rmdir()
