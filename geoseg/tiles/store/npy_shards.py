"""Tiles as records of a few large files, which are read without opening a file for each tile.

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
_BYTES = 64 << 20
"""Most bytes of a shard: large enough to be few, small enough to be moved one by one."""

_header_sizes = range(64, 4097, 64)
"""Lengths (bytes) that the head of an .npy may have: the format aligns the records."""


@dataclass(frozen=True, slots=True)
class ShardStore:
    """Tiles in shards, by number."""

    folder: str
    tiles: int
    """Of all shards together."""
    shape: tuple[int, int, int]
    """Bands, height and width of each image."""
    dtype: str

    @property
    def record(self) -> np.dtype[Any]:
        """What a tile is on disk."""
        side = self.shape[1:]
        return np.dtype(
            [
                ("image", np.dtype(self.dtype).newbyteorder("<"), self.shape),
                ("valid", "u1", (-(-side[0] * side[1] // 8),)),
                ("label", "u1", side),
            ]
        )

    @property
    def full(self) -> int:
        """Tiles of a shard that is not the last."""
        return max(1, _BYTES // self.record.itemsize)

    def path(self, shard: int) -> Path:
        """Of the shard with this number, from 0."""
        return Path(self.folder) / f"{shard:05d}.npy"

    def read(self, some: NDArray[np.int64]) -> Pixels:
        """Read the tiles with these numbers: images, valid, and class values.

        Raises:
            TileError: if a shard is missing or damaged.
        """
        records = np.empty(len(some), self.record)
        shards, places = np.divmod(some, self.full)
        for shard in np.unique(shards):
            here = np.flatnonzero(shards == shard)
            self._fill(records, here, int(shard), places[here])
        side = self.shape[1:]
        bits = np.unpackbits(records["valid"], axis=1, count=side[0] * side[1])
        images = np.ascontiguousarray(records["image"], self.dtype)
        return images, bits.view(bool).reshape(-1, *side), np.ascontiguousarray(records["label"])

    def _fill(
        self,
        records: NDArray[Any],
        here: NDArray[np.int64],
        shard: int,
        places: NDArray[np.int64],
    ) -> None:
        size = self.record.itemsize
        total = min(self.full, self.tiles - shard * self.full) * size
        try:
            with self.path(shard).open("rb", buffering=0) as file:
                head = os.fstat(file.fileno()).st_size - total
                if head not in _header_sizes:
                    raise OSError("it has another length than it was written with")
                for number, place in zip(here.tolist(), places.tolist(), strict=True):
                    file.seek(head + place * size)
                    if file.readinto(records[number : number + 1].view("u1").data) != size:
                        raise OSError("it ends too soon")
        except OSError as error:
            raise TileError(
                f"shard {self.path(shard)} cannot be read ({error.strerror or error}), "
                "tile the scenes again"
            ) from None


@contextmanager
def write_shard(shards: ShardStore, shard: int) -> Iterator[Callable[[Pixels], None]]:
    """Write the tiles of one shard, one after the other, with what this yields.

    Raises:
        OutputError: if they cannot be written.
    """
    record, path = shards.record, shards.path(shard)
    tiles = min(shards.full, shards.tiles - shard * shards.full)
    about = {"descr": dtype_to_descr(record), "fortran_order": False, "shape": (tiles,)}
    with translate_write_errors(path), path.open("wb") as file:
        write_array_header_1_0(file, about)

        def put(pixels: Pixels) -> None:
            image, valid, labels = pixels
            tile = np.zeros(1, record)
            tile["image"], tile["valid"], tile["label"] = image, np.packbits(valid), labels
            file.write(tile.tobytes())

        yield put
