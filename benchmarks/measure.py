"""Wall time, processor time and memory of a command, as its own process."""

import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

POLL = 0.25
"""Seconds between two readings of the memory."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a command took."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of processor, of the command and of the children that it waited for."""
    peak: float
    """Most memory that the command itself held, without its children (GB)."""
    tree_peak: float
    """Most memory that the command and its descendants held at one moment (GB)."""


def measured(
    command: Sequence[object],
    *,
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Measured:
    """Run a command to its end.

    The peak of one process is the kernel's high-water mark, read until the end: wait4 would have
    the parent's. The memory of several processes is the sum of their proportional set sizes, which
    count a page that n processes share as 1/n of a page for each.

    Args:
        command: program and arguments.
        environment: environment variables; None for those of this process.
        log: file for what the command prints; None to drop it, and to show errors.

    Raises:
        subprocess.CalledProcessError: if the command fails.
    """
    arguments = [str(part) for part in command]
    with ExitStack() as stack:
        out = subprocess.DEVNULL if log is None else stack.enter_context(log.open("wb"))
        err = None if log is None else subprocess.STDOUT
        start, before = time.perf_counter(), _cpu_of_children()
        process = subprocess.Popen(arguments, stdout=out, stderr=err, env=environment)
        peak, tree_peak = 0.0, 0.0
        while process.poll() is None:
            with suppress(OSError, IndexError):  # it has just ended
                peak = _high_water_mark(process.pid)
            tree_peak = max(tree_peak, peak, _memory_of_tree(process.pid))
            with suppress(subprocess.TimeoutExpired):
                process.wait(POLL)
        took = time.perf_counter() - start, _cpu_of_children() - before
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    return Measured(*took, peak, tree_peak)


def _cpu_of_children() -> float:
    """Seconds of processor of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _high_water_mark(pid: int) -> float:
    """Most memory that a process has held (GB)."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) / 1e6


def _memory_of_tree(pid: int) -> float:
    """Memory of a process and its descendants (GB); 0 if it has none.

    Reading it interrupts a process, and `_high_water_mark` is enough for a single one.
    """
    total = 0.0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        children = process.children(recursive=True)
        for member in [process, *children] if children else []:
            with suppress(psutil.Error, OSError):
                total += member.memory_full_info().pss / 1e9
    return total
