"""Places that are labelled already, which are not suggested again."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.geodesy import transform_geometries
from geoseg.raster import Scene
from geoseg.suggestion.patches import IsNew, Patches
from geoseg.vectors import Reprojector, read_vector

_INSET = 0.5
"""A patch is excluded only if a feature reaches further into it than this (px)."""


def outside_of(paths: Sequence[str | Path], grid: Scene, size: int) -> IsNew:
    """Return a function that finds the patches which no feature of vector files overlaps.

    Args:
        paths: vector files in any CRS.
        grid: the grid of the map.
        size: side of a patch (px).

    Raises:
        VectorError: if a file cannot be read, or cannot be placed on the map.
    """
    features = [_in_pixels(str(path), grid) for path in paths]
    tree = shapely.STRtree(np.concatenate(features)) if features else None

    def is_new(patches: Patches) -> NDArray[np.bool_]:
        new = np.ones(len(patches), bool)
        if tree is not None and len(patches):
            first_row, first_col = patches.row + _INSET, patches.col + _INSET
            inset = size - 2 * _INSET
            boxes = shapely.box(first_col, first_row, first_col + inset, first_row + inset)
            new[tree.query(boxes, predicate="intersects")[0]] = False
        return new

    return is_new


def _in_pixels(path: str, grid: Scene) -> NDArray[np.object_]:
    """Return the geometries (n,) of a file that touch the map, in its pixels (col, row)."""
    geometries, extents = Reprojector(read_vector(path), path).onto(grid)
    near = geometries[np.isfinite(extents).all(1)]
    return transform_geometries(near, ~grid.affine)
