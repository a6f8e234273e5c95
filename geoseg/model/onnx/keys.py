"""The metadata keys that QGIS Deepness and GeoDeep read, in the properties of an ONNX file.

https://qgis-plugin-deepness.readthedocs.io/en/latest/creators/creators_add_metadata_to_model.html
"""

import ast
import json
from collections.abc import Mapping
from reprlib import repr as shortened
from typing import Any

from geoseg.errors import LabelError, ModelError
from geoseg.legend import Legend
from geoseg.model.onnx.metadata import OnnxMetadata
from geoseg.model.ranges import NumberRange

SCORES = "scores"
"""Key of geoseg: "logits" or "probabilities"."""
_MARKERS = ("model_type", "class_names", "names", "standardization_mean", "standardization_std")
"""A file with one of these is meant for Deepness or GeoDeep, which divide bytes by 255."""
_BYTES = 255.0
_LARGEST_OF_BYTES = 3.0
"""Mean plus standard deviation of bytes divided by 255 is at most about 1."""
_POSITIVE = NumberRange(0, above=True)
_SIDE = NumberRange(1, whole=True)


def has_keys(properties: Mapping[str, str]) -> bool:
    """Return whether a file has metadata of Deepness or GeoDeep."""
    return any(key in properties for key in _MARKERS)


def read_keys(properties: Mapping[str, str], bands: int | None) -> OnnxMetadata:
    """Read the metadata properties of an ONNX file.

    Args:
        properties: keys and texts.
        bands: input bands of the network, None if their number is free.

    Raises:
        ModelError: if the network is not for segmentation, or a value cannot be read.
    """
    scores = properties.get(SCORES)
    if scores not in (None, "logits", "probabilities"):
        raise ModelError(f"{SCORES} is {shortened(scores)}, use logits or probabilities")
    logits = None if scores is None else scores == "logits"
    if not has_keys(properties):
        return OnnxMetadata(logits=logits)
    kind = str(_value(properties, "model_type") or "Segmentor")
    if kind.lower() != "segmentor":
        raise ModelError(f"it is a {kind}, give a network that classifies pixels (Segmentor)")
    resolution, side = (_value(properties, key) for key in ("resolution", "tile_size"))
    mean = _numbers(properties, "standardization_mean", 0.0)
    std = _numbers(properties, "standardization_std", 1.0)
    return OnnxMetadata(
        legend=_legend(properties),
        band_names=("red", "green", "blue") if bands == 3 else None,
        window=None if side is None else int(_SIDE.check("tile_size", side)),
        mean=tuple(_BYTES * m for m in mean),
        std=tuple(_BYTES * s for s in std),
        dtype="uint8" if max(mean) + max(std) <= _LARGEST_OF_BYTES else None,
        pixel_size=None  # the key has centimetres
        if resolution is None
        else _POSITIVE.check("resolution", resolution) / 100,
        logits=logits,
    )


def _value(properties: Mapping[str, str], key: str) -> Any:  # noqa: ANN401 - as the text says
    """Return the value of a key, whose text is JSON or a literal of Python; None without it."""
    text = properties.get(key)
    if text is None:
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return text


def _numbers(properties: Mapping[str, str], key: str, default: float) -> tuple[float, ...]:
    values = _value(properties, key)
    if values is None:
        return (default,)
    if not isinstance(values, list | tuple) or not values:
        raise ModelError(f"{key} is {shortened(values)}, give a list of numbers")
    return tuple(NumberRange().check(key, value) for value in values)


def _legend(properties: Mapping[str, str]) -> Legend | None:
    """Return the classes, in order of their numbers."""
    key = "class_names" if "class_names" in properties else "names"
    names = _value(properties, key)
    if isinstance(names, list) and names and isinstance(names[0], dict):
        names = names[0]  # one table for each output; geoseg reads the first
    if isinstance(names, dict):
        try:
            names = {int(number): name for number, name in names.items()}
        except ValueError:
            raise ModelError(f"{key} is {shortened(names)}, number the classes from 0") from None
        if sorted(names) != list(range(len(names))):
            raise ModelError(f"{key} has the numbers {sorted(names)}, number the classes from 0")
        names = [names[number] for number in range(len(names))]
    if names is None or names == []:
        return None
    if not isinstance(names, list):
        raise ModelError(f"{key} is {shortened(names)}, give a table of numbers and names")
    try:
        return Legend.from_names([str(name) for name in names])
    except LabelError as error:
        raise ModelError(f"{key}: {error}") from None
