"""Polygons that a later polygon of another class covers completely, so that they label nothing."""

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.legend import NODATA

_BATCH = 64
"""Polygons of one query of the spatial index."""
_MAX_PAIRS = 20_000_000
"""Largest number of pairs of polygons with overlapping bounds to compare: about ten seconds."""


def covered_polygons(
    geometries: NDArray[Any], values: NDArray[np.uint8]
) -> tuple[NDArray[np.bool_], bool]:
    """Find the polygons that one later polygon of another class covers completely.

    Args:
        geometries: (n,) in the order in which they are burnt; only polygons count.
        values: (n,) class value of each, 255 for "not labelled", which does not count.

    Returns:
        (n,) which polygons are covered, and whether all pairs were compared.
    """
    covered = np.zeros(len(geometries), bool)
    indices = np.flatnonzero((shapely.get_dimensions(geometries) == 2) & (values != NODATA))
    if len(np.unique(values[indices])) < 2:
        return covered, True
    polygons, classes = geometries[indices], values[indices]
    bounds, tree, pairs = shapely.bounds(polygons), shapely.STRtree(polygons), 0
    for first in range(0, len(polygons), _BATCH):
        below, above = tree.query(polygons[first : first + _BATCH])
        pairs += len(below)
        below += first
        candidates = (above > below) & (classes[above] != classes[below])
        candidates &= (bounds[above, :2] <= bounds[below, :2]).all(axis=1)
        candidates &= (bounds[above, 2:] >= bounds[below, 2:]).all(axis=1)
        below, above = below[candidates], above[candidates]
        valid = shapely.is_valid(polygons[below]) & shapely.is_valid(polygons[above])
        below, above = below[valid], above[valid]
        shapely.prepare(polygons[above])
        covered[indices[below[shapely.covers(polygons[above], polygons[below])]]] = True
        if pairs > _MAX_PAIRS:
            return covered, False
    return covered, True
