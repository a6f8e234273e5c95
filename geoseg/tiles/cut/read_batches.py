"""Blocks of tiles: as much of a scene as is read at once, and what its tiles hold."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.grid import Window, bounds
from geoseg.labels import LabelSource
from geoseg.legend import NODATA
from geoseg.raster import Scene, read_window
from geoseg.tiles.store.index import class_pixels

_BYTES = 16 << 20
"""Most bytes of a scene that a worker reads at once; finding the labels takes some times more."""
_TALLEST = 1024
"""Rows of a block (px), so that a scene has work for several workers."""


@dataclass(frozen=True, slots=True, eq=False)
class ReadBatch:
    """Tiles of a scene that are read together."""

    scene: Scene
    labels: LabelSource
    number: int
    """Of the scene, from 0."""
    windows: tuple[Window, ...]

    def __len__(self) -> int:
        return len(self.windows)


def read_batches(
    scene: Scene, labels: LabelSource, number: int, size: int, stride: int
) -> Iterator[ReadBatch]:
    """All tiles of a scene, in blocks; remainders at the right and lower edge are left out.

    Blocks are as wide as memory allows, because many files are stored row by row.

    Args:
        scene: what to cut.
        labels: on its grid.
        number: of the scene, from 0.
        size: side of a tile (px).
        stride: distance between tiles (px).
    """
    pixel = len(scene.bands) * np.dtype(scene.dtype).itemsize
    room = max(1, _BYTES // pixel // size)
    across = max(1, (room - size) // stride + 1)
    room = max(1, _BYTES // pixel // min(scene.width, room))
    down = max(1, (min(room, _TALLEST) - size) // stride + 1)
    rows = range(0, scene.height - size + 1, stride)
    cols = range(0, scene.width - size + 1, stride)
    for row in range(0, len(rows), down):
        for col in range(0, len(cols), across):
            windows = tuple(
                Window(r, c, size, size)
                for r in rows[row : row + down]
                for c in cols[col : col + across]
            )
            yield ReadBatch(scene, labels.clipped_to(bounds(list(windows))), number, windows)


def count_tile_pixels(block: ReadBatch) -> NDArray[np.int64]:
    """Count the pixels of a block's tiles, without keeping any.

    Returns:
        (tiles, 4 + classes): number of the scene, first row, first column, valid pixels, and
        pixels of each class that are valid.

    Raises:
        SceneError: if the scene cannot be read.
        LabelError: if the labels have a class that the legend does not name.
    """
    area = bounds(list(block.windows))
    _, valid = read_window(block.scene, area)
    labels = np.where(valid, block.labels.read(area), np.uint8(NODATA))
    found = np.zeros((len(block), 4 + len(block.labels.legend)), np.int64)
    for row, window in zip(found, block.windows, strict=True):
        place = window.relative_to(area)
        row[:4] = block.number, window.row, window.col, valid[place].sum()
        row[4:] = class_pixels(labels[place], block.labels.legend)
    return found
