"""Tiles of a set as arrays for training."""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import TileError
from geoseg.legend import NODATA, Legend
from geoseg.tiles.store.index import TileSums, checksum, class_pixels
from geoseg.tiles.store.joined import Store

IGNORE_INDEX = 255
"""Class index of pixels that are not labelled.

A class index is the position of a class in the legend and in the output of a network, 0, 1, ...; a
class value is what labels on disk contain, where ``NODATA`` means "not labelled".
"""
_TILES_PER_READ = 128
"""Tiles that are read together to count all pixels."""


class TileDataset:
    """Tiles of a set, indexed from 0; their pixels stay on disk until they are read."""

    def __init__(
        self,
        store: Store,
        indices: NDArray[np.int64],
        names: Sequence[str],
        legend: Legend,
        *,
        sums: TileSums | None = None,
        places: NDArray[np.int64] | None = None,
    ) -> None:
        """Select tiles of a store.

        Args:
            store: reads the pixels of a set.
            indices: (n,) of the tiles in the store.
            names: (n,) name of each tile, for messages.
            legend: the classes; pixels with other values count as not labelled.
            sums: of the n tiles; None to compute them when they are needed.
            places: (n, 3) number of the scene, first row and first column (px) of each tile; None
                if they are unknown: then each tile is in a scene of its own.
        """
        self._store, self._indices, self._legend = store, indices, legend
        self._stored_sums, self._verified = sums, np.zeros(len(indices), bool)
        self.names = tuple(names)
        """Name of each tile, for messages."""
        if places is None:
            places = np.zeros((len(indices), 3), np.int64)
            places[:, 0] = np.arange(len(indices))
        self.places = places
        """(n, 3) number of the scene, first row and first column (px) of each tile."""

    def __len__(self) -> int:
        return len(self._indices)

    @property
    def dtype(self) -> str:
        """NumPy dtype of the images."""
        return self._store.dtype

    def read(
        self, indices: NDArray[np.int64]
    ) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.uint8]]:
        """Read tiles, in the order of their indices.

        Args:
            indices: (k,) from 0 to the number of tiles.

        Returns:
            Images (k, bands, s, s) in the scene's dtype; valid (k, s, s), True where a pixel has
            data; and class indices (k, s, s), `IGNORE_INDEX` where not labelled or not
            valid.

        Raises:
            TileError: if a tile is missing, damaged or of another shape than the first.
            SceneError: if a file cannot be read.
            LabelError: if the labels of a folder of images and masks do not fit its legend.
        """
        images, valid, values = self._store.read(self._indices[indices])
        self._verify(indices, images, valid, values)
        # Ten times as fast as indexing a table, which would be a third of the time.
        class_indices = bytearray(values).translate(self._index_of_value)
        return images, valid, np.frombuffer(class_indices, np.uint8).reshape(values.shape)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Pixels of each class of the legend (classes,).

        Raises:
            GeosegError: as `read` does, where the set has no index and all tiles are read.
        """
        total: NDArray[np.int64] = self.tile_counts.sum(axis=0, dtype=np.int64)
        return total

    @property
    def tile_counts(self) -> NDArray[np.int64]:
        """Pixels of each class in each tile (n, classes).

        Raises:
            GeosegError: as `read` does, where the set has no index and all tiles are read.
        """
        counts: NDArray[np.int64] = self._sums.counts
        return counts

    @property
    def digest(self) -> str:
        """SHA-256 of the contents of the tiles, in this order; the folder does not count.

        Raises:
            GeosegError: as `read` does, where the set has no index and all tiles are read.
        """
        contents = [self._sums.checksums, self._legend.values]
        return hashlib.sha256(json.dumps(contents).encode()).hexdigest()

    def _verify(
        self,
        indices: NDArray[np.int64],
        images: NDArray[Any],
        valid: NDArray[np.bool_],
        values: NDArray[np.uint8],
    ) -> None:
        """Compare tiles with their stored checksums, each tile once."""
        if self._stored_sums is None:
            return
        for number in np.flatnonzero(~self._verified[indices]).tolist():
            index = int(indices[number])
            computed = checksum(images[number], valid[number], values[number])
            if computed != self._stored_sums.checksums[index]:
                raise TileError(
                    f"tile {self.names[index]} has changed since it was cut, or is damaged (its "
                    "checksum differs), cut the scenes again (geoseg tile)"
                )
            self._verified[index] = True

    @cached_property
    def _index_of_value(self) -> bytes:
        """Class index of each of the 256 class values."""
        indices = np.full(NODATA + 1, IGNORE_INDEX, np.uint8)
        for index, value in enumerate(self._legend.values):
            indices[value] = index
        return indices.tobytes()

    @cached_property
    def _sums(self) -> TileSums:
        """The stored sums, or those of the pixels where the set has no index."""
        if self._stored_sums is not None:
            return self._stored_sums
        checksums: list[str] = []
        counts = np.zeros((len(self), len(self._legend)), np.int64)
        for first in range(0, len(self), _TILES_PER_READ):
            pixels = self._store.read(self._indices[first : first + _TILES_PER_READ])
            for number, tile in enumerate(zip(*pixels, strict=True), first):
                checksums.append(checksum(*tile))
                counts[number] = class_pixels(tile[2], self._legend)
        return TileSums(tuple(checksums), counts)
