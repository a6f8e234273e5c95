"""Worker processes of this machine: what they compute, what kills them, and that they end."""

import logging
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import dask
import distributed
import psutil
import pytest

from geoseg.errors import GeosegError, InterruptedRun
from geoseg.execute import (
    StopFlag,
    discard_preloaded,
    local_cluster,
    preload_workers,
    send_message,
)
from tests.support.clusters import wait_for

pytestmark = pytest.mark.slow
MODULE = sys.modules["geoseg.execute.local_cluster"]


def process_of(item: int) -> int:
    time.sleep(0.1)
    return os.getpid()


def die_once(folder: Path, item: int) -> int:
    """Kill the worker of item 3, but not a second time."""
    if item == 3 and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item * item


def die(item: int) -> int:
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item * item


def send_twice(item: int) -> int:
    send_message(["half", item])
    time.sleep(0.6)
    send_message(["whole", item])
    return item


def announce(folder: Path, item: int) -> int:
    """Send a message, then work for so long that it arrives before the end."""
    send_message(item)
    (folder / f"begun-{item}").touch()
    time.sleep(3)
    (folder / f"ended-{item}").touch()
    return item


def environment(name: str) -> str | None:
    return os.environ.get(name)


@pytest.fixture(scope="module")
def cluster():
    with pytest.MonkeyPatch.context() as parent:
        parent.setenv("OMP_NUM_THREADS", "3")
        with local_cluster(2, defaults={"GEOSEG_TEST": "given"}) as cluster:
            yield cluster


def test_workers_are_processes_with_one_thread_each(cluster):
    pids = cluster.map(process_of, range(6))
    assert cluster.threads == 2
    assert len(set(pids)) == 2
    assert os.getpid() not in pids
    assert cluster.map(environment, ["GEOSEG_TEST", "OMP_NUM_THREADS"]) == ["given", "1"]


def test_a_worker_that_dies_costs_one_more_try(cluster, tmp_path, caplog):
    arrived = []
    results = cluster.map(partial(die_once, tmp_path), range(6), arrived.append)
    assert results == [0, 1, 4, 9, 16, 25]
    assert sorted(arrived) == results
    [warning] = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warning == "3 was lost with its worker, trying it alone"


def test_an_item_that_kills_every_worker_is_named_and_the_others_are_done(cluster):
    arrived = []
    with pytest.raises(
        GeosegError,
        match=r"^3: each Dask worker .* was killed.*use fewer workers or smaller chunks$",
    ):
        cluster.map(die, range(6), arrived.append)
    assert sorted(arrived) == [0, 1, 4, 16, 25]


def test_a_worker_that_dies_with_its_result_costs_one_more_try(cluster, monkeypatch):
    """Dask then finds no error of the finished task, but raises when its result is fetched."""
    fetch, lost = distributed.Future.result, []

    def lose_first(future, timeout=None):
        if not lost:
            lost.append(future)
            raise distributed.KilledWorker(future.key, None, 1)
        return fetch(future, timeout)

    monkeypatch.setattr(distributed.Future, "result", lose_first)
    assert cluster.map(abs, [-1, -2, -3]) == [1, 2, 3]
    assert len(lost) == 1


def test_messages_arrive_while_items_run(cluster):
    seen = []
    cluster.listen(lambda message: seen.append((time.monotonic(), list(message))))
    cluster.map(send_twice, [5])
    ended = time.monotonic()
    assert seen[0][1] == ["half", 5]
    assert seen[0][0] < ended - 0.2


def test_all_ports_are_on_the_loopback_interface(cluster):
    workers = cluster.map(process_of, range(4))
    server = psutil.Process(workers[0]).parent().parent()
    processes = [server, *server.children(recursive=True)]
    assert {process.pid for process in processes} > set(workers)
    ports = [c for p in processes for c in p.net_connections() if c.status == "LISTEN"]
    assert ports
    assert {port.laddr.ip for port in ports} == {"127.0.0.1"}


def announce_all(cluster, folder: Path, on_message) -> None:
    cluster.listen(on_message)
    cluster.map(partial(announce, folder), range(50))


@pytest.mark.parametrize("immediate", [False, True])
def test_a_stop_finishes_what_runs_unless_it_is_immediate(tmp_path, immediate):
    stop = StopFlag()
    with (
        pytest.raises(InterruptedRun, match=r"^interrupted, finished chunks are kept, run the"),
        local_cluster(1, stop=stop) as cluster,
    ):
        announce_all(cluster, tmp_path, lambda message: stop.request(immediate=immediate))
    begun, ended = (len(list(tmp_path.glob(f"{word}-*"))) for word in ("begun", "ended"))
    assert (begun, ended) == (1, 0 if immediate else 1)


def test_a_stop_while_the_workers_start_ends_them():
    stop, before = StopFlag(), programs()
    stop.request()
    with pytest.raises(InterruptedRun, match="while the worker processes start"):
        local_cluster(1, stop=stop).__enter__()
    assert programs() == before


def programs() -> set[int]:
    """Return the processes of this one that hold workers, or will."""
    return {
        process.pid
        for process in psutil.process_iter(["ppid", "cmdline"])
        if process.info["ppid"] == os.getpid()
        and "geoseg.execute.local_cluster" in " ".join(process.info["cmdline"] or [])
    }


def group_of(item: int) -> int:
    return os.getpgid(0)


def test_a_preloaded_program_holds_the_workers_of_one_cluster(two_processors):
    before = programs()
    preload_workers(["colorsys"])
    wait_for(lambda: programs() != before)
    [preloaded] = programs() - before
    with local_cluster(1, preload=["json"]) as other:
        assert other.map(group_of, [0]) != [preloaded]
    with local_cluster(1, preload=["colorsys"], defaults={"GEOSEG_TEST": "late"}) as cluster:
        assert cluster.map(group_of, [0]) == [preloaded]
        assert cluster.map(environment, ["GEOSEG_TEST"]) == ["late"]
    with local_cluster(1, preload=["colorsys"]) as cluster:
        assert cluster.map(group_of, [0]) != [preloaded]
    assert programs() == before


@pytest.fixture
def two_processors(monkeypatch):
    monkeypatch.setattr(MODULE, "available_cpus", lambda: 2)


def test_a_single_processor_preloads_nothing(monkeypatch):
    monkeypatch.setattr(MODULE, "available_cpus", lambda: 1)
    before = programs()
    preload_workers(["json"])
    assert MODULE._preloaded == {}
    assert programs() == before


def test_a_preloaded_program_that_is_not_used_is_discarded(two_processors):
    before = programs()
    preload_workers([])
    wait_for(lambda: programs() != before)
    discard_preloaded()
    assert MODULE._preloaded == {}
    wait_for(lambda: programs() == before)
    assert programs() == before


@pytest.fixture
def folder():
    """An empty folder with a short path, as sockets need it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


def kill_scheduler(item: int) -> None:
    os.kill(os.getpgid(0), signal.SIGKILL)
    time.sleep(60)


def test_a_killed_scheduler_ends_the_run_in_one_sentence(folder, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(folder))
    with (
        pytest.raises(InterruptedRun, match=r"^the worker processes have ended, finished work is"),
        local_cluster(1) as cluster,
    ):
        cluster.map(kill_scheduler, range(3))


def compute(seconds: float) -> None:
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass


def test_the_time_of_workers_counts_as_that_of_the_command():
    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = spent()
    with local_cluster(2) as cluster:
        cluster.map(compute, [1.25, 1.25])
    assert spent() - before > 2.5


SCRIPT = """
import os, sys, time
from geoseg.execute import local_cluster

with local_cluster(2) as cluster:
    pids = cluster.map(os.getpgid, [0])
    print(pids[0], flush=True)
    time.sleep(600)
"""


def test_workers_end_when_their_parent_is_killed(folder):
    environment = {**os.environ, "TMPDIR": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, env=environment, cwd=folder
    )
    group = int(process.stdout.readline())
    members = [p for p in psutil.process_iter() if os.getpgid(p.pid) == group]
    assert len(members) >= 4  # the scheduler, what forks the workers, two workers
    assert list(folder.iterdir()) != []
    process.kill()
    process.wait()
    process.stdout.close()
    wait_for(lambda: not any(p.is_running() and p.status() != "zombie" for p in members))
    assert list(folder.iterdir()) == []


UNUSED = """
import sys
from geoseg.execute import preload_workers

module = sys.modules["geoseg.execute.local_cluster"]
module.available_cpus = lambda: 2
preload_workers(["json"])
print(*(process.pid for process in module._preloaded.values()))
"""


def test_a_preloaded_program_ends_with_its_parent(folder):
    done = subprocess.run(
        [sys.executable, "-c", UNUSED], check=True, cwd=folder, text=True, capture_output=True,
        env={**os.environ, "TMPDIR": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    [pid] = map(int, done.stdout.split())
    wait_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")
    wait_for(lambda: not list(folder.iterdir()))
    assert list(folder.iterdir()) == []


UNGUARDED = """
from geoseg.execute import local_cluster

print("start", flush=True)
with local_cluster(1) as cluster:
    print(cluster.map(abs, [-1]))
"""


def test_a_script_from_the_standard_input_runs_once():
    """Also without a guard of its main module; tests of `classify` run such a script of a file."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-"], input=UNGUARDED, capture_output=True, text=True,
        check=True, timeout=120, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.stdout.splitlines() == ["start", "[1]"]
    assert done.stderr == ""


def test_workers_that_do_not_start_are_told(monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(GeosegError, match="the worker processes did not start"):
        local_cluster(1).__enter__()


def test_the_default_client_of_dask_is_the_callers():
    before = dask.config.get("scheduler", None)
    with local_cluster(1) as outer, local_cluster(1) as inner:
        assert [*outer.map(abs, [-1])] == [*inner.map(abs, [-1])] == [1]
        assert dask.config.get("scheduler", None) == before
        with pytest.raises(ValueError, match="No clients found"):
            distributed.default_client()
    assert dask.config.get("scheduler", None) == before
