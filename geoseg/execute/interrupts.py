"""Signals that ask a run to end, as a value to look at."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = ("SIGINT", "SIGTERM", "SIGUSR1")
"""From the keyboard; from a batch system that wants the place; from one whose time runs out."""


class StopFlag:
    """Whether the run was asked to end, and how soon."""

    def __init__(self) -> None:
        self._asked, self._at_once = threading.Event(), threading.Event()

    def is_set(self) -> bool:
        """Whether it was asked: nothing new is to be begun."""
        return self._asked.is_set()

    @property
    def at_once(self) -> bool:
        """Whether what is at work is to be dropped, as from the keyboard."""
        return self._at_once.is_set()

    def ask(self, *, at_once: bool = False) -> None:
        """Ask for the end."""
        if at_once:  # not at the second time: batch systems repeat themselves
            self._at_once.set()
        self._asked.set()


@contextmanager
def stop_on_signal() -> Iterator[StopFlag]:
    """What SIGINT, SIGTERM and SIGUSR1 ask, instead of ending the process midway."""
    stop = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    before = {
        n: signal.signal(n, lambda given, _: stop.ask(at_once=given == signal.SIGINT))
        for n in numbers
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
