"""Files in a folder that many processes on many machines share: complete, or not there."""

import errno
import os
import re
import secrets
import shutil
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

FOREIGN_TEMP_MAX_AGE = 3600.0
"""Seconds that a temporary of another machine is left alone: its owner cannot be asked."""
_CLOCK_SKEW = 60.0
"""Seconds by which the clocks of a file server and of this machine may differ."""
_OWNED = re.compile(r"\+(?P<host>[^+]+)\+(?P<space>\d+)\+(?P<pid>\d+)\+\w+\.tmp$")


@dataclass(frozen=True, slots=True)
class TempOwner:
    """A process that other machines can tell from theirs."""

    host: str
    space: int
    """Process namespace: containers that share a host name do not share process numbers."""
    pid: int

    @classmethod
    def here(cls) -> "TempOwner":
        """This process."""
        space = "/proc/self/ns/pid"
        number = Path(space).stat().st_ino if sys.platform == "linux" else 0
        return cls(socket.gethostname().replace("+", "-"), number, os.getpid())

    @classmethod
    def of(cls, path: Path) -> "TempOwner | None":
        """Who wrote a temporary, by its name; None if it is none."""
        found = _OWNED.search(path.name)
        return cls(found["host"], int(found["space"]), int(found["pid"])) if found else None

    def lives(self, touched: float, now: float) -> bool:
        """Whether the process may still be at work on a file.

        Args:
            touched: when the file was last written (s).
            now: by the same clock (s).
        """
        here = TempOwner.here()
        if (self.host, self.space) != (here.host, here.space):
            return now - touched < FOREIGN_TEMP_MAX_AGE
        try:
            process = psutil.Process(self.pid)
            born, status = float(process.create_time()), process.status()
        except psutil.NoSuchProcess:
            return False
        # A process that is younger than the file has only inherited the number.
        return bool(status != psutil.STATUS_ZOMBIE and born <= touched + _CLOCK_SKEW)


def temporary_path(path: Path) -> Path:
    """A name beside a path that no other process or thread uses, and that tells its owner."""
    me = TempOwner.here()
    token = secrets.token_hex(4)
    return path.with_name(f"{path.name}+{me.host}+{me.space}+{me.pid}+{token}.tmp")


def write_durably(path: Path, data: bytes) -> None:
    """Write beside, sync, read back, rename: the name has the whole content or the old one.

    Raises:
        OSError: if the disk does not take it, or gives back something else.
    """
    beside = temporary_path(path)
    try:
        with beside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if hasattr(os, "posix_fadvise"):  # so that it is read from the disk, not from memory
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if beside.read_bytes() != data:
            raise OSError(errno.EIO, "it did not read back as written")
        beside.replace(path)
        _sync_folder(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def replace_durably(beside: Path, path: Path) -> None:
    """Give a finished file its name when all of it is on disk."""
    with beside.open("rb+") as file:
        os.fsync(file.fileno())
    beside.replace(path)
    _sync_folder(path.parent)


def remove_stale_temps(folder: Path) -> int:
    """Delete the temporaries of processes that are dead.

    Those of living processes stay; of another machine's, those touched in the last hour.

    Returns:
        How many were deleted.
    """
    left = [(path, owner) for path in folder.iterdir() if (owner := TempOwner.of(path)) is not None]
    if not left:
        return 0
    now, swept = _server_time(folder), 0
    for path, owner in left:
        try:
            touched = max(p.stat().st_mtime for p in (path, *path.rglob("*")))
        except OSError:  # its owner has just finished with it
            continue
        if not owner.lives(touched, now):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            swept += 1
    return swept


def _server_time(folder: Path) -> float:
    """The time by the clock that stamps the folder's files, which may be a server's."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".clock") as file:
        return os.fstat(file.fileno()).st_mtime


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a loss of power, where the system can."""
    if sys.platform == "win32":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
