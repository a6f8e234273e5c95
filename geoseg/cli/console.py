"""Output of the commands: results on stdout; log lines and progress on stderr and in a log file."""

import errno
import logging
import shlex
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from tqdm import tqdm

from geoseg.errors import GeosegError, InterruptedRun, OutputError, redact, root_message
from geoseg.files import json_text
from geoseg.version import __version__

log = logging.getLogger("geoseg")

_LIBRARIES = ("py.warnings", "rasterio")
"""Loggers of the warnings of Python and of GDAL."""


@dataclass(frozen=True, slots=True)
class Console:
    """What a command prints, and where: its result on stdout, all else on stderr."""

    quiet: bool = False
    """Print only warnings and errors, and results that are the purpose of the command."""
    verbose: bool = False
    """Print debug messages too, and the warnings of libraries."""
    as_json: bool = False
    """Print the result as JSON."""
    log_file: str | None = None
    """File to which all log records are appended; None for no file."""

    def print_result(
        self, data: object, text: str | None, notes: Sequence[str] = (), *, always: bool = False
    ) -> None:
        """Print the result of the command on stdout, as JSON or in words, and notes on stderr.

        Args:
            data: the result as plain data.
            text: the result in words; None prints nothing.
            notes: limits of the result, one sentence each, without a full stop.
            always: print the words also if the command is to be quiet.
        """
        if self.as_json:
            text = json_text(data)
        elif self.quiet and not always:
            text = None
        if text is not None:  # single surrogates in names of files cannot be encoded
            click.echo(text.encode("utf-8", "backslashreplace").decode())
        for note in notes:
            log.warning("%s", note)

    @contextmanager
    def progress(self, seconds: float = 10.0) -> Iterator["ProgressBar"]:
        """Yield a `ProgressBar` that ends with the block; ``seconds`` as there."""
        bar = ProgressBar(quiet=self.quiet, seconds=seconds)
        try:
            yield bar
        finally:
            bar.close()

    @contextmanager
    def logging_on(self) -> Iterator[None]:
        """Send the log of geoseg to stderr and to the log file, until the end of the block.

        An error that ends the block is written to the log file; the caller prints it.

        Raises:
            OutputError: if the log file cannot be written.
        """
        terminal = logging.StreamHandler(_StreamAboveBar())
        terminal.setFormatter(_TerminalFormatter())
        level = logging.DEBUG if self.verbose else logging.INFO
        terminal.setLevel(logging.WARNING if self.quiet else level)
        if not self.verbose:  # libraries may lend their loggers these handlers
            terminal.addFilter(logging.Filter("geoseg"))
        file = None if self.log_file is None else _open_log_file(self.log_file)
        handlers = [terminal] if file is None else [terminal, file]
        with _handlers(handlers, details=self.verbose or file is not None):
            log.debug("geoseg %s: %s", __version__, shlex.join(["geoseg", *sys.argv[1:]]))
            try:
                yield
            except BaseException as error:
                if file is not None:
                    log.handlers[:] = [file]
                    _log_end(error)
                raise


@contextmanager
def _handlers(handlers: Sequence[logging.Handler], *, details: bool) -> Iterator[None]:
    """Give the loggers of geoseg and of libraries these handlers, until the end of the block.

    Args:
        handlers: each has its own level; they are closed at the end.
        details: whether one of them takes debug messages and the warnings of libraries.
    """
    libraries = [logging.getLogger(name) for name in _LIBRARIES]
    loggers = [log, *libraries]
    before = [(item.handlers[:], item.level, item.propagate) for item in loggers]
    raising = logging.raiseExceptions
    logging.raiseExceptions = False  # a full disk or a closed pipe does not print tracebacks
    for logger in loggers:
        logger.handlers[:], logger.propagate = handlers, False
        logger.setLevel(logging.WARNING if details else logging.CRITICAL)
    log.setLevel(logging.DEBUG if details else handlers[0].level)
    if not details:
        warnings.simplefilter("ignore")
    logging.captureWarnings(details)
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        logging.raiseExceptions = raising
        for logger, (own, level, propagate) in zip(loggers, before, strict=True):
            logger.handlers[:], logger.propagate = own, propagate
            logger.setLevel(level)
        for handler in handlers:
            try:
                handler.close()
            except OSError as error:  # the disk is full
                reason = root_message(error)
                click.echo(f"geoseg: warning: the log file is not complete ({reason})", err=True)


def _open_log_file(path: str) -> logging.Handler:
    """Open a log file, to append to it.

    Raises:
        OutputError: if it cannot be written, or is not a text file.
    """
    advice = "give another name to the log file (--log-file)"
    try:
        if Path(path).is_file():
            with Path(path).open("rb") as file:
                if b"\0" in file.read(1024):
                    raise OutputError(f"{path} is not a text file, {advice}")
        handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise OutputError(f"cannot write {path} ({root_message(error)}), {advice}") from None
    handler.setFormatter(_FileFormatter("%(asctime)s %(levelname)s %(message)s", _TIME))
    return handler


_TIME = "%Y-%m-%dT%H:%M:%S%z"
"""Time of a record in a log file: local, with its difference to UTC."""


def _log_end(error: BaseException) -> None:
    """Log the error that ends a command."""
    if isinstance(error, GeosegError):
        log.error("%s (exit code %d)", error, error.exit_code)
    elif isinstance(error, KeyboardInterrupt):
        log.error("interrupted (exit code %d)", InterruptedRun.exit_code)
    elif isinstance(error, click.ClickException):
        log.error("%s (exit code %d)", error.format_message(), error.exit_code)
    elif isinstance(error, OSError) and error.errno == errno.EPIPE:
        log.error("the program that reads the output has closed it")
    elif isinstance(error, Exception):
        log.critical("unexpected error", exc_info=error)
    else:
        log.error("ended by %s", type(error).__name__)


class _StreamAboveBar:
    """A text stream to stderr that prints above a visible progress bar."""

    def write(self, text: str) -> None:
        if sys.stderr is not None:  # else tqdm would write to stdout
            tqdm.write(text, file=sys.stderr, end="")

    def flush(self) -> None:
        if sys.stderr is not None:
            sys.stderr.flush()


class _TerminalFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        return redact(f"geoseg: {prefix}{record.getMessage()}")


class _FileFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


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
        if self._quiet or sys.stderr is None:  # the shell has closed it: 2>&-
            return
        if unit != self._unit:
            self.close()
            self._unit, self._start = unit, time.monotonic()
            self._last = self._start
        if sys.stderr.isatty():
            self._show_bar(done, total)
        elif done:
            self._print_line(done, total)

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
