"""The outlines of polygons inside a window, in pixels of the map."""

from typing import Any

import numpy as np
import shapely

from geoseg.geodesy import apply_affine, transform_geometries
from geoseg.grid import Window
from geoseg.vectors import read_features
from geoseg.view.sources import Sources

MAX_POLYGONS = 3_000
"""If more polygons than this touch the window, the answer has none."""
_MAX_VERTICES = 200_000
"""Largest number of vertices of all polygons in an answer."""
_DECIMALS = 2
"""Decimals of coordinates in pixels."""


def polygons_in(sources: Sources, window: Window, level: int) -> dict[str, Any]:
    """Return the polygons whose bounds touch a window, cut off half a window outside of it.

    Args:
        sources: with polygons.
        window: pixels of the map.
        level: level of the display; details below half a pixel of this level are left out.

    Returns:
        Key polygons: a list of id and rings, see `rings_of`; key too_many: whether there are more
        than 3,000, or more than 200,000 vertices, in which case the list is empty.

    Raises:
        VectorError: if the file cannot be read.
    """
    if sources.polygons is None:
        return {"polygons": [], "too_many": False}
    corners = [
        (window.col, window.row), (window.col_end, window.row),
        (window.col, window.row_end), (window.col_end, window.row_end),
    ]  # fmt: skip
    x, y = apply_affine(sources.grid.affine, *np.transpose(corners).astype(float))
    bounds = float(x.min()), float(y.min()), float(x.max()), float(y.max())
    features = read_features(sources.polygons, bounds, MAX_POLYGONS + 1)
    if len(features.ids) > MAX_POLYGONS:
        return {"polygons": [], "too_many": True}
    pixels = transform_geometries(features.geometries, ~sources.grid.affine)
    # The cuts lie outside of the window, so that they are not seen as outlines.
    down, right = window.height / 2, window.width / 2
    left, top = window.col - right, window.row - down
    pixels = shapely.clip_by_rect(pixels, left, top, window.col_end + right, window.row_end + down)
    if level:
        pixels = shapely.simplify(pixels, 2**level / 2, preserve_topology=False)
    if shapely.get_num_coordinates(pixels).sum() > _MAX_VERTICES:
        return {"polygons": [], "too_many": True}
    polygons = [
        {"id": int(fid), "rings": rings_of(polygon)}
        for fid, polygon in zip(features.ids, pixels, strict=True)
    ]
    return {"polygons": [p for p in polygons if p["rings"]], "too_many": False}


def rings_of(geometry: Any) -> list[list[list[list[float]]]]:  # noqa: ANN401 - of shapely
    """Return the polygons of a geometry: each a list of rings, a ring a list of [col, row]."""
    parts = shapely.get_parts(geometry)
    return [
        [
            np.round(shapely.get_coordinates(ring), _DECIMALS).tolist()
            for ring in (part.exterior, *part.interiors)
        ]
        for part in parts
        if part.geom_type == "Polygon" and not part.is_empty
    ]
