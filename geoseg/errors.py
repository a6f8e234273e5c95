"""All deliberate errors of geoseg, with one root class.

A message is one sentence: what is wrong, where, and what to do.
"""

import difflib
import json
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

_MAX_LISTED = 20
_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")
_QUERY = re.compile(r"(\w+://[^\s?'\"]*|/vsi\w+)\?[^\s'\")]*[^\s'\"):,.;]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PROJJSON = re.compile(r'\{\s*"\$schema": "https://proj\.org/')
"""Start of a CRS as PROJ writes it into messages if it has no code."""


def redact(text: str) -> str:
    """Return a text without possible credentials: the logins and queries of URLs.

    >>> redact("cannot open https://me:word@host/a.tif?sig=abc: 403")
    'cannot open https://host/a.tif?...: 403'
    """
    return _QUERY.sub(r"\1?...", _LOGIN.sub("", text))


class GeosegError(Exception):
    """Root of all deliberate errors; the command line prints its message without a traceback."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        """Store the message without credentials, in one line: a damaged file may name anything."""
        super().__init__(_CONTROL.sub(lambda part: repr(part[0])[1:-1], redact(message)))


class SceneError(GeosegError):
    """A scene cannot be read, or does not fit the model."""


class RemoteError(SceneError):
    """A remote scene cannot be read at the moment; a later try may succeed."""


class LabelError(GeosegError):
    """Labels, classes and a legend contradict each other."""


class VectorError(GeosegError):
    """A vector file cannot be read, or cannot be reprojected onto a scene."""


class ModelError(GeosegError):
    """A model cannot be loaded or does not fit, or a setting of a training is wrong."""


class TileError(GeosegError):
    """A set of training tiles is missing, empty or inconsistent."""


class OutputError(GeosegError):
    """An output exists already, or cannot be written."""


class TrainError(GeosegError):
    """Training cannot continue, because the loss is not finite."""


class EvaluateError(GeosegError):
    """A map and its reference cannot be compared, or have too few pixels or points in common."""


class SuggestError(GeosegError):
    """Places to label cannot be suggested: an input does not fit the map, or has no class."""


class ChunkError(GeosegError):
    """One chunk of a run failed; the message names the chunk and the cause."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        """Keep the message, and whether a retry may succeed."""
        super().__init__(message)
        self.retryable = retryable


class RunError(GeosegError):
    """A setting is wrong, settings contradict each other, or files belong to another run."""


class ConfigError(GeosegError):
    """A file of options cannot be read, or it or the environment has a wrong name or value."""


class ScenesError(GeosegError):
    """Some of several scenes have no map; the maps of the others are made."""

    def __init__(self, failures: Mapping[str, GeosegError], reports: Sequence[Any]) -> None:
        """Keep what failed, and the reports of the other scenes.

        Args:
            failures: the error of each scene without a map, by the path of the scene.
            reports: of the other scenes, in their order, as `classify_scenes` returns them.
        """
        self.failures, self.reports = dict(failures), list(reports)
        sentences = "; ".join(scene_message(path, error) for path, error in failures.items())
        super().__init__(
            f"{count_of(len(failures), 'scene')} of {len(failures) + len(reports)} failed: "
            f"{sentences}"
        )


def scene_message(path: str, error: GeosegError) -> str:
    """Return the message of an error of a scene, which names the scene."""
    name = re.split(r"[/\\]", path)[-1]
    return str(error) if name in str(error) else f"{name}: {error}"


class InterruptedRun(GeosegError):  # noqa: N818 - an interruption, not an error
    """The run was stopped or cannot continue now; the same command resumes it."""

    exit_code = 75


def check_list(name: str, value: object) -> None:
    """Refuse a text or path in place of a list: its letters would be read as the items.

    Raises:
        GeosegError: if the value of the argument ``name`` is a text or a path.
    """
    if isinstance(value, str | bytes | os.PathLike):
        raise GeosegError(f"{name} must be a list, give [{str(value)!r}]")


def check_type(name: str, value: object, expected: type) -> None:
    """Refuse an argument of another type, such as a dictionary in place of settings.

    Raises:
        GeosegError: if the value of the argument ``name`` is not of the expected type.
    """
    if not isinstance(value, expected):
        raise GeosegError(
            f"{name} must be of the type {expected.__name__}, not {type(value).__name__}"
        )


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun, in the singular or the plural.

    >>> count_of(1, "band"), count_of(2_000, "window"), count_of(3, "class")
    ('1 band', '2,000 windows', '3 classes')
    """
    ending = "es" if noun.endswith(("s", "tch")) else "s"
    return f"{number:,} {noun}{'' if number == 1 else ending}"


def size_text(size: int) -> str:
    """Return a number of bytes in words.

    >>> size_text(200), size_text(371_000), size_text(7_764_760), size_text(2_500_000_000)
    ('200 B', '371 kB', '7.8 MB', '2.5 GB')
    """
    for factor, unit in ((1e9, "GB"), (1e6, "MB")):
        if size >= factor:
            return f"{size / factor:,.1f} {unit}"
    return f"{size / 1e3:,.0f} kB" if size >= 1e3 else f"{size} B"


def short_list(names: Collection[str]) -> str:
    """Return names as a text, of many only the first 20.

    >>> short_list(["water", "forest"]), short_list([str(n) for n in range(99)])[-7:]
    ('water, forest', '19, ...')
    """
    first = list(islice(names, _MAX_LISTED))
    return ", ".join([*first, "..."] if len(names) > _MAX_LISTED else first)


def closest_names(name: str, names: Iterable[str]) -> str:
    """Return the name that is most similar to an unknown one, or all if none is similar.

    >>> closest_names("overlp", ["overlap", "blend"])
    'overlap'
    >>> closest_names("x", ["overlap", "blend", "tta"])
    'overlap, blend or tta'
    """
    known = list(names)
    similar = difflib.get_close_matches(name, known, n=1)
    *first, last = similar or known
    return f"{', '.join(first)} or {last}" if first else last


def root_message(error: BaseException) -> str:
    """Return the first line of the message of the original error in a chain of causes.

    A CRS in the message that PROJ has written as JSON is replaced by its name.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    message = _with_names_of_crs(getattr(error, "strerror", None) or str(error))
    return (message.strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _with_names_of_crs(message: str) -> str:
    while json_of_crs := _PROJJSON.search(message):
        before = message[: json_of_crs.start()]
        try:
            crs, end = json.JSONDecoder().raw_decode(message, len(before))
        except ValueError:  # GDAL has cut the message
            return f"{before}..."
        message = f"{before}{crs.get('name', 'unnamed')}{message[end:]}"
    return message
