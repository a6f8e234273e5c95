"""Polygons that cannot be seen, because later polygons of another class cover them."""

import logging
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.errors import count_of
from geoseg.legend import NODATA, Legend

log = logging.getLogger(__name__)

_BATCH = 64
"""Polygons of one query of the spatial index."""
_MAX_PAIRS = 20_000_000
"""Maximum number of pairs of polygons with overlapping bounds to compare: about ten seconds."""


def warn_of_covered(
    labels: str, geometries: NDArray[Any], values: NDArray[np.uint8], legend: Legend, rule: str
) -> None:
    """Warn of polygons that later polygons of another class cover completely.

    Args:
        labels: the files, for the message.
        geometries: (n,) in one CRS.
        values: (n,) class value of each, 255 for "not labelled".
        legend: the classes.
        rule: which polygon wins, and what to do, for the message.
    """
    covered, complete = _covered_polygons(geometries, values)
    if not covered.any():
        return
    numbers = np.bincount(values[covered], minlength=NODATA + 1)
    counts = [
        f"{count_of(int(numbers[c.value]), 'polygon')} of {c.name}"
        for c in legend.classes
        if numbers[c.value]
    ]
    log.warning(
        "%s: later polygons of another class completely cover %s%s; %s",
        labels, "" if complete else "at least ", ", ".join(counts), rule,
    )  # fmt: skip


def _covered_polygons(
    geometries: NDArray[Any], values: NDArray[np.uint8]
) -> tuple[NDArray[np.bool_], bool]:
    """Find the polygons that a later polygon of another class covers completely.

    Unlabelled polygons, lines and points do not count. Returns which geometries (n,) are covered,
    and whether all pairs were compared.
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
