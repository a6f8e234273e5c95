"""Processors and memory that this process may use, by machine, cgroup and Slurm job."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

OWN_CGROUPS = Path("/proc/self/cgroup")
CGROUPS = Path("/sys/fs/cgroup")
_MEMORY_FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Files of the limit and of the used memory, and the line of memory.stat with the page cache that
Linux can reuse; of cgroup version 2 and of version 1."""


def available_cpus() -> int:
    """Number of processors that this process may use, by affinity, cgroup and Slurm."""
    from dask.system import CPU_COUNT  # takes 0.2 s to load

    granted = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return min(int(CPU_COUNT), int(granted)) if granted.isdigit() else int(CPU_COUNT)


def available_memory() -> int:
    """Bytes that can still be allocated, by machine, cgroups and Slurm."""
    limits = [int(psutil.virtual_memory().available)]
    limits += [limit - used for limit, used in _cgroup_limits()]
    granted = _slurm_memory()
    if granted is not None:
        limits.append(granted - _used_memory())
    return max(0, min(limits))


def total_memory() -> int:
    """Bytes of memory that this process could use if nothing else ran, by machine and cgroups."""
    limits = [limit for limit, _ in _cgroup_limits()]
    return min([int(psutil.virtual_memory().total), *limits])


def _used_memory() -> int:
    """Bytes of memory that this process uses."""
    return int(psutil.Process().memory_info().rss)


def _slurm_memory() -> int | None:
    """Bytes that Slurm granted the job on this node, whether it enforces them or not."""
    per_node, per_core = (
        os.environ.get(f"SLURM_MEM_PER_{unit}", "") for unit in ("NODE", "CPU")
    )  # fmt: skip
    if per_node.isdigit() and int(per_node):  # 0 means all of the node
        return int(per_node) << 20
    return int(per_core) * available_cpus() << 20 if per_core.isdigit() and int(per_core) else None


def _cgroup_limits() -> Iterator[tuple[int, int]]:
    """Yield (limit, used) in bytes of the cgroups of this process and of their parents.

    As in Docker and Kubernetes, used memory is without the page cache that Linux can reuse at once:
    after a large file was read, it may be nearly all of the limit.
    """
    try:
        lines = OWN_CGROUPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, cgroup = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = CGROUPS / "memory" if controllers else CGROUPS
        group = root / cgroup.lstrip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(root):
                break
            for limit, used, cache in _MEMORY_FILES:
                try:
                    total = int((folder / limit).read_text())
                    lines_of_stat = (folder / "memory.stat").read_text().splitlines()
                    stat = dict(line.split() for line in lines_of_stat)
                    yield total, int((folder / used).read_text()) - int(stat[cache])
                except (OSError, ValueError, LookupError):  # another version, or no limit ("max")
                    continue
