"""Run geoseg: read its messages and progress while it runs, and stop it."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any, Protocol

from geoseg_processing.find_command import clean_environment

RESUMABLE = 75
"""Exit code of a run that the same command continues."""
_PROGRESS = re.compile(r"^geoseg: [\d,]+ of [\d,]+ .*?\((\d+)%\)")
_WARNING = re.compile(r"^geoseg: (?:warning|error): ")
_POLL = 0.1
"""Seconds between two looks at whether the user cancelled."""
_PATIENCE = 120.0
"""Seconds to end in after a cancel; a chunk may be in the middle of its computation."""
_LAST_LINES = 50


class Feedback(Protocol):
    """What is used of `QgsProcessingFeedback`."""

    def isCanceled(self) -> bool:  # noqa: N802 - of QGIS
        """Whether the user pressed Cancel."""

    def setProgress(self, percent: float) -> None:  # noqa: N802 - of QGIS
        """Show a percentage."""

    def pushInfo(self, text: str) -> None:  # noqa: N802 - of QGIS
        """Show a message."""

    def pushWarning(self, text: str) -> None:  # noqa: N802 - of QGIS
        """Show a warning."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    """Exit code; below 0 the number of the signal that ended it."""
    sentence: str
    """Its last message, without "geoseg: "."""
    cancelled: bool
    """Whether the user cancelled it."""


def run(command: Sequence[str], feedback: Feedback, patience: float = _PATIENCE) -> Ended:
    """Run a command to its end, or until the user cancels; then it may end by itself.

    Args:
        command: path of geoseg and its arguments.
        feedback: gets progress and messages, and says whether the user cancelled.
        patience: seconds after which a cancelled command is killed.

    Raises:
        OSError: if the command cannot be started.
    """
    process = subprocess.Popen(  # noqa: S603 - without a shell
        list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=clean_environment(os.environ, command[0]), text=True, encoding="utf-8",
        errors="replace", **_own_group(),
    )  # fmt: skip
    lines: queue.Queue[str | None] = queue.Queue()
    for stream in (process.stdout, process.stderr):
        threading.Thread(target=_read, args=(stream, lines), daemon=True).start()
    last: list[str] = []
    cancelled, deadline, open_streams = False, float("inf"), 2
    while open_streams:
        if feedback.isCanceled() and not cancelled:
            cancelled, deadline = True, time.monotonic() + patience
            feedback.pushInfo("Stopping; this may take until the current step is finished.")
            interrupt(process)
        if time.monotonic() > deadline:
            _kill(process)
            deadline = float("inf")
        try:
            line = lines.get(timeout=_POLL)
        except queue.Empty:
            continue
        if line is None:
            open_streams -= 1
        elif line.strip():
            last = [*last[-_LAST_LINES:], line]
            show(line, feedback)
    return Ended(process.wait(), last_sentence(last), cancelled)


def show(line: str, feedback: Feedback) -> None:
    """Give one line of geoseg to QGIS: as progress, as a warning or as a message."""
    progress = _PROGRESS.match(line)
    if progress:
        feedback.setProgress(float(progress.group(1)))
    if _WARNING.match(line):
        feedback.pushWarning(_WARNING.sub("", line))
    else:
        feedback.pushInfo(line.removeprefix("geoseg: "))


def last_sentence(lines: Sequence[str]) -> str:
    """Return the sentence with which a command refuses, among its last lines."""
    for line in reversed(lines):
        if line.startswith("geoseg: ") and not _PROGRESS.match(line):
            return line.removeprefix("geoseg: ")
        if line.startswith("Error: "):  # of a wrong option
            return line.removeprefix("Error: ")
    return lines[-1] if lines else ""


def interrupt(process: subprocess.Popen[str]) -> None:
    """Ask a process of `run`, and those that it started, to stop, as Ctrl-C does."""
    try:
        if sys.platform == "win32":
            process.send_signal(signal.CTRL_BREAK_EVENT)
        else:
            os.killpg(process.pid, signal.SIGINT)
    except ProcessLookupError:
        pass  # it has ended
    except OSError:  # Windows: QGIS has no console to send it from; finished chunks are kept
        process.terminate()


def _kill(process: subprocess.Popen[str]) -> None:
    try:
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it has ended


def _own_group() -> dict[str, Any]:
    """Return the arguments of `Popen` for a group of its own, so that signals reach it alone."""
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        return {"creationflags": flags}
    return {"start_new_session": True}


def _read(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    """Put the lines of a stream into a queue, then None, and close it."""
    with stream:
        for line in stream:
            lines.put(line.rstrip("\n"))
    lines.put(None)
