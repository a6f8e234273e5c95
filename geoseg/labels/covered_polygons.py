"""Polygons that disappear, because a later polygon of another class covers them."""

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.legend import NODATA

_BATCH = 64
"""Polygons that are looked up together."""
_MOST_PAIRS = 20_000_000
"""Pairs of polygons with overlapping bounds that are looked at; ten seconds of work."""


def covered_polygons(
    geometries: NDArray[Any], values: NDArray[np.uint8]
) -> tuple[NDArray[np.bool_], bool]:
    """Find polygons that one later polygon of another class covers completely.

    Args:
        geometries: (n,) in the order in which they are burnt; others than polygons do not count.
        values: (n,) class value of each, 255 for "not labelled", which does not count.

    Returns:
        (n,) which polygons are covered, and whether all pairs were looked at.
    """
    covered = np.zeros(len(geometries), bool)
    numbers = np.flatnonzero((shapely.get_dimensions(geometries) == 2) & (values != NODATA))
    if len(np.unique(values[numbers])) < 2:
        return covered, True
    polygons, classes = geometries[numbers], values[numbers]
    bounds, tree, pairs = shapely.bounds(polygons), shapely.STRtree(polygons), 0
    for first in range(0, len(polygons), _BATCH):
        below, above = tree.query(polygons[first : first + _BATCH])
        pairs += len(below)
        below += first
        wanted = (above > below) & (classes[above] != classes[below])
        wanted &= (bounds[above, :2] <= bounds[below, :2]).all(axis=1)
        wanted &= (bounds[above, 2:] >= bounds[below, 2:]).all(axis=1)
        below, above = below[wanted], above[wanted]
        valid = shapely.is_valid(polygons[below]) & shapely.is_valid(polygons[above])
        below, above = below[valid], above[valid]
        shapely.prepare(polygons[above])
        covered[numbers[below[shapely.covers(polygons[above], polygons[below])]]] = True
        if pairs > _MOST_PAIRS:
            return covered, False
    return covered, True
