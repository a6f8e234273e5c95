"""Tiles as records of a few large files, so that reading does not open a file for each tile.

A shard is an uncompressed .npy of records, one a tile: ``image`` (bands, s, s), ``valid`` (packed
bits, 1 where a pixel has data) and ``label`` (s, s) class values, 255 where not labelled. Row i of
the index is record i % n of shard i // n, where n is the number of tiles of a full shard.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import dtype_to_descr, write_array_header_1_0
from numpy.typing import NDArray

from geoseg.errors import TileError
from geoseg.files import translate_write_errors
from geoseg.tiles.store.geotiff_pairs import Pixels

SHARDS = "shards"
"""Name of the folder of shards in a set."""
_MAX_SHARD_BYTES = 64 << 20
"""A set has few shards of this size, and a shard can still be copied quickly."""
_HEADER_SIZES = range(64, 4097, 64)
"""Lengths (bytes) that the header of an .npy may have: the format aligns the records."""


@dataclass(frozen=True, slots=True)
class ShardStore:
    """Tiles in shards, by their index in the set."""

    folder: str
    tiles: int
    """Number of tiles in all shards."""
    shape: tuple[int, int, int]
    """Bands, height and width of each image."""
    dtype: str

    @property
    def record(self) -> np.dtype[Any]:
        """The dtype of a tile on disk."""
        side = self.shape[1:]
        return np.dtype(
            [
                ("image", np.dtype(self.dtype).newbyteorder("<"), self.shape),
                ("valid", "u1", (-(-side[0] * side[1] // 8),)),
                ("label", "u1", side),
            ]
        )

    @property
    def tiles_per_shard(self) -> int:
        """Number of tiles of each shard but the last."""
        return max(1, _MAX_SHARD_BYTES // self.record.itemsize)

    def path(self, shard: int) -> Path:
        """Path of the shard with this number, from 0."""
        return Path(self.folder) / f"{shard:05d}.npy"

    def read(self, indices: NDArray[np.int64]) -> Pixels:
        """Read the tiles with these indices.

        Raises:
            TileError: if a shard is missing or damaged.
        """
        records = np.empty(len(indices), self.record)
        shards, offsets = np.divmod(indices, self.tiles_per_shard)
        for shard in np.unique(shards):
            in_shard = np.flatnonzero(shards == shard)
            self._read_shard(int(shard), offsets[in_shard], records, in_shard)
        side = self.shape[1:]
        bits = np.unpackbits(records["valid"], axis=1, count=side[0] * side[1])
        images = np.ascontiguousarray(records["image"], self.dtype)
        return images, bits.view(bool).reshape(-1, *side), np.ascontiguousarray(records["label"])

    def _read_shard(
        self,
        shard: int,
        offsets: NDArray[np.int64],
        records: NDArray[Any],
        targets: NDArray[np.int64],
    ) -> None:
        """Read the records at ``offsets`` (k,) into ``records`` (n,) at ``targets`` (k,)."""
        size = self.record.itemsize
        total = self.shard_tiles(shard) * size
        try:
            with self.path(shard).open("rb", buffering=0) as file:
                header = os.fstat(file.fileno()).st_size - total
                if header not in _HEADER_SIZES:
                    raise OSError("it has another length than it was written with")
                for offset, target in zip(offsets.tolist(), targets.tolist(), strict=True):
                    file.seek(header + offset * size)
                    if file.readinto(records[target : target + 1].view("u1").data) != size:
                        raise OSError("it ends too soon")
        except OSError as error:
            raise TileError(
                f"shard {self.path(shard)} cannot be read ({error.strerror or error}), "
                "tile the scenes again"
            ) from None

    def shard_tiles(self, shard: int) -> int:
        """Number of tiles of the shard with this number, from 0."""
        return min(self.tiles_per_shard, self.tiles - shard * self.tiles_per_shard)


@contextmanager
def write_shard(shards: ShardStore, shard: int) -> Iterator[Callable[[Pixels], None]]:
    """Yield a function that appends a tile to a shard.

    Raises:
        OutputError: if the shard cannot be written.
    """
    record, path = shards.record, shards.path(shard)
    with translate_write_errors(path), path.open("wb") as file:
        shape, descr = (shards.shard_tiles(shard),), dtype_to_descr(record)
        write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})

        def append(pixels: Pixels) -> None:
            image, valid, labels = pixels
            tile = np.zeros(1, record)
            tile["image"], tile["valid"], tile["label"] = image, np.packbits(valid), labels
            file.write(tile.tobytes())

        yield append
