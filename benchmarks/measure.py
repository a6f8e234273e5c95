"""Wall time, processor time and memory of a command, as its own process."""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil


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
    start = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    watched = psutil.Process(process.pid)
    status, kilobytes, cpu = Path(f"/proc/{process.pid}/status"), 0, 0.0
    while process.poll() is None:
        try:
            kilobytes = int(status.read_text().split("VmHWM:")[1].split()[0])
            cpu = sum(watched.cpu_times()[:4])
        except (OSError, IndexError, psutil.Error):
            pass  # it has just ended
        time.sleep(0.02)
    if process.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}")
    return Measured(time.perf_counter() - start, cpu, kilobytes / 1e6)
