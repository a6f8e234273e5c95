"""The command line, in a process of its own or in this one."""

import io
import logging
import resource
import signal
import subprocess
import warnings
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest

from geoseg.cli import main
from tests.support.processes import Forked


def start(
    *args: object, limit: int | None = None, processes: bool = False, **kwargs: Any
) -> Forked:
    """Start geoseg; ``limit``: largest file that it may write (bytes).

    ``processes``: no scene is so small that it is computed in threads.
    """
    program = partial(_limited_main, limit) if limit else main
    if processes:
        program = _main_with_processes
    return Forked(program, ["geoseg", *map(str, args)], **kwargs)


def _limited_main(limit: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    main()


def _main_with_processes() -> None:
    from geoseg.classification import job

    job.SMALL_PIXELS = 0
    main()


def geoseg(*args: object, **kwargs: Any) -> subprocess.CompletedProcess:
    """Run geoseg to its end."""
    return ended(start(*args, **kwargs))


def here(*args: object) -> subprocess.CompletedProcess:
    """Run geoseg in this process, which has loaded all it needs."""
    stdout, stderr = io.StringIO(), io.StringIO()
    log = logging.getLogger("geoseg")
    before = log.handlers[:], log.level, log.propagate
    try:
        with (
            patch("sys.argv", ["geoseg", *map(str, args)]),
            warnings.catch_warnings(),
            redirect_stdout(stdout),
            redirect_stderr(stderr),
            pytest.raises(SystemExit) as end,
        ):
            main()
    finally:
        log.handlers[:], log.propagate = before[0], before[2]
        log.setLevel(before[1])
    code = end.value.code or 0
    return subprocess.CompletedProcess(args, code, stdout.getvalue(), stderr.getvalue())


def ended(process: Forked) -> subprocess.CompletedProcess:
    """Wait for a process that `start` began."""
    stdout, stderr = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def refused(done: subprocess.CompletedProcess, code: int = 1) -> str:
    """The one sentence of a refusal."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    sentence = done.stderr.strip().splitlines()[-1]
    assert sentence.startswith("geoseg: ")
    return sentence
