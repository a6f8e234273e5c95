"""Describe a vector file: its layers, and the values of their fields."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from geoseg.errors import redact
from geoseg.info.georeference import crs_of, extent_of, to_json_number
from geoseg.vectors import list_layers, read_vector

_MAX_VALUES = 10
"""Largest number of values of a field in a report."""
_MAX_LENGTH = 30
"""Largest length of a value in the text (characters)."""
_TYPES: dict[type, str] = {
    bool: "boolean", int: "integer", float: "real", str: "text", date: "date", list: "list",
    np.ndarray: "list",
}  # fmt: skip
"""Names of types. The first that fits counts, because a boolean is an integer in Python."""


def describe_vectors(path: str | Path) -> dict[str, Any]:
    """Describe all layers of a vector file. All features are read.

    Returns:
        Keys path, bytes (None if it is not a local file) and layers: a list of name, features,
        without_geometry, geometry_types (number of features by type), crs, extent (CRS units) and
        fields: a list of name, type, empty and different (numbers of features and of values), and
        values: the most frequent ones, each with value and features.

    Raises:
        VectorError: if the file cannot be read or has no geometries.
    """
    local = Path(path)
    return {
        "path": redact(str(path)),
        "bytes": local.stat().st_size if local.is_file() else None,
        "layers": [_describe_layer(path, name) for name in list_layers(path)],
    }


def _describe_layer(path: str | Path, name: str) -> dict[str, Any]:
    frame = read_vector(path, name)
    geometries = frame.geometry.to_numpy()
    present = geometries[~shapely.is_missing(geometries)]
    bounds = frame.total_bounds.tolist()
    types, counts = np.unique([shape.geom_type for shape in present], return_counts=True)
    return {
        "name": name,
        "features": len(frame),
        "without_geometry": len(frame) - len(present),
        "geometry_types": dict(zip(types.tolist(), counts.tolist(), strict=True)),
        "crs": crs_of(frame.crs and frame.crs.to_wkt()),
        "extent": extent_of(bounds) if np.isfinite(bounds).all() else None,
        "fields": [
            _describe_field(str(column), frame[column].dropna().tolist(), len(frame))
            for column in frame.columns
            if column != frame.geometry.name
        ],
    }


def _describe_field(name: str, cells: Sequence[Any], features: int) -> dict[str, Any]:
    filled = [cell for cell in cells if not isinstance(cell, str) or cell.strip()]
    counts = Counter(map(_plain_value, filled))
    return {
        "name": name,
        "type": " or ".join(sorted(set(map(_type_of, filled)))) or None,
        "empty": features - len(filled),
        "different": len(counts),
        "values": [
            {"value": value, "features": number}
            for value, number in counts.most_common(_MAX_VALUES)
        ],
    }


def _type_of(cell: object) -> str:
    return next((name for type_, name in _TYPES.items() if isinstance(cell, type_)), "other")


def _plain_value(cell: object) -> Any:  # noqa: ANN401 - fit for JSON
    if isinstance(cell, float):
        return to_json_number(cell)
    if isinstance(cell, bool | int | str):
        return cell
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def format_values(field: dict[str, Any], width: int) -> str:
    """Format the most frequent values of a field that fit into a width (characters), at least one.

    >>> values = [{"value": "grass", "features": 3}, {"value": "rock", "features": 1}]
    >>> format_values({"different": 2, "values": values}, 20)
    'grass (3), rock (1)'
    >>> format_values({"different": 2, "values": values}, 18)
    'grass (3), 1 more'
    """
    texts = [f"{_shorten(v['value'])} ({v['features']:,})" for v in field["values"]]
    for shown in range(len(texts), 0, -1):
        more = field["different"] - shown
        text = ", ".join([*texts[:shown], *([f"{more:,} more"] if more else [])])
        if len(text) <= width or shown == 1:
            return text
    return "-"


def _shorten(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 3]}..."
