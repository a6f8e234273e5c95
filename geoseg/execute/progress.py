"""Progress of long work, reported by a callback."""

import threading
from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called as work is done: what is counted ("windows"), how many are done so far, how many in all.

The first call of each kind of work has 0 done, and the number done never falls. Calls come from any
thread, one at a time.
"""


class ProgressCounter:
    """Counts what is done and reports it; safe to share between threads."""

    def __init__(self, progress: Progress | None, unit: str, total: int) -> None:
        """Start at 0 and report it.

        Args:
            progress: the callback; None to report nothing.
            unit: what is counted, in the plural.
            total: how many there are.
        """
        self._progress, self._unit, self._total = progress, unit, total
        self._done, self._lock = 0, threading.Lock()
        self.add(0)

    def add(self, count: int = 1) -> None:
        """Report that ``count`` more are done."""
        if self._progress is None:
            return
        with self._lock:
            self._done += count
            self._progress(self._unit, self._done, self._total)
