"""Every error that geoseg raises on purpose, under one root.

A message is one sentence a reader can act on: what is wrong, where, and what to do.
"""

import os
import re

_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")
_QUERY = re.compile(r"(\w+://[^\s?'\"]*|/vsi\w+)\?[^\s'\")]*[^\s'\"):,.;]")


def redact(text: str) -> str:
    """A text without what may be a credential: logins and queries of URLs.

    >>> redact("cannot open https://me:word@host/a.tif?sig=abc: 403")
    'cannot open https://host/a.tif?...: 403'
    """
    return _QUERY.sub(r"\1?...", _LOGIN.sub("", text))


class GeosegError(Exception):
    """Root of all deliberate errors; the command line prints it without a traceback."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        """Keep the message, without credentials."""
        super().__init__(redact(message))


class SceneError(GeosegError):
    """A scene cannot be read, or does not fit the model."""


class LinkError(SceneError):
    """A remote scene cannot be read just now."""


class LabelError(GeosegError):
    """Labels, classes or a legend do not make sense together."""


class VectorError(GeosegError):
    """A vector file cannot be read, or cannot be placed on a scene."""


class ModelError(GeosegError):
    """A model file cannot be loaded, or a spec is impossible."""


class TileError(GeosegError):
    """A set of training tiles is missing, empty or inconsistent."""


class OutputError(GeosegError):
    """An output exists already, or cannot be written."""


class TrainError(GeosegError):
    """Training cannot go on: the loss is not a number."""


class EvaluateError(GeosegError):
    """A map and its reference cannot be compared, or say too little."""


class ChunkError(GeosegError):
    """One chunk of a run failed; the message names the chunk and the cause."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        """Keep the message, and whether a retry may succeed."""
        super().__init__(message)
        self.retryable = retryable


class RunError(GeosegError):
    """Parts on disk belong to another run, or options contradict each other."""


class InterruptedRun(GeosegError):  # noqa: N818 - an interruption, not an error
    """The run was stopped, or cannot go on now; the same command resumes it later."""

    exit_code = 75


def check_list(name: str, value: object) -> None:
    """Refuse one text or path where a list is wanted; its letters would count as the items.

    Args:
        name: of the argument, for the message.
        value: of the argument.

    Raises:
        GeosegError: if the value is a text or a path.
    """
    if isinstance(value, str | bytes | os.PathLike):
        raise GeosegError(f"{name} must be a list, give [{str(value)!r}]")


def check_type(name: str, value: object, wanted: type) -> None:
    """Refuse an argument of another type, such as a dictionary in place of settings.

    Args:
        name: of the argument, for the message.
        value: of the argument.
        wanted: the type.

    Raises:
        GeosegError: if the value is not of that type.
    """
    if not isinstance(value, wanted):
        raise GeosegError(
            f"{name} must be of the type {wanted.__name__}, not {type(value).__name__}"
        )


def count_of(number: int, noun: str) -> str:
    """A number with its noun in the singular or the plural.

    >>> count_of(1, "band"), count_of(2_000, "window"), count_of(3, "class")
    ('1 band', '2,000 windows', '3 classes')
    """
    ending = "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{'' if number == 1 else ending}"


def root_message(error: BaseException) -> str:
    """GDAL's own words, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    message = getattr(error, "strerror", None) or str(error)
    return (message.strip() or type(error).__name__).splitlines()[0].rstrip(".")
