"""The split of tiles into training and validation."""

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.errors import TileError, count_of
from geoseg.longitudes import turn_of
from geoseg.tiles.leakage import pairs_within, split_block_ids

if TYPE_CHECKING:
    import geopandas

Split = Literal["block", "scene", "random"]
SPLITS: tuple[Split, ...] = get_args(Split)
BLOCK_TILES = 4
"""Side of a block of the split (tile sides)."""
MIN_GAP_TILES = 1
"""Minimum distance between training and validation tiles (tile sides)."""


def assign_splits(
    corners: NDArray[np.float64],
    systems: NDArray[Any],
    groups: NDArray[Any],
    *,
    how: Split,
    val: float,
    seed: int,
    turn: float = 0.0,
) -> NDArray[np.str_]:
    """Split tiles: return "train", "val" or "gap" for each tile (n,).

    Law: unless the split is "random", any training tile lies at least one tile side from any
    validation tile, of the same or of another scene; `check_split` proves it.

    Args:
        corners: (n, 4, 2) x and y of each tile's corners, in order around it.
        systems: (n,) coordinate system of each tile: the scene, if scenes have no CRS; otherwise
            one for all, because scenes may overlap.
        groups: (n,) scene or group of scenes of each tile.
        how: "random" draws tiles (neighbours leak); "scene" draws whole groups; "block" draws
            blocks of 4 x 4 tiles. With the last two, training tiles closer than one tile side to
            a validation tile become "gap".
        val: share of the tiles for validation, at least 0 and below 1.
        seed: random seed.
        turn: a whole turn of longitudes in the units of x, 0 if x are no longitudes.

    Raises:
        TileError: if the share leaves nothing to train on, or there is too little to split.
    """
    if how == "random":
        return draw_validation(np.arange(len(corners)), "tile", val=val, seed=seed)
    units = groups if how == "scene" else split_block_ids(corners, systems, BLOCK_TILES)
    splits = draw_validation(units, how, val=val, seed=seed)
    close = [train for train, _ in pairs_within(corners, splits, systems, MIN_GAP_TILES, turn)]
    if close:
        splits[np.concatenate(close)] = "gap"
    if not (splits == "train").any():
        raise TileError(
            f"all training tiles lie within a tile's side of a validation tile, so a {how} split "
            "has nothing to train on, use --split random, a smaller --val, or more scenes"
        )
    return splits


def draw_validation(units: NDArray[Any], noun: str, *, val: float, seed: int) -> NDArray[np.str_]:
    """Draw whole units of tiles for validation: "train" or "val" for each tile.

    Args:
        units: (n,) unit of each tile.
        noun: what a unit is ("tile", "block"), for messages.
        val: share of the tiles for validation, at least 0 and below 1.
        seed: random seed.

    Raises:
        TileError: if the share leaves nothing to train on, or there is too little to split.
    """
    if not 0 <= val < 1:
        raise TileError(f"validation share {val} is not in [0, 1)")
    splits = np.full(len(units), "train", dtype="<U5")
    if val == 0:
        return splits
    names, sizes = np.unique(units, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    drawn, number = [], 0
    for unit in order.tolist():
        if number + sizes[unit] / 2 <= round(val * len(units)):
            drawn.append(unit)
            number += sizes[unit]
    if not drawn and len(names) > 1:
        drawn = [int(order[sizes[order].argmin()])]
    splits[np.isin(units, names[drawn])] = "val"
    if len(np.unique(splits)) < 2:
        drawn_alone = noun == "tile"
        place = "" if drawn_alone else f" in {count_of(len(names), noun)}"
        raise TileError(
            f"{count_of(len(units), 'tile')}{place} cannot be split with a share of {val} for "
            f"validation, use {'' if drawn_alone else '--split random, '}another --val, or more "
            "scenes"
        )
    return splits


def check_split(index: "geopandas.GeoDataFrame") -> None:
    """Prove from a set's index that no training tile lies near a validation tile.

    Args:
        index: what GeoPandas reads from tiles.parquet: footprints, and the columns tile, split
            and scene. Footprints without a CRS are compared within each scene.

    Raises:
        TileError: if a training tile lies less than a tile side from a validation tile.
    """
    corners = shapely.get_coordinates(index.geometry.to_numpy()).reshape(-1, 5, 2)[:, :4]
    scenes = np.unique(index["scene"].to_numpy(str), return_inverse=True)[1]
    systems = scenes if index.crs is None else np.zeros(len(index), np.int64)
    splits, turn = index["split"].to_numpy(str), turn_of(index.crs and index.crs.to_wkt())
    pairs = list(pairs_within(corners, splits, systems, MIN_GAP_TILES, turn))
    if pairs:
        train, val = (int(indices[0]) for indices in pairs[0])
        raise TileError(
            f"{sum(len(train) for train, _ in pairs):,} pairs of a training and a validation tile "
            f"lie less than a tile's side apart, such as {index['tile'].iloc[train]} and "
            f"{index['tile'].iloc[val]}"
        )
