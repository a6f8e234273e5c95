"""How far training and validation tiles lie apart on the ground."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

_TOLERANCE = 1e-3
"""Of a tile's side: edges that lie closer are one edge."""
_TILES_PER_BATCH = 1000
"""Validation tiles looked around together, which bounds memory where tiles overlap a lot."""


def pairs_within(
    corners: NDArray[np.float64], splits: NDArray[np.str_], places: NDArray[Any], sides: float
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Training and validation tiles with less than some ground between them.

    Args:
        corners: (n, 4, 2) x and y of each tile's corners, in order around it.
        splits: (n,) "train", "val" or another split.
        places: (n,) tiles of different places are never close, whatever their corners.
        sides: least distance wanted, in sides of the validation tile; 0 finds tiles that share
            ground.

    Yields:
        Numbers of training tiles, and of the validation tile close to each.
    """
    order = np.argsort(places, kind="stable")
    for here in np.split(order, np.flatnonzero(np.diff(places[order])) + 1):
        train, held = (here[splits[here] == split] for split in ("train", "val"))
        if not len(train) or not len(held):
            continue
        tree = shapely.STRtree(_scale_corners(corners[train], 1 - _TOLERANCE))
        for first in range(0, len(held), _TILES_PER_BATCH):
            some = held[first : first + _TILES_PER_BATCH]
            around = _scale_corners(corners[some], 1 + 2 * sides)
            which, found = tree.query(around, predicate="intersects")
            if len(found):
                yield train[found], some[which]


def touching_validation(
    corners: NDArray[np.float64], splits: NDArray[np.str_], places: NDArray[Any]
) -> NDArray[np.int64]:
    """Numbers of the validation tiles that touch or overlap a training tile; see `pairs_within`."""
    found = [held for _, held in pairs_within(corners, splits, places, 2 * _TOLERANCE)]
    return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)


def split_block_ids(
    corners: NDArray[np.float64], places: NDArray[Any], tiles: int
) -> NDArray[np.int64]:
    """The square of the ground, ``tiles`` tiles wide, that each tile's centre lies in.

    Args:
        corners: (n, 4, 2) as for `pairs_within`.
        places: (n,) tiles of different places share no square.
        tiles: side of a square, in sides of the middlemost tile.

    Returns:
        (n,) a number for each square.
    """
    steps = tiles * np.median(np.ptp(corners, axis=1), axis=0)
    names, place = np.unique(places, return_inverse=True)
    origins = np.full((len(names), 2), np.inf)
    np.minimum.at(origins, place, corners.min(axis=1))
    found = np.floor((corners.mean(axis=1) - origins[place]) / steps).astype(np.int64)
    number: NDArray[np.int64]
    _, number = np.unique(np.column_stack([place, found]), axis=0, return_inverse=True)
    return number.ravel()


def _scale_corners(corners: NDArray[np.float64], factor: float) -> NDArray[Any]:
    """Polygons of this many times the size around the same centres."""
    centres = corners.mean(axis=1, keepdims=True)
    polygons: NDArray[Any] = shapely.polygons(centres + factor * (corners - centres))
    return polygons
