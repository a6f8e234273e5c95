"""Progress of long work, reported to a callback."""

import threading
from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the unit ("windows"), the number done so far and the total.

The first call for a unit has 0 done, and the number done never falls. Calls come from any thread,
one at a time.
"""


class ProgressCounter:
    """Counts the units that are done and reports them; threads may share it."""

    def __init__(self, progress: Progress | None, unit: str, total: int) -> None:
        """Start at 0 of ``total`` and report it; ``unit`` is a plural noun."""
        self._progress, self._unit, self._total = progress, unit, total
        self._done, self._lock = 0, threading.Lock()
        self.add(0)

    def add(self, count: int = 1) -> None:
        """Count ``count`` more units as done, and report it."""
        if self._progress is None:
            return
        with self._lock:
            self._done += count
            self._progress(self._unit, self._done, self._total)
