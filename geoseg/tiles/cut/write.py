"""Tiles from scenes to disk, a batch at a time."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoseg.grid import Window, bounds
from geoseg.legend import NODATA
from geoseg.raster import read_window
from geoseg.tiles.cut.read_batches import ReadBatch
from geoseg.tiles.store.geotiff_pairs import Pixels, write_pair
from geoseg.tiles.store.index import checksum
from geoseg.tiles.store.npy_shards import ShardStore, write_shard


@dataclass(frozen=True, slots=True, eq=False)
class WriteBatch:
    """Tiles that one worker writes."""

    folder: str
    """Of the set."""
    names: tuple[str, ...]
    blocks: tuple[ReadBatch, ...]
    """Of the tiles, in the same order."""
    shards: ShardStore | None = None
    """To write a shard; None for files."""
    shard: int = 0
    """Number of the shard."""

    def __len__(self) -> int:
        return len(self.names)


def write_batches(
    folder: Path,
    names: Sequence[str],
    places: Sequence[tuple[ReadBatch, Window]],
    shards: ShardStore | None,
) -> Iterator[WriteBatch]:
    """Divide tiles among workers.

    Args:
        folder: of the set.
        names: of all tiles, in the order of the set.
        places: block and window of each.
        shards: to have a batch a shard; None to have a batch a block.
    """
    ends = [0]
    for _, run in groupby(places, key=lambda place: id(place[0])):
        ends.append(ends[-1] + len(list(run)))
    if shards is not None:
        ends = [*range(0, len(names), shards.full), len(names)]
    for number, first in enumerate(ends[:-1]):
        some = slice(first, ends[number + 1])
        parts = tuple(
            _index_part(list(run)) for _, run in groupby(places[some], lambda p: id(p[0]))
        )
        yield WriteBatch(str(folder), tuple(names[some]), parts, shards, number)


def _index_part(places: list[tuple[ReadBatch, Window]]) -> ReadBatch:
    """The block with only these windows of it."""
    block, windows = places[0][0], [window for _, window in places]
    return replace(block, windows=tuple(windows), labels=block.labels.clipped_to(bounds(windows)))


def write_batch(batch: WriteBatch) -> list[str]:
    """Cut the tiles of a batch and write them.

    Returns:
        The checksum of each tile.

    Raises:
        SceneError: if a scene cannot be read.
        LabelError: if the labels have a class that the legend does not name.
        OutputError: if a tile cannot be written.
    """
    sums = []
    shard = write_shard(batch.shards, batch.shard) if batch.shards else nullcontext()
    with shard as put:
        tiles = ((block, *tile) for block in batch.blocks for tile in _cut_tiles(block))
        for name, (block, window, pixels) in zip(batch.names, tiles, strict=True):
            if put is None:
                write_pair(Path(batch.folder), name, block.scene, window, pixels)
            else:
                put(pixels)
            sums.append(checksum(*pixels))
    return sums


def _cut_tiles(block: ReadBatch) -> Iterator[tuple[Window, Pixels]]:
    area = bounds(list(block.windows))
    pixels, valid = read_window(block.scene, area)
    labels: NDArray[np.uint8] = np.where(valid, block.labels.read(area), np.uint8(NODATA))
    for window in block.windows:
        place = window.relative_to(area)
        yield window, (pixels[:, *place], valid[place], labels[place])
