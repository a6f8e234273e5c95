"""Functions on a real Dask cluster: what comes back, and what happens when parts of it die."""

import os
import signal
import subprocess
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from geoseg.errors import ChunkError, GeosegError, InterruptedRun
from geoseg.execute import StopFlag, connect
from tests.support.clusters import dask_processes, wait_for

Client = pytest.importorskip("distributed").Client
pytestmark = pytest.mark.slow


def note(folder: Path, item: int) -> int:
    """Tell that an item is at work, then work a little."""
    (folder / f"{item}-{os.getpid()}-{time.monotonic_ns()}").touch()
    time.sleep(0.05)
    return item * item


def poison(folder: Path, item: int) -> int:
    """Kill the worker with item 7; the others are its bystanders."""
    if item == 7:
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGKILL)
    return note(folder, item)


def stumble(folder: Path, item: int) -> int:
    """Fail twice with an error that may pass."""
    if len(list(folder.glob(f"{item}-*"))) < 2:
        note(folder, item)
        raise ChunkError(f"item {item} stumbled", retryable=True)
    return note(folder, item)


def fail(item: int) -> int:
    """Fail for good."""
    if item == 3:
        raise ChunkError("item 3 is wrong")
    return item


@pytest.fixture
def done(tmp_path) -> Path:
    folder = tmp_path / "done"
    folder.mkdir()
    return folder


def test_results_come_in_the_order_of_the_items_from_all_workers(dask, done):
    dask.add(), dask.add()
    arrived = []
    with connect(str(dask.file)) as cluster:
        results = cluster.map(partial(note, done), range(20), arrived.append)
    assert results == [item * item for item in range(20)]
    assert sorted(arrived) == results
    assert len({p.name.split("-")[1] for p in done.iterdir()}) == 2


def test_no_more_is_in_flight_than_the_workers_need(dask, done):
    dask.add()
    submitted, counts = [], []

    class Items(list):
        """The cluster takes an item when it submits it."""

        def __getitem__(self, index):
            submitted.append(index)
            return super().__getitem__(index)

    with connect(str(dask.file)) as cluster:
        cluster.map(partial(note, done), Items(range(30)), lambda _: counts.append(len(submitted)))
    assert counts[0] == 2
    assert len(counts) == 30
    assert all(count <= n + 2 for n, count in enumerate(counts))


def test_a_killed_worker_costs_nothing_but_what_it_was_at(dask, done):
    victim, _ = dask.add(), dask.add()

    def kill() -> None:
        wait_for(lambda: any(f"-{victim.pid}-" in p.name for p in done.iterdir()))
        victim.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with connect(str(dask.file)) as cluster:
        assert cluster.map(partial(note, done), range(30)) == [i * i for i in range(30)]
    killer.join()
    assert len(list(done.iterdir())) <= 30 + 3


def test_an_item_that_kills_its_workers_is_named_and_takes_no_other_with_it(dask, done):
    dask.add(nanny=True), dask.add(nanny=True)
    arrived = []
    with (
        pytest.raises(GeosegError, match=r"^7: each Dask worker that ran it was killed"),
        connect(str(dask.file)) as cluster,
    ):
        cluster.map(partial(poison, done), range(12), arrived.append)
    assert sorted(arrived) == sorted(i * i for i in range(12) if i != 7)


def test_what_may_pass_is_tried_again_and_what_may_not_is_not(dask, done):
    dask.add()
    with connect(str(dask.file)) as cluster:
        assert cluster.map(partial(stumble, done), [1, 2]) == [1, 4]
        with pytest.raises(ChunkError, match="item 3 is wrong"):
            cluster.map(fail, range(5))


def test_a_killed_scheduler_ends_the_run_in_one_sentence(dask, done):
    dask.add()

    def kill() -> None:
        wait_for(lambda: len(list(done.iterdir())) > 2)
        dask.scheduler.kill()

    threading.Thread(target=kill).start()
    start = time.monotonic()
    with (
        pytest.raises(InterruptedRun, match=r"scheduler at .* is gone.*run the same command"),
        connect(str(dask.file)) as cluster,
    ):
        cluster.map(partial(note, done), range(1000))
    assert time.monotonic() - start < 60


def test_a_scheduler_that_is_lost_while_workers_are_counted_is_gone(dask, done, monkeypatch):
    """Dask's client then knows a scheduler without workers, not even an empty list of them."""
    dask.add()
    monkeypatch.setattr("geoseg.execute.dask_cluster._REFRESH_INTERVAL", 0)
    with connect(str(dask.file)) as cluster:
        monkeypatch.setattr("distributed.Client.scheduler_info", lambda *_, **__: {})
        with pytest.raises(InterruptedRun, match=r"scheduler at .* is gone"):
            cluster.map(partial(note, done), range(3))


def test_a_scheduler_that_gets_no_workers_is_given_up(dask, done):
    with Client(dask.address):  # it answers
        start = time.monotonic()
    with (
        pytest.raises(InterruptedRun, match=r"no Dask worker at .* for 2 s"),
        connect(str(dask.file), wait=2),
    ):
        pass
    assert 2 < time.monotonic() - start < 20


def test_workers_that_leave_for_good_are_given_up_and_new_ones_are_waited_for(dask, done):
    dask.add()
    with Client(dask.address) as client:
        client.wait_for_workers(1)
    with connect(str(dask.file), wait=3) as cluster:

        def replace() -> None:
            wait_for(lambda: len(list(done.iterdir())) > 2)
            dask.workers[0].terminate()
            dask.workers[0].wait()
            dask.add()
            wait_for(lambda: len(list(done.iterdir())) > 22)
            dask.workers[1].kill()

        thread = threading.Thread(target=replace)
        thread.start()
        arrived = []
        with pytest.raises(InterruptedRun, match=r"no Dask worker at .* for 3 s"):
            cluster.map(partial(note, done), range(1000), arrived.append)
        thread.join()
    assert len(arrived) > 10


def test_gpus_are_taken_one_by_one_where_workers_declare_them(dask, done):
    plain = dask.add()
    dask.add("--resources", "GPU=1", "--nthreads", "4")
    with Client(dask.address) as client:
        client.wait_for_workers(2)
    with connect(str(dask.file)) as cluster:
        assert cluster.threads == 1
        cluster.map(partial(note, done), range(8))
    assert not [p for p in done.iterdir() if f"-{plain.pid}-" in p.name]


def test_asking_to_stop_ends_it_soon(dask, done):
    dask.add()
    stop = StopFlag()
    with (
        pytest.raises(InterruptedRun, match="the workers finish the running tasks"),
        connect(str(dask.file), stop=stop) as cluster,
    ):
        cluster.map(partial(note, done), range(1000), lambda _: stop.request())
    assert len(list(done.iterdir())) < 100


def test_a_scheduler_file_may_come_late_and_is_empty_at_first(tmp_path, done):
    late = tmp_path / "late" / "scheduler.json"
    late.parent.mkdir()
    for make in (lambda: None, late.touch):
        make()
        with pytest.raises(GeosegError, match="no scheduler file"):
            connect(str(late), wait=0.3).__enter__()
    results = []

    def use() -> None:
        with connect(str(late), wait=30) as cluster:
            results.extend(cluster.map(partial(note, done), [2]))

    thread = threading.Thread(target=use)
    thread.start()
    with dask_processes(late.parent) as processes:
        processes.add()
        thread.join(60)
    assert results == [4]


@pytest.mark.parametrize("text", ["label,name", "[]", '{"workers": {}}'])
def test_another_file_than_a_schedulers_is_told(tmp_path, text):
    file = tmp_path / "other.json"
    file.write_text(text)
    with pytest.raises(GeosegError, match=r"other\.json is no file of a Dask scheduler"):
        connect(str(file)).__enter__()


def test_waiting_for_a_scheduler_file_can_be_interrupted(tmp_path):
    stop = StopFlag()
    stop.request()
    with pytest.raises(InterruptedRun, match="waiting for the scheduler file"):
        connect(str(tmp_path / "never.json"), stop=stop).__enter__()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> tuple[Path, Path]:
    """Two authorities, each one file with key and certificate."""
    folder = tmp_path_factory.mktemp("tls")
    for name in ("ours", "strangers"):
        made = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
             "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
             "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"],
            capture_output=True, check=False,
        )  # fmt: skip
        if made.returncode:
            pytest.skip("openssl made no certificate")
    return folder / "ours.pem", folder / "strangers.pem"


def trusted(certificate: Path) -> dict[str, str]:
    """Dask's configuration for a client with this certificate."""
    tls = {"ca-file": certificate, "client.cert": certificate}
    tls["client.key"] = certificate.with_suffix(".key")
    return {f"distributed.comm.tls.{key}": str(path) for key, path in tls.items()}


def test_tls_lets_friends_in_and_strangers_not(tmp_path, done, certificates):
    import dask as dask_package

    ours, strangers = certificates
    with dask_processes(tmp_path / "d", tls=(ours, ours, ours.with_suffix(".key"))) as processes:
        processes.add()
        address = processes.address
        assert address.startswith("tls://")
        with dask_package.config.set(trusted(ours)), connect(address) as cluster:
            assert cluster.map(partial(note, done), range(3)) == [0, 1, 4]
        with pytest.raises(GeosegError, match="tls:// needs certificates"):
            connect(address).__enter__()
        with (
            dask_package.config.set(trusted(strangers)),
            dask_package.config.set({"distributed.comm.timeouts.connect": "2s"}),
            pytest.raises(GeosegError, match="no Dask scheduler at tls://"),
        ):
            connect(address).__enter__()
