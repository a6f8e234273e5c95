"""Processes that begin as copies of one that has imported what they need.

A new interpreter takes seconds of computing until torch and Dask are imported, a copy a hundredth
of one. In all else they are processes like any other: they can be killed, and have an environment,
a folder and an output of their own.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        "distributed.cli.dask_scheduler",
        "distributed.cli.dask_worker",
        "geoseg.classification",
        "geoseg.cli.commands.classify",
        "geoseg.training",
    ]
)


class Forked:
    """A process with the methods of `subprocess.Popen` that the tests need."""

    def __init__(
        self,
        function: Callable[[], None],
        arguments: list[str],
        *,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        log: Path | None = None,
    ):
        """Start it.

        Args:
            function: a program's entry point; top-level.
            arguments: of the program, its name first.
            cwd: folder to run in.
            env: environment; None for this process' own.
            log: file for both outputs; None to keep them for `communicate`.
        """
        self.args = arguments
        if log:
            log.touch()
        names = [log, log] if log else [self._new_file(), self._new_file()]
        self._outputs = [] if log else names
        self._process: ForkServerProcess = CONTEXT.Process(
            target=_run,
            args=(function, arguments, cwd or Path.cwd(), dict(env or os.environ), names),
        )
        self._process.start()
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit code, or minus the number of the signal that ended it; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Exit code, None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; `subprocess.TimeoutExpired` if it takes longer (s)."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for the end; the two outputs."""
        self.wait(timeout)
        stdout, stderr = (name.read_text() for name in self._outputs)
        return stdout, stderr

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    @staticmethod
    def _new_file() -> Path:
        handle, name = tempfile.mkstemp(prefix="output-", dir=_output_folder())
        os.close(handle)
        return Path(name)


def _output_folder() -> str:
    if not _FOLDERS:
        _FOLDERS.append(tempfile.TemporaryDirectory(prefix="geoseg-tests-"))
    return _FOLDERS[0].name


_FOLDERS: list[tempfile.TemporaryDirectory] = []


def _run(
    function: Callable[[], None],
    arguments: list[str],
    cwd: Path,
    env: dict[str, str],
    outputs: list[Path],
) -> None:
    """Become the program."""
    for number, name in enumerate(outputs, 1):
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv = arguments
    try:
        function()
    finally:
        atexit._run_exitfuncs()


def forked_ranks(script: list[object], number: int) -> list[Forked]:
    """Start a script so many times, as torchrun does, which starts an interpreter for each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "WORLD_SIZE": str(number)}
    env |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [
        Forked(
            _run_script, [*map(str, script)], env=env | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        )
        for rank in range(number)
    ]


def _run_script() -> None:
    runpy.run_path(sys.argv[0], run_name="__main__")
