"""Real Dask schedulers and workers, in processes of their own."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import Forked

NANNY = {"DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD": "forkserver"}
"""A nanny's workers are copies of the same process as itself."""
TLS = ("--tls-ca-file", "--tls-cert", "--tls-key")


class DaskProcesses:
    """A scheduler, and workers that can be added and killed.

    ``file`` is the scheduler file, ``address`` the address in it; ``tls`` are the files of
    authority, certificate and key.
    """

    def __init__(self, folder: Path, tls: tuple[Path, Path, Path] | None = None):
        self.folder, self.file = folder, folder / "scheduler.json"
        protocol = ("--protocol", "tls" if tls else "tcp")
        pairs = zip(TLS, tls or (), strict=False)
        self.common = [*protocol, *(str(x) for pair in pairs for x in pair)]
        self.common += ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(self.file)]
        self.workers: list[Forked] = []
        self.scheduler = self._start(
            "scheduler", "--port", "0", "--dashboard-address", "127.0.0.1:0"
        )
        wait_for(lambda: self.file.exists() and self.file.stat().st_size)
        self.address: str = json.loads(self.file.read_text())["address"]

    def add(self, *more: str, nanny: bool = False) -> Forked:
        """Start a worker with one thread."""
        kind = "--nanny" if nanny else "--no-nanny"
        space = ("--local-directory", str(self.folder))
        worker = self._start("worker", "--nthreads", "1", kind, *space, *more)
        self.workers.append(worker)
        return worker

    def close(self) -> None:
        """End all processes, the scheduler last: workers without a scheduler wait for it."""
        for process in (*self.workers, self.scheduler):
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, kind: str, *more: str) -> Forked:
        log = self.folder / f"{kind}-{time.monotonic_ns()}.log"
        arguments = ["dask", kind, *self.common, *more]
        return Forked(_dask_main, arguments, cwd=self.folder, env=os.environ | NANNY, log=log)


def _dask_main() -> None:
    import dask
    from dask.cli import run_cli

    dask.config.refresh()  # the environment is another than when Dask was imported
    run_cli()


@contextmanager
def dask_processes(folder: Path, **kwargs) -> Iterator[DaskProcesses]:
    """A scheduler that ends with the test."""
    folder.mkdir(exist_ok=True)
    processes = DaskProcesses(folder, **kwargs)
    try:
        yield processes
    finally:
        processes.close()


def wait_for(condition, seconds: float = 60, pause: float = 0.02) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(pause)
