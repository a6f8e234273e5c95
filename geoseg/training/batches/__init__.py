"""Tiles to batches of training windows: which windows to draw, their pixels, random changes."""

from geoseg.training.batches.augment import change_images, flip
from geoseg.training.batches.draw import (
    DEFAULT_REPLAY_SHARE,
    WindowDraws,
    cover,
    draw_epoch,
    epoch_size,
)
from geoseg.training.batches.layout import TileLayout
from geoseg.training.batches.loader import Batch, BatchLoader

__all__ = [
    "DEFAULT_REPLAY_SHARE",
    "Batch",
    "BatchLoader",
    "TileLayout",
    "WindowDraws",
    "change_images",
    "cover",
    "draw_epoch",
    "epoch_size",
    "flip",
]
