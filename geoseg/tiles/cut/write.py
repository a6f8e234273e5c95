"""Cut tiles from scenes and write them, a batch at a time."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import accumulate, groupby, pairwise
from pathlib import Path

from geoseg.grid import Window, bounds
from geoseg.tiles.cut.read_batches import ReadBatch
from geoseg.tiles.store.geotiff_pairs import write_pair
from geoseg.tiles.store.index import checksum
from geoseg.tiles.store.npy_shards import ShardStore, write_shard

TilePlace = tuple[ReadBatch, Window]
"""Where a tile is read: the batch and the window in its scene."""


@dataclass(frozen=True, slots=True, eq=False)
class WriteBatch:
    """Tiles that one worker writes."""

    folder: str
    """Of the set."""
    names: tuple[str, ...]
    batches: tuple[ReadBatch, ...]
    """The tiles, in the order of ``names``."""
    shards: ShardStore | None
    """Store of the shard to write; None for files."""
    shard: int
    """Number of the shard, from 0; not used for files."""


def plan_write_batches(
    folder: Path, names: Sequence[str], places: Sequence[TilePlace], shards: ShardStore | None
) -> Iterator[WriteBatch]:
    """Divide the tiles of a set, in its order, into a write batch for each shard.

    Without shards, a write batch has the tiles of one read batch.
    """
    if shards is None:
        ends = list(accumulate(map(len, _by_read_batch(places)), initial=0))
    else:
        ends = [*range(0, len(names), shards.tiles_per_shard), len(names)]
    for number, (first, end) in enumerate(pairwise(ends)):
        batches = tuple(map(_with_windows, _by_read_batch(places[first:end])))
        yield WriteBatch(str(folder), tuple(names[first:end]), batches, shards, number)


def _by_read_batch(places: Sequence[TilePlace]) -> list[list[TilePlace]]:
    return [list(group) for _, group in groupby(places, lambda place: id(place[0]))]


def _with_windows(places: list[TilePlace]) -> ReadBatch:
    """The read batch of these places, with only their windows."""
    batch, windows = places[0][0], [window for _, window in places]
    return replace(batch, windows=tuple(windows), labels=batch.labels.clipped_to(bounds(windows)))


def write_batch(batch: WriteBatch) -> list[str]:
    """Cut the tiles of a batch and write them.

    Returns:
        The checksum of each tile.

    Raises:
        SceneError: if a scene cannot be read.
        LabelError: if the labels have a class that the legend does not name.
        OutputError: if a tile cannot be written.
    """
    checksums = []
    shard = write_shard(batch.shards, batch.shard) if batch.shards else nullcontext()
    with shard as append:
        tiles = ((read.scene, *tile) for read in batch.batches for tile in read.read_tiles())
        for name, (scene, window, pixels) in zip(batch.names, tiles, strict=True):
            if append is None:
                write_pair(Path(batch.folder), name, scene, window, pixels)
            else:
                append(pixels)
            checksums.append(checksum(*pixels))
    return checksums
