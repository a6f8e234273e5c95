"""Which windows an epoch shows: numbers only, drawn from the seed and the epoch."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from geoseg.training.batches.layout import TileLayout
from geoseg.training.settings import TrainSettings

SCALE_RANGE = (0.5, 2.0)
"""Smallest and largest number of tile pixels that become one pixel of a window, with the
augmentation "full"."""
MIN_STEPS = 25
"""Fewest steps of an epoch that draws windows by class, so that small sets are trained enough."""
_CLASS_POWER = 0.5
"""A class is drawn in proportion to its pixels to this power: 1 draws as often as it occurs, and 0
draws all classes equally often."""
DEFAULT_REPLAY_SHARE = 0.5
"""Share of the windows that come from replayed tiles, if the settings do not give it."""
_MAX_UNLABELLED_SHARE = 0.5
"""With pseudo-labels, largest share of the windows that are drawn from tiles without labels."""


@dataclass(frozen=True, slots=True, eq=False)
class WindowDraws:
    """n windows to cut from the tiles."""

    tile: NDArray[np.int64]
    """(n,) index of a tile that the window shows."""
    row: NDArray[np.int64]
    """(n,) first row, from the first row of that tile (px)."""
    col: NDArray[np.int64]
    """(n,) first column, from the first column of that tile (px)."""
    side: NDArray[np.int64]
    """(n,) side in the pixels of the tiles, which is resampled to the side of the window."""

    def __len__(self) -> int:
        return len(self.tile)

    def take(self, indices: NDArray[np.int64] | slice) -> "WindowDraws":
        """Return the draws with these indices."""
        return WindowDraws(*(getattr(self, name)[indices] for name in self.__slots__))

    @classmethod
    def of_tiles(cls, tiles: NDArray[np.int64], size: int) -> "WindowDraws":
        """Return one window for each of these tiles, which shows exactly that tile."""
        zeros = np.zeros_like(tiles)
        return cls(tiles, zeros, zeros, np.full_like(tiles, size))


def epoch_size(
    settings: TrainSettings, tiles: int, size: int, window: int, replayed: int = 0
) -> int:
    """Return the number of windows of an epoch.

    With the sampling "tiles" it is the number of tiles. With "classes" the windows have as many
    pixels as the tiles, in whole batches, of which there are at least `MIN_STEPS`. If some are
    replayed, the number of tiles is that of the tiles that are not replayed, divided by one minus
    the share of the replayed ones.

    Args:
        settings: sampling, batch size and share of the replayed tiles.
        tiles: number of training tiles.
        size: side of a tile (px).
        window: side of a window (px).
        replayed: number of the tiles that are replayed.
    """
    if replayed:
        tiles = round((tiles - replayed) / (1 - _replay_share(settings)))
    if settings.sampling == "tiles":
        return tiles
    steps = -(-tiles * size**2 // (window**2 * settings.batch_size))
    return max(steps, MIN_STEPS) * settings.batch_size


def draw_epoch(
    settings: TrainSettings, layout: TileLayout, tile_counts: NDArray[np.int64], window: int,
    epoch: int, replayed: int = 0,
) -> WindowDraws:  # fmt: skip
    """Draw the windows of an epoch, which depend on nothing but the arguments.

    Args:
        settings: sampling, augmentation and seed.
        layout: of the training tiles.
        tile_counts: (tiles, classes) pixels of each class.
        window: side of a window (px).
        epoch: number of the epoch, from 0.
        replayed: number of the tiles that are replayed; they are the last ones.
    """
    tiles, seed = len(tile_counts), settings.seed * 100_003 + epoch
    own, rng = tiles - replayed, np.random.default_rng([seed, 1])
    number = epoch_size(settings, tiles, layout.size, window, replayed)
    if settings.sampling == "tiles":
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randperm(own, generator=generator).numpy()
        if replayed:
            old = rng.choice(replayed, number - own, replace=number - own > replayed) + own
            drawn = rng.permutation(np.concatenate([drawn, old]))
    else:
        largest = _MAX_UNLABELLED_SHARE if settings.pseudo_labels else 0
        shares = tile_shares(tile_counts[:own], largest)
        if replayed:
            share, old_shares = _replay_share(settings), tile_shares(tile_counts[own:], largest)
            shares = np.concatenate([(1 - share) * shares, share * old_shares])
        drawn = rng.choice(tiles, number, p=shares)
    if settings.augment != "full" and window == layout.size:
        return WindowDraws.of_tiles(drawn, window)
    scales = SCALE_RANGE if settings.augment == "full" else (1.0, 1.0)
    return place_windows(drawn, layout, window, scales, np.random.default_rng([seed, 2]))


def _replay_share(settings: TrainSettings) -> float:
    """Return the share of the windows that come from replayed tiles."""
    return DEFAULT_REPLAY_SHARE if settings.replay_share is None else settings.replay_share


def cover(layout: TileLayout, window: int) -> WindowDraws:
    """Return windows side by side that show each pixel of the tiles once.

    Args:
        layout: of the tiles.
        window: side of a window (px).
    """
    size = layout.size
    draws: dict[tuple[int, ...], tuple[int, int, int, int]] = {}
    for tile, (scene, row, col) in enumerate(layout.places.tolist()):
        # The windows of tiles that are at whole tile sides from each other lie on one grid.
        first_row, first_col = row % size, col % size
        for down in range((row - first_row) // window, (row - first_row + size - 1) // window + 1):
            above = first_row + down * window - row
            for right in range(
                (col - first_col) // window, (col - first_col + size - 1) // window + 1
            ):
                left = first_col + right * window - col
                place = scene, first_row, first_col, down, right
                draws.setdefault(place, (tile, above, left, window))
    columns = np.array(list(draws.values()), np.int64).reshape(-1, 4).T
    return WindowDraws(*columns)


def tile_shares(tile_counts: NDArray[np.int64], unlabelled: float = 0.0) -> NDArray[np.float64]:
    """Return the probability of each tile (n,), so that rare classes are drawn more often.

    It is that of drawing a class in proportion to the square root of its pixels, then one of its
    pixels. Tiles without labels share their part of the tiles, at most ``unlabelled``. Without any
    label, all tiles have the same probability.

    Args:
        tile_counts: (n, classes) pixels of each class in each tile.
        unlabelled: largest share of the windows that are drawn from tiles without labels, 0 to 1.
    """
    totals = tile_counts.sum(axis=0)
    if not totals.any():
        return np.full(len(tile_counts), 1 / len(tile_counts))
    class_shares = totals**_CLASS_POWER / (totals**_CLASS_POWER).sum()
    shares = (tile_counts / np.maximum(totals, 1)) @ class_shares
    empty = ~tile_counts.any(axis=1)
    share = min(unlabelled, empty.mean())
    return np.asarray((1 - share) * shares / shares.sum() + share * empty / max(empty.sum(), 1))


def place_windows(
    tiles: NDArray[np.int64], layout: TileLayout, window: int, scales: tuple[float, float],
    rng: np.random.Generator,
) -> WindowDraws:  # fmt: skip
    """Draw the side and the place of a window for each tile.

    A window that is larger than a tile contains the tile, and a smaller one lies in it. The window
    lies in the rectangle around the connected tiles, or contains it if that is smaller.

    Args:
        tiles: (n,) indices of tiles.
        layout: of the tiles.
        window: side of a window (px).
        scales: smallest and largest side in pixels of the tiles, relative to ``window``. A side is
            not larger than the connected tiles, unless they are smaller than ``window``.
        rng: source of all random numbers.
    """
    number, size = len(tiles), layout.size
    low, high = np.log(scales)
    sides = np.rint(window * np.exp(rng.uniform(low, high, number))).astype(np.int64)
    first_row, first_col, end_row, end_col = layout.extents[tiles].T
    shortest = np.minimum(end_row - first_row, end_col - first_col)
    sides = np.minimum(sides, np.maximum(shortest, window))
    starts = []
    for first, end in ((first_row, end_row), (first_col, end_col)):
        lowest = np.maximum(np.minimum(size - sides, 0), np.minimum(first, end - sides))
        highest = np.minimum(np.maximum(size - sides, 0), np.maximum(first, end - sides))
        starts.append(rng.integers(lowest, highest, endpoint=True))
    return WindowDraws(tiles, starts[0], starts[1], sides)
