"""Signals that request a stop, as a flag to check."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from geoseg.errors import InterruptedRun

SIGNALS = ("SIGINT", "SIGTERM", "SIGUSR1")
"""Of the keyboard; of a batch system that ends a job; of one before its time limit."""


class StopFlag:
    """Whether the run is to stop, and whether at once."""

    def __init__(self) -> None:
        self._stop, self._immediate = threading.Event(), threading.Event()

    def is_set(self) -> bool:
        """Whether a stop is requested: nothing new is to begin."""
        return self._stop.is_set()

    def check(self, state: str) -> None:
        """Raise `InterruptedRun` if a stop is requested; ``state`` continues "interrupted"."""
        if self.is_set():
            raise InterruptedRun(f"interrupted{state}, run the same command to go on")

    @property
    def immediate(self) -> bool:
        """Whether running chunks are to be dropped, as after Ctrl-C."""
        return self._immediate.is_set()

    def request(self, *, immediate: bool = False) -> None:
        """Request a stop."""
        if immediate:  # a second signal does not mean this: batch systems repeat signals
            self._immediate.set()
        self._stop.set()


@contextmanager
def stop_on_signal() -> Iterator[StopFlag]:
    """Yield a flag that SIGINT, SIGTERM and SIGUSR1 set, instead of ending the process."""
    stop = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    handlers = {
        number: signal.signal(number, lambda n, _: stop.request(immediate=n == signal.SIGINT))
        for number in numbers
    }
    try:
        yield stop
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
