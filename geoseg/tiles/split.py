"""Which tiles train and which validate."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import TileError

Split = Literal["block", "scene", "random"]
SPLITS: tuple[Split, ...] = ("block", "scene", "random")
BLOCK_TILES = 4
"""Side of a block, in tiles."""


def assign(
    scene: NDArray[np.int64],
    row: NDArray[np.int64],
    col: NDArray[np.int64],
    *,
    size: int,
    how: Split,
    val: float,
    seed: int,
) -> NDArray[np.str_]:
    """The split of each tile: "train", "val" or "gap".

    Args:
        scene: (n,) number of the scene, or group of scenes, of each tile.
        row: (n,) first row of each tile (px); groups of scenes must not share coordinates.
        col: (n,) first column (px).
        size: side of a tile (px).
        how: "random" draws tiles (neighbours leak); "scene" draws whole scenes; "block" draws
            blocks of 4 x 4 tiles and sets the training tiles around them aside as "gap", so that
            at least one tile's side lies between any training and any validation pixel.
        val: share of the tiles wanted for validation, 0 to 1.
        seed: of the draw.

    Raises:
        TileError: if the share leaves nothing to train on, or there is too little to split.
    """
    if not 0 <= val < 1:
        raise TileError(f"validation share {val} is not in [0, 1)")
    split = np.full(len(scene), "train", dtype="<U5")
    if val == 0:
        return split
    if how == "random":
        unit = np.arange(len(scene))
    elif how == "scene":
        unit = scene
    else:
        side = size * BLOCK_TILES
        unit = np.unique(np.stack([scene, row // side, col // side]), axis=1, return_inverse=True)[
            1
        ].ravel()
    chosen = _draw(unit, round(val * len(scene)), np.random.default_rng(seed))
    split[chosen] = "val"
    if how == "block":
        split[_near(scene, row, col, chosen, size) & ~chosen] = "gap"
    if not (split == "train").any() or not chosen.any():
        raise TileError(
            f"{len(scene)} tiles in {len(np.unique(unit))} {how}s cannot be split with a share of "
            f"{val} for validation, use --split random, another --val, or more scenes"
        )
    return split


def _draw(unit: NDArray[np.int64], wanted: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Whole units, in random order, until about ``wanted`` members are drawn."""
    units, sizes = np.unique(unit, return_counts=True)
    order = rng.permutation(len(units))
    before = np.cumsum(sizes[order]) - sizes[order]
    take = order[before + sizes[order] / 2 <= wanted]
    if not len(take) and len(units) > 1:
        take = order[:1]
    return np.isin(unit, units[take])


def _near(
    scene: NDArray[np.int64],
    row: NDArray[np.int64],
    col: NDArray[np.int64],
    chosen: NDArray[np.bool_],
    size: int,
) -> NDArray[np.bool_]:
    """Tiles less than ``size`` px away from a chosen tile of the same scene."""
    near = np.zeros(len(scene), bool)
    for s in np.unique(scene[chosen]):
        here = np.flatnonzero(scene == s)
        centres = np.flatnonzero(chosen & (scene == s))
        for some in np.array_split(centres, max(1, len(centres) * len(here) // 4_000_000)):
            away = np.maximum(
                np.abs(row[here, None] - row[some]), np.abs(col[here, None] - col[some])
            )
            near[here] |= (away < 2 * size).any(axis=1)
    return near
