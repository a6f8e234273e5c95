"""Read the metadata properties of an ONNX file, see `geoseg.model.onnx.keys`."""

import ast
import json
from collections.abc import Mapping
from reprlib import repr as shortened
from typing import Any

from geoseg.errors import GeosegError, LabelError, ModelError
from geoseg.legend import Legend
from geoseg.model.onnx import keys
from geoseg.model.onnx.metadata import OnnxMetadata
from geoseg.model.ranges import NumberRange
from geoseg.model.spec import RGB, SCENE_DTYPES

_MARKERS = (keys.MODEL_TYPE, keys.CLASS_NAMES, keys.NAMES, keys.MEAN, keys.STD)
"""A file with one of these is meant for Deepness or GeoDeep, which divide bytes by 255."""
_MAX_OF_BYTES = 3.0
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
    scores = _value(properties, keys.SCORES)
    if scores not in (None, "logits", "probabilities"):
        raise ModelError(f"{keys.SCORES} is {shortened(scores)}, use logits or probabilities")
    logits = None if scores is None else scores == "logits"
    legend = _legend(properties)
    fill = _numbers(properties, keys.FILL)
    if not has_keys(properties):
        return OnnxMetadata(legend=legend, fill=fill, logits=logits)
    kind = str(_value(properties, keys.MODEL_TYPE) or keys.SEGMENTOR)
    if kind.lower() != keys.SEGMENTOR.lower():
        raise ModelError(
            f"it is a {shortened(kind)}, give a network that classifies pixels ({keys.SEGMENTOR})"
        )
    resolution, side = (_value(properties, key) for key in (keys.RESOLUTION, keys.TILE_SIZE))
    mean = _numbers(properties, keys.MEAN) or (0.0,)
    std = _numbers(properties, keys.STD) or (1.0,)
    return OnnxMetadata(
        legend=legend or _numbered_legend(properties),
        band_names=_band_names(properties) or (RGB if bands == len(RGB) else None),
        window=None if side is None else int(_SIDE.check(keys.TILE_SIZE, side)),
        mean=tuple(keys.DIVISOR * m for m in mean),
        std=tuple(keys.DIVISOR * s for s in std),
        fill=fill,
        dtype=_dtype(properties) or ("uint8" if max(mean) + max(std) <= _MAX_OF_BYTES else None),
        pixel_size=None  # the key has centimetres
        if resolution is None
        else _POSITIVE.check(keys.RESOLUTION, resolution) / 100,
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


def _numbers(properties: Mapping[str, str], key: str) -> tuple[float, ...] | None:
    values = _value(properties, key)
    if values is None:
        return None
    if not isinstance(values, list | tuple) or not values:
        raise ModelError(f"{key} is {shortened(values)}, give a list of numbers")
    return tuple(NumberRange().check(key, value) for value in values)


def _band_names(properties: Mapping[str, str]) -> tuple[str, ...] | None:
    names = _value(properties, keys.BANDS)
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ModelError(f"{keys.BANDS} is {shortened(names)}, give a list of names")
    return tuple(names)


def _dtype(properties: Mapping[str, str]) -> str | None:
    dtype = _value(properties, keys.DTYPE)
    if dtype not in (None, *SCENE_DTYPES):
        raise ModelError(
            f"{keys.DTYPE} is {shortened(dtype)}, use one of {', '.join(SCENE_DTYPES)}"
        )
    return None if dtype is None else str(dtype)


def _legend(properties: Mapping[str, str]) -> Legend | None:
    """Return the classes of an exported model of geoseg; None without them."""
    data = _value(properties, keys.LEGEND)
    if data is None:
        return None
    try:
        return Legend.from_dict(data)
    except (LookupError, TypeError, GeosegError) as error:
        reason = f"there is no {error}" if isinstance(error, KeyError) else error
        raise ModelError(
            f"{keys.LEGEND} cannot be read ({reason}), export the model again"
        ) from None


def _numbered_legend(properties: Mapping[str, str]) -> Legend | None:
    """Return the classes 0, 1, ... of Deepness or GeoDeep; None without them."""
    key = keys.CLASS_NAMES if keys.CLASS_NAMES in properties else keys.NAMES
    names = _value(properties, key)
    if isinstance(names, list) and names and isinstance(names[0], dict):
        names = names[0]  # one table for each output; geoseg reads the first
    if isinstance(names, dict):
        try:
            names = {int(number): name for number, name in names.items()}
        except (OverflowError, TypeError, ValueError):
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
