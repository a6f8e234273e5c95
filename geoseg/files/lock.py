"""A lock on an output, shared or exclusive."""

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from geoseg.errors import InterruptedRun
from geoseg.files.atomic import translate_write_errors

if sys.platform != "win32":
    import fcntl


@contextmanager
def output_lock(
    file: Path, output: Path, label: str, *, exclusive: bool = True, keep: bool = False
) -> Iterator[None]:
    """Lock an output; the operating system releases the lock when the process dies.

    The lock is the kernel's (flock), which NFS carries to other machines. On a file system without
    locks, and on Windows, every process gets it.

    Args:
        file: the lock file. It is created, and gets one line for each process that had the lock.
        output: what the lock protects, for messages.
        label: what this process does, for the lock file and the messages of other processes.
        exclusive: no other process may hold the lock; otherwise other shared holders may.
        keep: leave the lock file where it is at the end; otherwise delete it if ``exclusive``.

    Raises:
        InterruptedRun: if another process holds the lock; the same command works later.
        OutputError: if the lock file cannot be written.
    """
    while True:
        with translate_write_errors(file):
            file.parent.mkdir(exist_ok=True)
            stream = file.open("a+")
        with stream:
            if not _acquire(stream.fileno(), exclusive=exclusive):
                stream.seek(0)
                last = (stream.read().splitlines() or ["another run"])[-1]
                raise InterruptedRun(
                    f"{output} is in use (last to begin: {last}), wait for that run to end or stop "
                    "it, then run the same command again"
                )
            if not _is_same_file(stream.fileno(), file):
                continue  # another process deleted the file before this one got the lock
            pid = f"pid {os.getpid()} on {socket.gethostname()}"
            stream.write(f"{time.strftime('%F %T')} {label}, {pid}\n")
            stream.flush()
            try:
                yield
            finally:
                if exclusive and not keep:
                    if sys.platform == "win32":  # it deletes no open file
                        stream.close()
                    file.unlink(missing_ok=True)
        return


def _acquire(descriptor: int, *, exclusive: bool) -> bool:
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
