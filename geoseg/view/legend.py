"""The classes of the maps of a page, with their areas."""

from typing import Any

import numpy as np

from geoseg.geodesy import pixel_areas
from geoseg.grid import Window
from geoseg.labels import ClassRaster
from geoseg.metrics import class_row_counts
from geoseg.raster import level_affine, level_shape, read_level
from geoseg.view.map_tiles import first_level

_MAX_SIDE = 8192
"""Longest side (px) of the raster whose pixels are counted. A larger map is counted at its first
level that has this size or less."""
_ROWS = 512
"""Number of rows that are read and counted at once."""


def count_areas(raster: ClassRaster) -> dict[str, Any]:
    """Count the pixels and the area of the classes of a map.

    Returns:
        Key exact: True if every pixel was counted, False if the map was counted at a level. Key
        classes: a list with value, name, color, share (of the pixels with data) and area_m2 (None
        without CRS) of each class. Classes without a name are listed only if they occur.

    Raises:
        SceneError: if the map cannot be read.
    """
    scene = raster.scene
    level = first_level(scene, _MAX_SIDE)
    height, width = level_shape(scene, level)
    affine = level_affine(scene, level)
    pixels, areas = np.zeros(256, np.int64), np.zeros(256)
    for row in range(0, height, _ROWS):
        window = Window(row, 0, min(_ROWS, height - row), width)
        values, valid = read_level(scene, level, window)
        known = valid & (values[0] >= 0) & (values[0] <= 255)
        counts = class_row_counts(np.where(known, values[0], 0).astype(np.uint8), valid=known)
        pixels += counts.sum(axis=0)
        rows = np.arange(row, row + window.height)
        areas += counts.T @ pixel_areas(affine, scene.crs, rows, width)
    total = int(pixels[list(raster.legend.values)].sum())
    classes = [
        {
            "value": c.value, "name": c.name, "color": c.color,
            "share": pixels[c.value] / total if total else None,
            "area_m2": float(areas[c.value]) if np.isfinite(areas[c.value]) else None,
        }
        for c in raster.legend.classes
        if pixels[c.value] or (raster.own_legend is not None and c.name != str(c.value))
    ]  # fmt: skip
    return {"exact": level == 0, "classes": classes}
