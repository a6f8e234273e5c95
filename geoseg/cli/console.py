"""Output of the commands on stderr: log lines, and progress bars or progress lines."""

import logging
import sys
import time
import warnings

from tqdm import tqdm

from geoseg.errors import redact


def setup_logging(*, quiet: bool, verbose: bool) -> None:
    """Send the log of geoseg to stderr.

    Args:
        quiet: print only warnings and errors.
        verbose: print debug messages too, and the warnings of libraries.
    """
    level = logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO
    handler = logging.StreamHandler(_StreamAboveBar())
    handler.setFormatter(_Formatter())
    log = logging.getLogger("geoseg")
    log.handlers[:] = [handler]
    log.setLevel(level)
    log.propagate = False
    if not verbose:
        warnings.simplefilter("ignore")
        logging.getLogger("rasterio").setLevel(logging.CRITICAL)


class _StreamAboveBar:
    """A text stream to stderr that prints above a visible progress bar."""

    def write(self, text: str) -> None:
        tqdm.write(text, file=sys.stderr, end="")

    def flush(self) -> None:
        sys.stderr.flush()


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        return redact(f"geoseg: {prefix}{record.getMessage()}")


class ProgressBar:
    """Progress with rate and remaining time: a bar on a terminal, lines of text elsewhere.

    It is a `geoseg.execute.Progress`; each new unit starts a new bar.

    Args:
        quiet: print nothing.
        seconds: minimum time between two lines of text (s).
    """

    def __init__(self, *, quiet: bool, seconds: float = 10.0) -> None:
        self._quiet, self._seconds = quiet, seconds
        self._unit = ""
        self._start = self._last = time.monotonic()
        self._bar: tqdm[object] | None = None

    def __call__(self, unit: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` units are done."""
        if self._quiet:
            return
        if unit != self._unit:
            self.close()
            self._unit, self._start = unit, time.monotonic()
            self._last = self._start
        if sys.stderr.isatty():
            self._show_bar(done, total)
        elif done:
            self._print_line(done, total)

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        tqdm.write(f"geoseg: {line}", file=sys.stderr)

    def close(self) -> None:
        """Remove the bar, and leave its last state as a line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _show_bar(self, done: int, total: int) -> None:
        if self._bar is None:
            unit = f" {self._unit}"
            self._bar = tqdm(total=total, unit=unit, smoothing=0.05, dynamic_ncols=True)
        self._bar.update(done - self._bar.n)

    def _print_line(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done < total and now - self._last < self._seconds:
            return
        self._last = now
        rate = done / max(now - self._start, 1e-9)
        remaining = int((total - done) / rate)
        print(  # noqa: T201 - the output of the command line
            f"geoseg: {done:,} of {total:,} {self._unit} ({done / total:.0%}), "
            f"{rate:.1f} {self._unit}/s, {remaining // 60}:{remaining % 60:02d} left",
            file=sys.stderr, flush=True,
        )  # fmt: skip
