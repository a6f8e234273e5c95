"""Read the STAC item of the Machine Learning Model extension (MLM) beside an ONNX file.

https://github.com/stac-extensions/mlm
"""

import json
from collections.abc import Sequence
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

from geoseg.errors import GeosegError, ModelError
from geoseg.legend import LandCoverClass, Legend
from geoseg.model.onnx.metadata import OnnxMetadata
from geoseg.model.ranges import NumberRange
from geoseg.palette import map_colors

_SUFFIXES = (".json", ".stac.json")
_INPUT, _OUTPUT = "mlm:input", "mlm:output"
_POSITIVE = NumberRange(0, above=True)
_SIDE = NumberRange(1, whole=True)
_PER_VALUE = {
    "min-max": ("minimum", "maximum"),
    "z-score": ("mean", "stddev"),
    "offset": ("value",),
    "scale": ("value",),
}
"""Kinds of linear scaling, with the keys of their numbers."""


def find_mlm_item(model: str | Path) -> Path | None:
    """Return the MLM item beside an ONNX file, NAME.json or NAME.stac.json; None without one.

    Raises:
        ModelError: if a file of this name is not JSON.
    """
    for suffix in _SUFFIXES:
        path = Path(model).with_suffix(suffix)
        if path.is_file() and _INPUT in _properties(path):
            return path
    return None


def read_item(path: Path) -> OnnxMetadata:
    """Read an MLM item: the first input and the first output.

    Raises:
        ModelError: if a value cannot be read, or asks for a computation that geoseg does not do.
    """
    properties = _properties(path)
    try:
        inputs, outputs = properties[_INPUT][0], properties.get(_OUTPUT, [{}])[0]
        mean, std = _scaling(inputs)
        size = properties.get("gsd")
        return OnnxMetadata(
            legend=_legend(outputs),
            band_names=_band_names(inputs.get("bands") or []),
            window=_window(inputs["input"]),
            mean=mean,
            std=std,
            pixel_size=None if size is None else _POSITIVE.check("gsd", size),
        )
    except GeosegError as error:
        raise ModelError(f"MLM item {path}: {error}, correct or remove the item") from None
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        missing = isinstance(error, KeyError)
        reason = f"there is no {error}" if missing else "it has not the structure of MLM"
        raise ModelError(f"MLM item {path}: {reason}, correct or remove the item") from None


def _properties(path: Path) -> dict[str, Any]:
    """Return the properties of a STAC item; empty for another JSON file."""
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path} lies beside the model but is not JSON ({error}), correct or remove it"
        ) from None
    properties = data.get("properties") if isinstance(data, dict) else None
    return properties if isinstance(properties, dict) else {}


def _band_names(bands: Sequence[Any]) -> tuple[str, ...] | None:
    names = [band if isinstance(band, str) else band["name"] for band in bands]
    return tuple(str(name).strip().lower() for name in names) or None


def _window(structure: dict[str, Any]) -> int | None:
    """Return the side of a window; None if it is free."""
    order = structure.get("dim_order", [])
    sides = {structure["shape"][order.index(axis)] for axis in ("height", "width") if axis in order}
    if len(sides) != 1 or (side := sides.pop()) in (-1, None):
        return None
    return int(_SIDE.check("window", side))


def _scaling(inputs: dict[str, Any]) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Return mean and std; None if the item asks for a computation of another kind."""
    if inputs.get("pre_processing_function") is not None or inputs.get("norm_type") is not None:
        return None, None
    steps = inputs.get("value_scaling") or [{"type": None}]
    pairs = [_linear(step or {}) for step in steps]
    if any(pair is None for pair in pairs):
        return None, None
    mean, std = zip(*(pair for pair in pairs if pair is not None), strict=True)
    return tuple(mean), tuple(std)


def _linear(step: dict[str, Any]) -> tuple[float, float] | None:
    """Return the mean and std of a scaling of one band; None if it is not linear."""
    kind = step.get("type")
    if kind is None:
        return 0.0, 1.0
    if kind not in _PER_VALUE:
        return None
    values = [NumberRange().check(key, step[key]) for key in _PER_VALUE[kind]]
    if kind == "min-max":
        return values[0], values[1] - values[0]
    if kind == "z-score":
        return values[0], values[1]
    return (values[0], 1.0) if kind == "offset" else (0.0, values[0])


def _legend(outputs: dict[str, Any]) -> Legend | None:
    """Return the classes in ascending order of value.

    The short name of a class may have only ASCII letters, digits, "-" and "_", so it comes last.
    """
    classes = outputs.get("classification:classes")
    if not classes:
        return None
    names = [
        str(c.get("title") or c.get("description") or c.get("name") or c["value"]) for c in classes
    ]
    colors = [
        f"#{c['color_hint']}" if isinstance(c.get("color_hint"), str) else color
        for c, color in zip(classes, map_colors(names), strict=True)
    ]
    values = [c["value"] for c in classes]
    if any(isinstance(v, bool) or not isinstance(v, int) for v in values):
        raise ModelError(f"class values {shortened(values)} are not whole numbers")
    return Legend(tuple(map(LandCoverClass, values, names, colors)))
