"""Pixels and ground of each class, in bounded memory."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.grid import chunks
from geoseg.legend import NODATA
from geoseg.raster import Scene, read
from geoseg.tiles import IGNORE, TileSet
from geoseg.vectorise import areas

_BLOCK = 2048
"""Side of the blocks in which a label map is read (px)."""
_TILES_AT_ONCE = 128
_VALUES = 256
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
    shown = [v for v in range(_VALUES) if pixels[v] or (v in names and v != NODATA)]
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
    """Count the labels of a tile set, a few tiles at a time.

    Returns:
        Key classes: a list of value, name, color, pixels and share of the labelled pixels; key
        unlabelled_pixels.

    Raises:
        TileError: if a tile is missing or of another shape.
    """
    found = np.zeros(_VALUES, np.int64)
    for first in range(0, len(tiles), _TILES_AT_ONCE):
        some = tiles.take(range(first, min(first + _TILES_AT_ONCE, len(tiles))))
        _, _, labels = some.read(np.arange(len(some)))
        found += np.bincount(labels.ravel(), minlength=_VALUES)
    labelled = int(found.sum() - found[IGNORE])
    return {
        "classes": [
            {
                "value": c.value,
                "name": c.name,
                "color": c.color,
                "pixels": int(found[index]),
                "share": _share(found[index], labelled),
            }
            for index, c in enumerate(tiles.legend.classes)
        ],
        "unlabelled_pixels": int(found[IGNORE]),
    }


def _by_value(scene: Scene) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Valid pixels of each value (256,), and their area in m² (256,), NaN where not known."""
    pixels, ground = np.zeros(_VALUES, np.int64), np.zeros(_VALUES)
    for block in chunks(scene.height, scene.width, _BLOCK):
        labels, valid = read(scene, block)
        code = labels[0] + _VALUES * np.arange(block.height, dtype=np.int32)[:, None]
        counts = np.bincount(code[valid], minlength=_VALUES * block.height)
        by_row = counts.reshape(block.height, _VALUES)
        rows = np.arange(block.row, block.row_end)
        cells = areas(shapely.box(0, rows, 1, rows + 1), scene.affine, scene.crs)
        pixels += by_row.sum(axis=0)
        ground += by_row.T @ cells
    return pixels, ground


def _share(part: int, whole: int) -> float | None:
    return round(int(part) / whole, 6) if whole else None
