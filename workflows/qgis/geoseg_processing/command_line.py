"""From the values of an algorithm to the words of a command line, without QGIS."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from geoseg_processing.declarations import Algorithm, Parameter


@dataclass(frozen=True)
class Source:
    """A layer as geoseg reads it."""

    path: str
    """File or address."""
    layer: str = ""
    """Name of the layer in the file; empty if the file has one only."""


@dataclass(frozen=True)
class Extent:
    """A box."""

    west: float
    south: float
    east: float
    north: float
    crs: str = ""
    """Such as EPSG:4326; empty for the CRS of the map."""


def command_line(algorithm: Algorithm, values: Mapping[str, object]) -> list[str]:
    """Return the words after `geoseg`.

    Args:
        algorithm: what is run.
        values: of its parameters, by name: `Source`, `Extent`, text, number, or a list of band
            numbers or texts. Those that are missing, None or the default are left out.

    Raises:
        ValueError: if a quote of the further options is not closed.
    """
    arguments: list[str] = []
    options: list[str] = []
    for parameter in algorithm.parameters:
        value = values.get(parameter.name)
        if value is None or value in ("", [], parameter.default):
            continue
        words = _words(parameter, value)
        is_argument = not parameter.option and parameter.kind != "words"
        arguments += words[:1] if is_argument else []
        options += words[1:] if is_argument else words
    return [algorithm.name, *arguments, *options]


def split_words(text: str) -> list[str]:
    """Return the words of a part of a command line.

    Quotes keep spaces; a backslash is a letter, because paths of Windows have it.

    Raises:
        ValueError: if a quote is not closed.
    """
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.escape, lexer.commenters = True, "", ""
    return list(lexer)


def _words(parameter: Parameter, value: object) -> list[str]:
    """Return the words of one value; of an argument, the argument first."""
    if parameter.kind == "words":
        return split_words(str(value))
    if parameter.kind == "flag":
        return [parameter.option]
    if parameter.kind == "list":
        items = [item.strip() for item in str(value).split(",")]
        return [f"{parameter.option}={item}" for item in items if item]
    if isinstance(value, Extent):
        box = ",".join(repr(edge) for edge in (value.west, value.south, value.east, value.north))
        return [f"--bbox={box}", *([f"--bbox-crs={value.crs}"] if value.crs else [])]
    layer = value.layer if isinstance(value, Source) else ""
    if isinstance(value, Source):
        value = value.path
    if isinstance(value, (list, tuple)):
        value = ",".join(map(str, value))
    word = f"{parameter.option}={value}" if parameter.option else str(value)
    return [word, *([f"{parameter.layer_option}={layer}"] if layer else [])]
