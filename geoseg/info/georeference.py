"""Where a scene lies, as plain data."""

import math
from typing import Any

from pyproj import CRS

from geoseg.errors import redact
from geoseg.raster import Scene


def georeference(scene: Scene) -> dict[str, Any]:
    """Path, size and place of a scene.

    Returns:
        Keys path, bytes, height, width (px), dtype, nodata ("nan" for NaN), step (width and
        height of a pixel in CRS units), pixel_size (m on the ground), crs (name, epsg, unit) and
        extent (CRS units); None for what is not known.
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
        "pixel_size": _finite(scene.pixel_size),
        "crs": crs_of(scene.crs),
        "extent": _extent(scene),
    }


def crs_of(wkt: str | None) -> dict[str, Any] | None:
    """Name, EPSG code and unit of a CRS; None for none."""
    if wkt is None:
        return None
    crs = CRS.from_user_input(wkt)
    unit = crs.axis_info[0].unit_name if crs.axis_info else None
    return {"name": crs.name, "epsg": crs.to_epsg(), "unit": unit}


def to_json_number(value: float | None) -> float | int | str | None:
    """A number fit for JSON, whole ones as integers; "nan" or "inf" where it is none."""
    if value is None or not math.isfinite(value):
        return None if value is None else str(value)
    return int(value) if float(value).is_integer() else value


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _extent(scene: Scene) -> dict[str, float] | None:
    """Bounds in CRS units, of a scene that has a place."""
    if scene.crs is None and scene.affine.is_identity:
        return None
    ends = [(0, 0), (scene.width, 0), (0, scene.height), (scene.width, scene.height)]
    xs, ys = zip(*(scene.affine @ xy for xy in ends), strict=True)
    return {"left": min(xs), "bottom": min(ys), "right": max(xs), "top": max(ys)}
