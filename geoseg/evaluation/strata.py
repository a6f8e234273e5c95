"""A raster of strata: each value that occurs is a stratum."""

import numpy as np

from geoseg.errors import LabelError
from geoseg.grid import chunks
from geoseg.labels import RasterLabels, open_class_raster
from geoseg.legend import NODATA, LandCoverClass, Legend
from geoseg.raster import Scene, read_window

_WINDOW_SIZE = 2048
"""Side of the blocks in which the raster is read (px)."""
_STRATUM_COLOR = "#000000"
"""Strata are not drawn."""


def open_strata(
    path: str, map_legend: Legend, own_legend: Legend | None
) -> tuple[Scene, RasterLabels]:
    """Open a raster of strata by its values; colours do not count.

    Args:
        path: of a raster with one band of whole numbers from 0 to 254, on its own grid; 255 and
            pixels without data belong to no stratum.
        map_legend: of the map that is evaluated.
        own_legend: names of the strata. None for the names in the raster or beside it; else the
            names of the map's classes, if the map has all values; else "stratum 7".

    Raises:
        LabelError: if it has several bands, another value, no value, or a value that
            ``own_legend`` does not name.
        SceneError: if it cannot be read.
    """
    raster = open_class_raster(path)
    scene, values = raster.scene, _values(raster.scene)
    names = {c.value: c.name for c in own_legend.classes} if own_legend else dict(raster.names)
    unnamed = [str(v) for v in values if v not in names]
    if own_legend and unnamed:
        raise LabelError(
            f"strata {path} have the value{'s' if len(unnamed) > 1 else ''} {', '.join(unnamed)}, "
            f"which their legend does not name ({', '.join(own_legend.names)}), add it there"
        )
    if not names and set(values) <= set(map_legend.values):
        names = {c.value: c.name for c in map_legend.classes}
    try:
        legend = Legend(
            tuple(LandCoverClass(v, names.get(v, f"stratum {v}"), _STRATUM_COLOR) for v in values)
        )
    except LabelError as error:
        raise LabelError(f"strata {path}: {error}") from None
    return scene, RasterLabels(scene, legend, colors=False)


def _values(scene: Scene) -> list[int]:
    """The values that occur, ascending, without 255."""
    values = set[int]()
    for block in chunks(scene.height, scene.width, _WINDOW_SIZE):
        pixels, valid = read_window(scene, block)
        block_values = np.unique(pixels[0][valid])
        wrong = block_values[
            (block_values != np.round(block_values)) | (block_values < 0) | (block_values > NODATA)
        ]
        if wrong.size:
            raise LabelError(
                f"strata {scene.path} have the value {wrong[0]:.6g}, but strata are whole numbers "
                "from 0 to 254, renumber them"
            )
        values.update(int(v) for v in block_values if v != NODATA)
    if not values:
        raise LabelError(f"strata {scene.path} have no pixel with data, check the file")
    return sorted(values)
