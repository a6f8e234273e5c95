"""Memory that this process may use, by machine, cgroup and Slurm job."""

from collections import namedtuple

import psutil
import pytest

from geoseg.execute import available_memory, resources

GB = 10**9
VERSIONS = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}


@pytest.fixture
def cgroup(tmp_path, monkeypatch):
    """Put this process into a cgroup of a version, with a limit, used memory and page cache."""
    monkeypatch.setattr(resources, "CGROUPS", tmp_path)
    monkeypatch.setattr(resources, "OWN_CGROUPS", tmp_path / "own")
    free = namedtuple("free", "available")(64 * GB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    for unit in ("NODE", "CPU"):
        monkeypatch.delenv(f"SLURM_MEM_PER_{unit}", raising=False)

    def make(version, limit, used, cache, group="job/step"):
        line = f"0::/{group}" if version == 2 else f"4:memory:/{group}"
        (tmp_path / "own").write_text(f"9:cpuset:/other\n{line}\n")
        folder = (tmp_path if version == 2 else tmp_path / "memory") / group
        folder.mkdir(parents=True, exist_ok=True)
        texts = (str(limit), str(used), f"anon 7\n{VERSIONS[version][2]} {cache}\n")
        names = (*VERSIONS[version][:2], "memory.stat")
        for name, text in zip(names, texts, strict=True):
            (folder / name).write_text(text)

    return make


@pytest.mark.parametrize("version", VERSIONS)
def test_the_page_cache_of_a_cgroup_is_free_memory(cgroup, version):
    cgroup(version, 16 * GB, 15 * GB, 14 * GB)
    assert available_memory() == 15 * GB


@pytest.mark.parametrize("version", VERSIONS)
def test_the_smallest_limit_of_a_cgroup_and_its_parents_counts(cgroup, version):
    cgroup(version, 8 * GB, 2 * GB, 0, group="job")
    cgroup(version, 16 * GB, 1 * GB, 0)
    assert available_memory() == 6 * GB


def test_without_a_limit_the_memory_of_the_machine_counts(cgroup):
    cgroup(2, "max", 15 * GB, 0)
    assert available_memory() == 64 * GB


def test_a_full_cgroup_has_no_free_memory(cgroup):
    cgroup(2, GB, 2 * GB, 0)
    assert available_memory() == 0


@pytest.mark.parametrize(
    ("variables", "granted"),
    [
        ({"SLURM_MEM_PER_NODE": "4096"}, 4 << 30),
        ({"SLURM_MEM_PER_CPU": "2048", "SLURM_CPUS_PER_TASK": "1"}, 2 << 30),
        ({"SLURM_MEM_PER_NODE": "0"}, None),
    ],
)
def test_the_memory_of_a_slurm_job_counts(cgroup, monkeypatch, variables, granted):
    cgroup(2, "max", 0, 0)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if granted is None:
        assert available_memory() == 64 * GB
    else:
        monkeypatch.setattr(resources, "_used_memory", lambda: GB)
        assert available_memory() == granted - GB
