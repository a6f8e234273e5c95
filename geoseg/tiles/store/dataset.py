"""The tiles of one split, as arrays for training."""

import hashlib
import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geoseg.legend import NODATA
from geoseg.tiles.store.index import checksum, class_pixels

if TYPE_CHECKING:
    from geoseg.tiles.store.tileset import TileSet

IGNORE_INDEX = NODATA
"""Class index of pixels that are not labelled."""
_TILES_PER_READ = 128
"""Tiles read together where all of them have to be looked through."""


class TileDataset:
    """Some tiles of a set, numbered from 0; their pixels stay on disk until they are read."""

    def __init__(self, tiles: "TileSet", numbers: NDArray[np.int64]) -> None:
        self._tiles, self._numbers = tiles, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each tile, for messages."""
        return tuple(self._tiles.names[number] for number in self._numbers)

    def read(
        self, some: NDArray[np.int64]
    ) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.uint8]]:
        """Read some tiles, in this order.

        Args:
            some: (k,) numbers from 0 to the number of tiles.

        Returns:
            Images (k, bands, s, s) in the scene's dtype; valid (k, s, s), True where a pixel has
            data; and class indices (k, s, s), 255 where not labelled, ignored or not valid.

        Raises:
            TileError: if a tile is missing, damaged or of another shape than the first.
            SceneError: if a file cannot be read.
            LabelError: if the labels of a folder of images and masks do not fit its legend.
        """
        images, valid, values = self._tiles.store.read(self._numbers[some])
        # Ten times as fast as indexing a table, which would be a third of the time.
        labels = bytearray(values).translate(self._indices)
        return images, valid, np.frombuffer(labels, np.uint8).reshape(values.shape)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Pixels of each class of the legend (classes,); 0 for ignored ones.

        Raises:
            GeosegError: as `read` does, where the set has no index and all tiles are read.
        """
        ignored = np.isin(self._tiles.legend.values, self._tiles.ignored)
        return np.where(ignored, 0, self._known[1].sum(axis=0))

    @property
    def digest(self) -> str:
        """SHA-256 of what the tiles contain, in this order, wherever they lie.

        Raises:
            GeosegError: as `read` does, where the set has no index and all tiles are read.
        """
        contents = [self._known[0], self._tiles.legend.values, sorted(self._tiles.ignored)]
        return hashlib.sha256(json.dumps(contents).encode()).hexdigest()

    @cached_property
    def _indices(self) -> bytes:
        """Class index of each of the 256 values."""
        indices = np.full(NODATA + 1, IGNORE_INDEX, np.uint8)
        legend, ignored = self._tiles.legend, self._tiles.ignored
        for index, value in enumerate(legend.values):
            indices[value] = IGNORE_INDEX if value in ignored else index
        return indices.tobytes()

    @cached_property
    def _known(self) -> tuple[list[str], NDArray[np.int64]]:
        """Checksum of each tile, and pixels of each class in it (tiles, classes)."""
        tiles = self._tiles
        if tiles.checksums is not None and tiles.counts is not None:
            return [tiles.checksums[n] for n in self._numbers], tiles.counts[self._numbers]
        sums: list[str] = []
        counts = np.zeros((len(self), len(tiles.legend)), np.int64)
        for first in range(0, len(self), _TILES_PER_READ):
            pixels = tiles.store.read(self._numbers[first : first + _TILES_PER_READ])
            for number, tile in enumerate(zip(*pixels, strict=True), first):
                sums.append(checksum(*tile))
                counts[number] = class_pixels(tile[2], tiles.legend)
        return sums, counts
