"""What the commands say while they work: log lines, and progress bars or plain lines."""

import logging
import sys
import threading
import time
import warnings

from tqdm import tqdm

from geoseg.errors import redact


def set_up(*, quiet: bool, verbose: bool) -> None:
    """Send geoseg's log to stderr, and keep libraries' warnings out of it."""
    level = logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    log = logging.getLogger("geoseg")
    log.handlers[:] = [handler]
    log.setLevel(level)
    log.propagate = False
    if not verbose:
        warnings.simplefilter("ignore")
        logging.getLogger("rasterio").setLevel(logging.CRITICAL)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        return redact(f"geoseg: {prefix}{record.getMessage()}")


class Progress:
    """Done of total, with rate and time left: a bar on a terminal, plain lines elsewhere.

    Called from several threads at once.

    Args:
        unit: what is counted, in the plural.
        quiet: say nothing.
        seconds: least time between two plain lines.
    """

    def __init__(self, unit: str, *, quiet: bool, seconds: float = 10.0) -> None:
        self._unit, self._quiet, self._seconds = unit, quiet, seconds
        self._lock = threading.Lock()
        self._done = 0
        self._start = self._last = time.monotonic()
        self._bar: tqdm[object] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Add ``done`` to what is done of ``total``."""
        if self._quiet:
            return
        with self._lock:
            self._done += done
            if sys.stderr.isatty():
                self._show_bar(done, total)
            else:
                self._print_line(total)

    def say(self, line: str) -> None:
        """Print a line, above the bar if there is one."""
        with self._lock:
            tqdm.write(f"geoseg: {line}", file=sys.stderr)

    def close(self) -> None:
        """Finish the bar's line."""
        if self._bar is not None:
            self._bar.close()

    def _show_bar(self, done: int, total: int) -> None:
        if self._bar is None:
            self._bar = tqdm(total=total, unit=f" {self._unit}", smoothing=0.05, dynamic_ncols=True)
        self._bar.update(done)

    def _print_line(self, total: int) -> None:
        now = time.monotonic()
        if self._done < total and now - self._last < self._seconds:
            return
        self._last = now
        rate = self._done / max(now - self._start, 1e-9)
        left = (total - self._done) / rate if rate else 0
        print(  # noqa: T201 - this is the command line's own voice
            f"geoseg: {self._done:,} of {total:,} {self._unit} ({self._done / total:.0%}), "
            f"{rate:.1f} {self._unit}/s, {int(left) // 60}:{int(left) % 60:02d} left",
            file=sys.stderr, flush=True,
        )  # fmt: skip
