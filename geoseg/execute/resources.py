"""What this process may use: processors and memory, by machine, cgroup and job."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

CGROUPS = Path("/sys/fs/cgroup")
_LIMIT_FILES = (
    ("memory.max", "memory.current"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes"),
)
"""Files of version 2 and of version 1."""


def available_cpus() -> int:
    """Processors this process may use, by affinity, cgroup and Slurm."""
    from dask.system import CPU_COUNT  # loads in a fifth of a second

    granted = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return min(int(CPU_COUNT), int(granted)) if granted.isdigit() else int(CPU_COUNT)


def available_memory() -> int:
    """Bytes that can still be allocated, by the machine, by its cgroups and by Slurm."""
    rooms = [int(psutil.virtual_memory().available)]
    rooms += [limit - used for limit, used in _cgroup_limits()]
    granted = _slurm_memory()
    if granted is not None:
        rooms.append(granted - psutil.Process().memory_info().rss)
    return max(0, min(rooms))


def _slurm_memory() -> int | None:
    """Bytes that Slurm granted this task's job on this node, whether it enforces them or not."""
    per_node, per_core = (
        os.environ.get(f"SLURM_MEM_PER_{what}", "") for what in ("NODE", "CPU")
    )  # fmt: skip
    if per_node.isdigit() and int(per_node):  # 0 is all of the node
        return int(per_node) << 20
    return int(per_core) * available_cpus() << 20 if per_core.isdigit() and int(per_core) else None


def _cgroup_limits() -> Iterator[tuple[int, int]]:
    """(limit, used) in bytes of this process's cgroups and of those above them."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = CGROUPS / "memory" if controllers else CGROUPS
        own = root / place.lstrip("/")
        for folder in (own, *own.parents):
            if not folder.is_relative_to(root):
                break
            for limit, used in _LIMIT_FILES:
                try:
                    yield int((folder / limit).read_text()), int((folder / used).read_text())
                except (OSError, ValueError):  # not of this version, or no limit ("max")
                    continue
