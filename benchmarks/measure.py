"""Wall time, processor time and memory of a command, as its own process."""

import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Measured:
    """What a command took."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of processor, of the command and of the children that it waited for."""
    peak: float
    """Most memory that the command itself held, without its children (GB)."""


def measured(command: Sequence[object]) -> Measured:
    """Run a command to its end; a failure ends the benchmark.

    The peak is the kernel's high-water mark, read until the end: wait4 would have the parent's.
    """
    start, before = time.perf_counter(), _children()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    status, kilobytes = Path(f"/proc/{process.pid}/status"), 0
    while process.poll() is None:
        with suppress(OSError, IndexError):  # it has just ended
            kilobytes = int(status.read_text().split("VmHWM:")[1].split()[0])
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
    if process.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}")
    return Measured(time.perf_counter() - start, _children() - before, kilobytes / 1e6)


def _children() -> float:
    """Seconds of processor of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
