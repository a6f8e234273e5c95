"""Which tiles train and which validate."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.errors import TileError
from geoseg.tiles.leakage import pairs_within, split_block_ids

if TYPE_CHECKING:
    import geopandas

Split = Literal["block", "scene", "random"]
SPLITS: tuple[Split, ...] = ("block", "scene", "random")
BLOCK_TILES = 4
"""Side of a block, in tiles."""
MIN_GAP_TILES = 1
"""Least distance of training and validation tiles, in sides of a tile."""


def assign_splits(
    corners: NDArray[np.float64],
    places: NDArray[Any],
    groups: NDArray[Any],
    *,
    how: Split,
    val: float,
    seed: int,
) -> NDArray[np.str_]:
    """The split of each tile: "train", "val" or "gap".

    Law: unless tiles are drawn at random, at least one tile's side of ground lies between any
    training and any validation tile, of whatever scenes; `check_split` proves it.

    Args:
        corners: (n, 4, 2) x and y of each tile's corners, in order around it.
        places: (n,) where scenes have no place on the ground, the scene of each tile; else all
            the same, so that scenes may overlap.
        groups: (n,) scene or group of scenes of each tile.
        how: "random" draws tiles (neighbours leak); "scene" draws whole groups; "block" draws
            squares of 4 x 4 tiles. Training tiles too near a validation tile become "gap".
        val: share of the tiles wanted for validation, 0 to 1.
        seed: of the draw.

    Raises:
        TileError: if the share leaves nothing to train on, or there is too little to split.
    """
    if how == "random":
        return draw_validation(np.arange(len(corners)), "tile", val=val, seed=seed)
    units = groups if how == "scene" else split_block_ids(corners, places, BLOCK_TILES)
    splits = draw_validation(units, how, val=val, seed=seed)
    near = [train for train, _ in pairs_within(corners, splits, places, MIN_GAP_TILES)]
    if near:
        splits[np.concatenate(near)] = "gap"
    if not (splits == "train").any():
        raise TileError(
            f"all training tiles lie within a tile's side of a validation tile, so a {how} split "
            "has nothing to train on, use --split random, a smaller --val, or more scenes"
        )
    return splits


def draw_validation(units: NDArray[Any], what: str, *, val: float, seed: int) -> NDArray[np.str_]:
    """Draw whole units of tiles for validation: "train" or "val" for each tile.

    Args:
        units: (n,) unit of each tile.
        what: the unit in one word, for messages.
        val: share of the tiles wanted for validation, 0 to 1.
        seed: of the draw.

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
    before = np.cumsum(sizes[order]) - sizes[order]
    taken = order[before + sizes[order] / 2 <= round(val * len(units))]
    if not len(taken) and len(names) > 1:
        taken = order[:1]
    splits[np.isin(units, names[taken])] = "val"
    if len(set(splits.tolist())) < 2:
        raise TileError(
            f"{len(units)} tiles in {len(names)} {what}s cannot be split with a share of "
            f"{val} for validation, use --split random, another --val, or more scenes"
        )
    return splits


def check_split(index: "geopandas.GeoDataFrame") -> None:
    """Prove from a set's index that no training tile lies near a validation tile.

    Args:
        index: what GeoPandas reads from tiles.parquet: footprints, and the columns tile, split
            and scene. Footprints without a CRS are compared within each scene.

    Raises:
        TileError: if a training tile lies less than a tile's side from a validation tile; it
            says how many pairs do, and names one.
    """
    corners = shapely.get_coordinates(index.geometry.to_numpy()).reshape(-1, 5, 2)[:, :4]
    scenes = np.unique(index["scene"].to_numpy(str), return_inverse=True)[1]
    places = scenes if index.crs is None else np.zeros(len(index), np.int64)
    found = list(pairs_within(corners, index["split"].to_numpy(str), places, MIN_GAP_TILES))
    if found:
        train, held = (int(some[0]) for some in found[0])
        raise TileError(
            f"{sum(len(some) for some, _ in found):,} pairs of a training and a validation tile "
            f"lie less than a tile's side apart, such as {index['tile'].iloc[train]} and "
            f"{index['tile'].iloc[held]}"
        )
