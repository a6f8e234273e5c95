"""Pixels and ground of each class, in bounded memory."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.grid import chunks
from geoseg.legend import NODATA
from geoseg.metrics import VALUES, class_row_counts
from geoseg.raster import Scene, read_window
from geoseg.tiles import TileSet

_WINDOW_SIZE = 2048
"""Side of the blocks in which a label map is read (px)."""
_NO_COLOR = "#000000"


def count_labels(
    scene: Scene, palette: Mapping[int, str], names: Mapping[int, str]
) -> dict[str, Any]:
    """Count a label map block by block; the classes are those that occur or have a name.

    Args:
        scene: a map of one uint8 band.
        palette: colour of each value.
        names: names of values.

    Returns:
        Key classes: a list of value, name ("" where it has none), color, pixels, share of the
        valid pixels, and area_m2 (None without CRS); keys valid_pixels and nodata_pixels.

    Raises:
        SceneError: if a block cannot be read.
    """
    pixels, ground = _by_value(scene)
    valid = int(pixels.sum())
    shown = [v for v in range(VALUES) if pixels[v] or (v in names and v != NODATA)]
    return {
        "classes": [
            {
                "value": v,
                "name": names.get(v, ""),
                "color": palette.get(v, _NO_COLOR) if palette else None,
                "pixels": int(pixels[v]),
                "share": _share(pixels[v], valid),
                "area_m2": round(float(ground[v]), 3) if np.isfinite(ground[v]) else None,
            }
            for v in shown
        ],
        "valid_pixels": valid,
        "nodata_pixels": scene.height * scene.width - valid,
    }


def count_tiles(tiles: TileSet) -> dict[str, Any]:
    """Count the labels of a tile set, by its index where it has one.

    Returns:
        Key classes: a list of value, name, color, pixels and share of the labelled pixels; key
        unlabelled_pixels.

    Raises:
        GeosegError: if a set without an index has a tile that is damaged or of another shape.
    """
    found = tiles.take(range(len(tiles))).counts
    labelled = int(found.sum())
    return {
        "classes": [
            {
                "value": c.value,
                "name": c.name,
                "color": c.color,
                "pixels": int(pixels),
                "share": _share(pixels, labelled),
            }
            for c, pixels in zip(tiles.legend.classes, found, strict=True)
        ],
        "unlabelled_pixels": len(tiles) * tiles.size**2 - labelled,
    }


def _by_value(scene: Scene) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Valid pixels of each value (256,), and their area in m² (256,), NaN where not known."""
    from geoseg.polygons import pixel_areas  # with GeoPandas, which tile sets do without

    pixels, ground = np.zeros(VALUES, np.int64), np.zeros(VALUES)
    for block in chunks(scene.height, scene.width, _WINDOW_SIZE):
        labels, valid = read_window(scene, block)
        by_row = class_row_counts(labels[0], valid=valid)
        rows = np.arange(block.row, block.row_end)
        cells = pixel_areas(scene.affine, scene.crs, rows)
        pixels += by_row.sum(axis=0)
        ground += by_row.T @ cells
    return pixels, ground


def _share(part: int, whole: int) -> float | None:
    return round(int(part) / whole, 6) if whole else None
