"""Worker processes on this machine: a Dask cluster that ends with the process that started it.

`local_cluster` starts a program of its own, `main`, which holds the scheduler and forks the workers
from a process that has imported their modules once; `preload_workers` starts it earlier. So nothing
here imports the main module of the caller again, which may be a script without a guard, a notebook
or the standard input.
"""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import psutil

from geoseg.errors import GeosegError
from geoseg.execute.dask_client import quiet_dask
from geoseg.execute.dask_cluster import DaskCluster
from geoseg.execute.interrupts import SIGNALS, StopFlag
from geoseg.execute.resources import available_cpus

if TYPE_CHECKING:
    from distributed import LocalCluster, Nanny

log = logging.getLogger("geoseg")

_PROGRAM = "from geoseg.execute.local_cluster import main; main()"
_START_TIMEOUT = 120.0
"""Seconds that the workers may take to start; on an idle machine they take about two."""
_END_TIMEOUT = 10.0
"""Seconds that they may take to end."""
_KILL_TIMEOUT = 2.0
"""Seconds that workers may take to end when they are killed."""
_POLL_INTERVAL = 0.2
"""Seconds between two checks of the stop flag."""
_LOOPBACK = "127.0.0.1"
_MAX_PATH = 50
"""Characters of a temporary folder; the path of a socket may have about 100."""
_OOM_SCORE = "500"
"""If memory runs out, Linux ends a worker and not the process that started it."""

_preloaded: "dict[tuple[str, ...], subprocess.Popen[bytes]]" = {}
"""Programs that `preload_workers` has started, by the modules that they import."""


def preload_workers(modules: Sequence[str]) -> None:
    """Start the program that the next `local_cluster` with these modules uses.

    It imports the modules while the caller goes on, so that the workers start sooner; a single
    processor would gain nothing, so there it is not started. If it is not used, it ends with this
    process or by `discard_preloaded`.
    """
    if available_cpus() > 1:
        _preloaded[tuple(modules)] = _start_program(modules)


def discard_preloaded() -> None:
    """End the unused programs that `preload_workers` started."""
    while _preloaded:
        _, process = _preloaded.popitem()
        # This closes the standard input and waits for the end, which may take a second.
        threading.Thread(target=process.communicate, daemon=True).start()


@contextmanager
def local_cluster(
    workers: int,
    *,
    preload: Sequence[str] = (),
    defaults: Mapping[str, str] | None = None,
    stop: StopFlag | None = None,
) -> Iterator[DaskCluster]:
    """Start worker processes with one thread each; they end with the block or with this process.

    The workers ignore SIGINT, SIGTERM and SIGUSR1, and end without finishing an item. A worker that
    dies is replaced. Memory is not limited: a limit would end items that the machine has room for.
    All connections are on the loopback interface.

    Args:
        workers: number of processes, at least 1.
        preload: modules that the workers need, imported once for all of them.
        defaults: environment variables of the workers, unless this process has them.
        stop: checked while the workers start.

    Raises:
        GeosegError: if the workers do not start.
        InterruptedRun: if a stop is requested meanwhile.
    """
    stop, start = stop or StopFlag(), time.perf_counter()
    process = _preloaded.pop(tuple(preload), None) or _start_program(preload)
    reader = threading.Thread(target=_log_lines, args=(process.stderr,), daemon=True)
    reader.start()
    try:
        missing = {k: v for k, v in (defaults or {}).items() if k not in os.environ}
        _request_workers(process, workers, missing)
        from distributed import Client, Security  # while the workers start

        address = _read_address(process, stop)
        plain = Security(require_encryption=False)  # whatever clusters elsewhere need
        with quiet_dask(), Client(address, security=plain, set_as_default=False) as client:
            if log.isEnabledFor(logging.DEBUG):
                client.forward_logging("geoseg", logging.DEBUG)
            log.debug("%d worker processes, %.1f s", workers, time.perf_counter() - start)
            yield DaskCluster(client, address, wait=_START_TIMEOUT, stop=stop, local=True)
    finally:
        _end(process)
        reader.join(_KILL_TIMEOUT)


def _start_program(modules: Sequence[str]) -> "subprocess.Popen[bytes]":
    """Start the program that imports the modules and then waits for a request."""
    return subprocess.Popen(  # noqa: S603 - this interpreter
        [sys.executable, "-W", "ignore", "-c", _PROGRAM, *modules],
        stdin=subprocess.PIPE,  # it ends when this is closed, also if this process is killed
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if log.isEnabledFor(logging.DEBUG) else subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        start_new_session=True,  # Ctrl-C of the terminal does not reach it
    )


def _request_workers(
    process: "subprocess.Popen[bytes]", workers: int, environment: Mapping[str, str]
) -> None:
    """Send the number of workers to start, and their additional environment variables."""
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    request = json.dumps({"workers": workers, "environment": environment})
    with suppress(BrokenPipeError):  # it has ended: `_read_address` finds no address
        process.stdin.write(request.encode() + b"\n")
        process.stdin.flush()


def _log_lines(stderr: IO[bytes] | None) -> None:
    """Log what the program and the workers print, until they end; None if it is not wanted."""
    if stderr is None:
        return
    with stderr:
        for line in stderr:
            log.debug("worker processes: %s", line.decode("utf-8", "backslashreplace").rstrip())


def _read_address(process: "subprocess.Popen[bytes]", stop: StopFlag) -> str:
    """Return the address of the scheduler, which the program prints when the workers run."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    lines: list[bytes] = []
    read = process.stdout.readline
    reader = threading.Thread(target=lambda: lines.append(read()), daemon=True)
    reader.start()  # Windows cannot wait for a pipe for a limited time
    deadline = time.monotonic() + _START_TIMEOUT
    while reader.is_alive() and time.monotonic() < deadline:
        stop.check(" while the worker processes start")
        reader.join(_POLL_INTERVAL)
    address = lines[0].decode().strip() if lines else ""
    if address:
        return address
    raise GeosegError(
        "the worker processes did not start, see why with verbose messages (-v) or use one worker "
        "(workers=1, --workers 1)"
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the program and its workers."""
    if process.stdin is not None:
        with suppress(BrokenPipeError):  # it has ended before it could read the request
            process.stdin.close()
    try:
        process.wait(_END_TIMEOUT)
    except subprocess.TimeoutExpired:
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()  # after the end, because a thread may still read it


def main() -> None:
    """Import modules, then run a scheduler and workers until the standard input ends.

    The arguments are the modules. The first line of the standard input is the request, see
    `_request_workers`. The program prints the address of the scheduler when all workers run.
    """
    modules = sys.argv[1:]
    for name in SIGNALS:  # workers inherit this; the process that started them reacts
        if hasattr(signal, name):  # Windows has no SIGUSR1
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    with suppress(OSError):  # not Linux
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with tempfile.TemporaryDirectory(prefix="geoseg-", dir=_short_folder()) as folder:
        tempfile.tempdir = folder
        # macOS cannot fork safely, Windows not at all
        method = "spawn" if sys.platform in ("darwin", "win32") else "forkserver"
        if method == "forkserver":
            import multiprocessing.forkserver

            multiprocessing.set_forkserver_preload(["distributed.nanny", *modules])
            multiprocessing.forkserver.ensure_running()  # it imports while this process goes on
        _configure_dask(method)
        line = sys.stdin.readline()
        if not line:
            return
        nannies: list[Nanny] = []
        threading.Thread(target=_end_with_input, args=(folder, nannies), daemon=True).start()
        cluster = _start_cluster(json.loads(line), folder)
        nannies += cluster.workers.values()
        print(cluster.scheduler_address, file=answer, flush=True)
        threading.Event().wait()


def _short_folder() -> str:
    """Return a folder for temporary files whose path leaves room for that of a socket in it."""
    folder = tempfile.gettempdir()
    if sys.platform == "win32" or len(folder) <= _MAX_PATH:
        return folder
    return "/tmp"  # noqa: S108 - names are random


def _configure_dask(method: str) -> None:
    """Load Dask and set it up for short runs; ``method`` is how Python starts the workers."""
    import dask

    dask.config.refresh(paths=[], env={})  # settings of the user are for clusters elsewhere
    import distributed  # noqa: F401 - it adds its own settings

    dask.config.set(
        {
            "distributed.worker.multiprocessing-method": method,
            # Less monitoring by Dask, which takes some percent of the core of a worker.
            "distributed.admin.tick.interval": "1s",
            "distributed.admin.system-monitor.interval": "5s",
            "distributed.worker.profile.enabled": False,
            # An item that killed its worker is tried once more by `DaskCluster.map`, alone.
            "distributed.scheduler.allowed-failures": 0,
        }
    )


def _start_cluster(request: dict[str, Any], folder: str) -> "LocalCluster":
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=request["workers"], threads_per_worker=1, memory_limit=0, host=_LOOPBACK,
        env=request["environment"], local_directory=folder, dashboard_address=None,
        scheduler_kwargs={"dashboard_address": f"{_LOOPBACK}:0"},
    )  # fmt: skip


def _end_with_input(folder: str, nannies: "list[Nanny]") -> None:
    """Wait for the end of the standard input, then end this process and its workers."""
    os.read(sys.stdin.fileno(), 1)
    for nanny in nannies:
        nanny.close_gracefully()  # it does not replace its worker
    with suppress(psutil.Error, OSError):
        _kill_workers()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)  # workers that are left end now, as their connection to this process does


def _kill_workers() -> None:
    """Kill the workers and their parent, and wait for them: their time counts as the command's."""
    for parent in psutil.Process().children():
        workers = parent.children()
        for worker in workers:
            worker.kill()
        psutil.wait_procs(workers, timeout=_KILL_TIMEOUT)
        if workers:
            parent.kill()
            os.waitpid(parent.pid, 0)
