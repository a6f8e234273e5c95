"""Distance on the ground between training and validation tiles."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

_TOLERANCE = 1e-3
"""Edges that lie closer than this are one edge (tile sides)."""
_TILES_PER_BATCH = 1000
"""Validation tiles of one query of the spatial index, which bounds memory if tiles overlap."""


def pairs_within(
    corners: NDArray[np.float64], splits: NDArray[np.str_], systems: NDArray[Any], distance: float,
    turn: float = 0.0,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:  # fmt: skip
    """Find pairs of a training and a validation tile that lie less than a distance apart.

    Args:
        corners: (n, 4, 2) x and y of each tile's corners, in order around it.
        splits: (n,) "train", "val" or another split.
        systems: (n,) coordinate system of each tile; tiles of different systems are never close.
        distance: in sides of the validation tile; 0 finds tiles that overlap.
        turn: x that differ by it are of one place, see `geoseg.longitudes.turn_of`; 0 for none.

    Yields:
        Indices (k,) of training tiles, and (k,) of the validation tiles close to them.
    """
    order = np.argsort(systems, kind="stable")
    for indices in np.split(order, np.flatnonzero(np.diff(systems[order])) + 1):
        train, val = (indices[splits[indices] == split] for split in ("train", "val"))
        if not len(train) or not len(val):
            continue
        tree = shapely.STRtree(_scaled_tiles(corners[train], 1 - _TOLERANCE))
        for first in range(0, len(val), _TILES_PER_BATCH):
            batch = val[first : first + _TILES_PER_BATCH]
            for shift in (-turn, 0.0, turn) if turn else (0.0,):
                moved = corners[batch] + np.array([shift, 0.0])
                surroundings = _scaled_tiles(moved, 1 + 2 * distance)
                of_batch, of_train = tree.query(surroundings, predicate="intersects")
                if len(of_train):
                    yield train[of_train], batch[of_batch]


def touching_validation(
    corners: NDArray[np.float64], splits: NDArray[np.str_], systems: NDArray[Any],
    turn: float = 0.0,
) -> NDArray[np.int64]:  # fmt: skip
    """Indices of the validation tiles that touch or overlap a training tile; see `pairs_within`."""
    val = [val for _, val in pairs_within(corners, splits, systems, 2 * _TOLERANCE, turn)]
    return np.unique(np.concatenate(val)) if val else np.zeros(0, np.int64)


def split_block_ids(
    corners: NDArray[np.float64], systems: NDArray[Any], tiles: int
) -> NDArray[np.int64]:
    """Number (n,) of the square block of ``tiles`` x ``tiles`` tiles in which a tile's centre lies.

    A tile's side is the median side. Tiles of different coordinate systems share no block.

    Args:
        corners: (n, 4, 2) as for `pairs_within`.
        systems: (n,) coordinate system of each tile.
        tiles: side of a block (tile sides).
    """
    steps = tiles * np.median(np.ptp(corners, axis=1), axis=0)
    names, system = np.unique(systems, return_inverse=True)
    origins = np.full((len(names), 2), np.inf)
    np.minimum.at(origins, system, corners.min(axis=1))
    blocks = np.floor((corners.mean(axis=1) - origins[system]) / steps).astype(np.int64)
    ids = np.unique(np.column_stack([system, blocks]), axis=0, return_inverse=True)[1]
    return np.asarray(ids.ravel(), np.int64)


def _scaled_tiles(corners: NDArray[np.float64], factor: float) -> NDArray[Any]:
    """Polygons (n,) of this many times the size of the tiles, around the same centres."""
    centres = corners.mean(axis=1, keepdims=True)
    return np.asarray(shapely.polygons(centres + factor * (corners - centres)))
