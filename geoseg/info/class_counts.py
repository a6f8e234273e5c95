"""Pixels and area of each class of a class map or a tile set."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.geodesy import pixel_areas
from geoseg.grid import chunks
from geoseg.legend import NODATA
from geoseg.metrics import VALUES, class_row_counts
from geoseg.raster import Scene, read_window
from geoseg.tiles import TileSet

_WINDOW_SIZE = 2048
"""Side of the windows in which a class map is read (px), so that memory is bounded."""
_NO_COLOR = "#000000"


def count_labels(
    scene: Scene, palette: Mapping[int, str], names: Mapping[int, str]
) -> dict[str, Any]:
    """Count the pixels of a class map of one uint8 band, by the values that occur or have a name.

    Returns:
        Key classes: a list of value, name ("" for none), color, pixels, share of the valid pixels,
        and area_m2 (None without CRS); keys valid_pixels and nodata_pixels.

    Raises:
        SceneError: if a window cannot be read.
    """
    pixels, area_m2 = _count_values(scene)
    valid = int(pixels.sum())
    values = [v for v in range(VALUES) if pixels[v] or (v in names and v != NODATA)]
    return {
        "classes": [
            {
                "value": v,
                "name": names.get(v, ""),
                "color": palette.get(v, _NO_COLOR) if palette else None,
                "pixels": int(pixels[v]),
                "share": _share(pixels[v], valid),
                "area_m2": round(float(area_m2[v]), 3) if np.isfinite(area_m2[v]) else None,
            }
            for v in values
        ],
        "valid_pixels": valid,
        "nodata_pixels": scene.height * scene.width - valid,
    }


def count_tiles(tiles: TileSet) -> dict[str, Any]:
    """Count the labelled pixels of a tile set, from its index if it has one.

    Returns:
        Key classes: a list of value, name, color, pixels and share of the labelled pixels; key
        unlabelled_pixels.

    Raises:
        GeosegError: if a set without an index has a tile that is damaged or of another shape.
    """
    counts = tiles.subset(range(len(tiles))).counts
    labelled = int(counts.sum())
    return {
        "classes": [
            {
                "value": c.value,
                "name": c.name,
                "color": c.color,
                "pixels": int(pixels),
                "share": _share(pixels, labelled),
            }
            for c, pixels in zip(tiles.legend.classes, counts, strict=True)
        ],
        "unlabelled_pixels": len(tiles) * tiles.size**2 - labelled,
    }


def _count_values(scene: Scene) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the valid pixels of each value (256,), and their area in m² (256,), NaN if unknown."""
    pixels, area_m2 = np.zeros(VALUES, np.int64), np.zeros(VALUES)
    for window in chunks(scene.height, scene.width, _WINDOW_SIZE):
        labels, valid = read_window(scene, window)
        by_row = class_row_counts(labels[0], valid=valid)
        rows = np.arange(window.row, window.row_end)
        pixels += by_row.sum(axis=0)
        area_m2 += by_row.T @ pixel_areas(scene.affine, scene.crs, rows, scene.width)
    return pixels, area_m2


def _share(count: int, total: int) -> float | None:
    return round(int(count) / total, 6) if total else None
