"""The values of one pixel in all files of a page."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.grid import Window
from geoseg.labels import ClassRaster
from geoseg.legend import TOP_SCORE
from geoseg.raster import Scene, read_window
from geoseg.vectors import read_features
from geoseg.view.sources import Sources, map_coordinates

_FIELDS = ("class_name", "class_id", "area_m2")
"""Fields of a polygon that are returned."""
_MAX_POLYGONS = 100
"""Largest number of polygons that are tested, of those whose bounds contain the pixel centre."""


def describe_pixel(sources: Sources, row: int, col: int) -> dict[str, Any]:
    """Describe a pixel, which lies inside of the map.

    Returns:
        Keys row, col, x, y (CRS units; None without CRS), lon, lat (degrees; None without CRS),
        bands (names and values), maps (classes by layer), confidence (0 to 1), probabilities (names
        and values, 0 to 1), polygon (id and fields). A value is None if its file is not given or
        has no data at this pixel.

    Raises:
        GeosegError: if a file cannot be read.
    """
    grid = sources.grid
    x, y = map_coordinates(grid, row + 0.5, col + 0.5)
    lon, lat = _lon_lat(grid, x, y)
    confidence = _values(sources.confidence, row, col)
    maps = sources.maps_by_layer
    return {
        "row": row,
        "col": col,
        "x": None if grid.crs is None else x,
        "y": None if grid.crs is None else y,
        "lon": lon,
        "lat": lat,
        "bands": _bands(sources.image, row, col),
        "maps": {layer: _class_at(raster, row, col) for layer, raster in maps.items()},
        "confidence": None if confidence is None else confidence[0] / TOP_SCORE,
        "probabilities": _probabilities(sources, row, col),
        "polygon": _polygon(sources, x, y),
    }


def _values(scene: Scene | None, row: int, col: int) -> list[int | float] | None:
    """Return the value of each band; None without data."""
    if scene is None:
        return None
    pixels, valid = read_window(scene, Window(row, col, 1, 1))
    column: NDArray[Any] = pixels[:, 0, 0]
    return column.tolist() if valid[0, 0] else None


def _bands(scene: Scene, row: int, col: int) -> list[dict[str, Any]]:
    """Return name and value of each band of the scene."""
    values: Sequence[float | None]
    values = _values(scene, row, col) or [None] * len(scene.bands)
    numbers = zip(scene.bands, scene.band_names, values, strict=True)
    return [{"name": name or f"band {band}", "value": value} for band, name, value in numbers]


def _class_at(raster: ClassRaster, row: int, col: int) -> dict[str, Any] | None:
    """Return value and name of the class of a map."""
    values = _values(raster.scene, row, col)
    if values is None:
        return None
    names = {c.value: c.name for c in raster.legend.classes}
    return {"value": values[0], "name": names.get(int(values[0]), "no class")}


def _probabilities(sources: Sources, row: int, col: int) -> list[dict[str, Any]] | None:
    scene = sources.probabilities
    values = _values(scene, row, col)
    if scene is None or values is None:
        return None
    return [
        {"name": name or f"band {band}", "value": value / TOP_SCORE}
        for band, name, value in zip(scene.bands, scene.band_names, values, strict=True)
    ]


def _lon_lat(grid: Scene, x: float, y: float) -> tuple[float | None, float | None]:
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    if grid.crs is None:
        return None, None
    try:
        lon, lat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform(x, y)
    except ProjError:  # a CRS that is not tied to the earth
        return None, None
    if not (math.isfinite(lon) and math.isfinite(lat)):
        return None, None
    return (lon + 180) % 360 - 180, lat


def _polygon(sources: Sources, x: float, y: float) -> dict[str, Any] | None:
    """Return the id and fields of the polygon at a place; of several, the last one of the file."""
    if sources.polygons is None:
        return None
    features = read_features(sources.polygons, (x, y, x, y), _MAX_POLYGONS, _FIELDS)
    at = np.flatnonzero(shapely.intersects_xy(features.geometries, x, y))
    if not at.size:
        return None
    last = at[-1]
    return {
        "id": int(features.ids[last]),
        **{name: _finite(column[last]) for name, column in features.values.items()},
    }


def _finite(value: Any) -> Any:  # noqa: ANN401 - of any field
    """Return a value, but None in place of NaN, which JSON does not know."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
