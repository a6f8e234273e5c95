"""The size, CRS and extent of a scene, as plain data."""

import math
from collections.abc import Sequence
from typing import Any

from pyproj import CRS

from geoseg.errors import redact
from geoseg.raster import Scene


def georeference(scene: Scene) -> dict[str, Any]:
    """Return path, size, CRS and extent of a scene.

    Returns:
        Keys path, bytes, height, width (px), dtype, nodata ("nan" for NaN), step (width and
        height of a pixel in CRS units), pixel_size (m on the ground), crs (name, epsg, unit) and
        extent (CRS units). An unknown value is None.
    """
    x = scene.affine
    return {
        "path": redact(scene.path),
        "bytes": scene.size,
        "height": scene.height,
        "width": scene.width,
        "dtype": scene.dtype,
        "nodata": to_json_number(scene.nodata),
        "step": [math.hypot(x.a, x.d), math.hypot(x.b, x.e)],
        "pixel_size": scene.pixel_size,
        "crs": crs_of(scene.crs),
        "extent": _extent(scene),
    }


def crs_of(wkt: str | None) -> dict[str, Any] | None:
    """Return name, EPSG code and unit of a CRS; None for none."""
    if wkt is None:
        return None
    crs = CRS.from_user_input(wkt)
    unit = crs.axis_info[0].unit_name if crs.axis_info else None
    return {"name": crs.name, "epsg": crs.to_epsg(), "unit": unit}


def extent_of(bounds: Sequence[float]) -> dict[str, float]:
    """Return bounds (left, bottom, right, top) by name."""
    return dict(zip(("left", "bottom", "right", "top"), bounds, strict=True))


def to_json_number(value: float | None) -> float | int | str | None:
    """Return a number fit for JSON: an integer if it is whole, "nan" or "inf" if not finite.

    A whole number of 2**53 or more stays as it is: as an integer, 1e38 has 39 digits.
    """
    if value is None or not math.isfinite(value):
        return None if value is None else str(value)
    return int(value) if float(value).is_integer() and abs(value) < 2**53 else value


def _extent(scene: Scene) -> dict[str, float] | None:
    """Return the bounds in CRS units; None for a scene without georeference."""
    if scene.crs is None and scene.affine.is_identity:
        return None
    corners = [(0, 0), (scene.width, 0), (0, scene.height), (scene.width, scene.height)]
    xs, ys = zip(*(scene.affine @ corner for corner in corners), strict=True)
    return extent_of((min(xs), min(ys), max(xs), max(ys)))
