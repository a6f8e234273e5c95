"""Signals that request a stop, as a flag to check."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

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
    with _handle(lambda number, _: stop.request(immediate=number == signal.SIGINT)):
        yield stop


@contextmanager
def stop_at_once(stop: StopFlag, state: str) -> Iterator[None]:
    """End a block at these signals themselves, because it has no work to finish or to keep.

    Args:
        stop: the flag that they set too.
        state: continues "interrupted" in the message.

    Raises:
        InterruptedRun: at a signal.
    """

    def interrupt(number: int, _: FrameType | None) -> None:
        if not stop.is_set():  # batch systems repeat signals, also while the block ends
            stop.request(immediate=number == signal.SIGINT)
            raise KeyboardInterrupt

    with _handle(interrupt):
        try:
            yield
        except KeyboardInterrupt:
            if not stop.is_set():
                raise
        stop.check(state)


@contextmanager
def _handle(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Call a function on each stop signal that arrives while the block runs.

    Only the main thread can handle signals; in other threads the block runs without it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
