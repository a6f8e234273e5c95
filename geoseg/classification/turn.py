"""Whose turn it is in a folder of parts: many shards at once, or one run that assembles."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from geoseg.classification.durable import Owner
from geoseg.errors import InterruptedRun
from geoseg.raster import writing

if sys.platform != "win32":
    import fcntl

LOG = "at-work.log"
"""Who began work in the folder and when, one line each; the lock lies on this file."""


@contextmanager
def turn(folder: Path, what: str, *, alone: bool) -> Iterator[None]:
    """Hold the folder while working in it; the system lets go of it when the process dies.

    The lock is the kernel's (flock), which NFS carries to other machines. A file system without
    locks keeps nobody apart: parts still stay whole, but work may be done twice.

    Args:
        folder: of the parts; it is made.
        what: for the log, e.g. "shard 2/3".
        alone: nobody else may be at work; otherwise others that are not alone may.

    Raises:
        InterruptedRun: if it is not our turn; the same command works later.
        OutputError: if the folder cannot be written.
    """
    while True:
        with writing(folder):
            folder.mkdir(exist_ok=True)
            file = (folder / LOG).open("a+")
        with file:
            if not _lock(file.fileno(), alone=alone):
                file.seek(0)
                last = (file.read().splitlines() or ["another run"])[-1]
                raise InterruptedRun(
                    f"{folder} is in use (last to begin: {last}), wait for that to end or stop "
                    "it, then run the same command again"
                )
            if not _same(file.fileno(), folder / LOG):
                continue  # assembled and removed by another run before we had the lock
            me = Owner.here()
            with writing(folder):
                file.write(f"{time.strftime('%F %T')} {what}, pid {me.pid} on {me.host}\n")
                file.flush()
            yield
        with suppress(OSError):  # NFS keeps a file that was deleted while open, and its folder
            folder.rmdir()
        return


def _lock(file: int, *, alone: bool) -> bool:
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _same(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
