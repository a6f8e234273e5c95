"""Tiles of a scene that are read together, and their pixel counts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from geoseg.grid import Window, bounds
from geoseg.labels import LabelSource
from geoseg.legend import NODATA
from geoseg.raster import Scene, read_window
from geoseg.tiles.store.geotiff_pairs import Pixels
from geoseg.tiles.store.index import class_pixels

_MAX_BYTES = 16 << 20
"""Bytes of a scene that a worker reads at once; reading the labels takes several times more."""
_MAX_HEIGHT = 1024
"""Rows of a batch (px), so that a scene has work for several workers."""


@dataclass(frozen=True, slots=True, eq=False)
class ReadBatch:
    """Tiles of a scene that are read together."""

    scene: Scene
    labels: LabelSource
    scene_index: int
    """Number of the scene, from 0."""
    windows: tuple[Window, ...]

    def __len__(self) -> int:
        return len(self.windows)

    def read_tiles(self) -> Iterator[tuple[Window, Pixels]]:
        """Read all tiles that have labels at once; yield the window and the pixels of each.

        The labels are read first: where there are none, the scene is not read. A tile whose
        labels all lie on invalid pixels is among the tiles.

        Raises:
            SceneError: if the scene cannot be read.
            LabelError: if the labels have a class that the legend does not name.
        """
        extent = bounds(list(self.windows))
        labels = self.labels.read(extent)
        labelled = [w for w in self.windows if (labels[w.relative_to(extent)] != NODATA).any()]
        if not labelled:
            return
        region = bounds(labelled)
        pixels, valid = read_window(self.scene, region)
        on_valid = np.where(valid, labels[region.relative_to(extent)], np.uint8(NODATA))
        for window in labelled:
            in_region = window.relative_to(region)
            yield window, (pixels[:, *in_region], valid[in_region], on_valid[in_region])


@dataclass(frozen=True, slots=True, eq=False)
class TileCounts:
    """Places and pixel counts of n tiles."""

    scene_index: NDArray[np.int64]
    """(n,) number of the scene, from 0."""
    row: NDArray[np.int64]
    """(n,) first row of the tile in its scene (px)."""
    col: NDArray[np.int64]
    """(n,) first column of the tile in its scene (px)."""
    valid: NDArray[np.int64]
    """(n,) valid pixels; 0 where a tile has no labels."""
    pixels: NDArray[np.int64]
    """(n, classes) valid pixels of each class."""

    def __len__(self) -> int:
        return len(self.row)

    @classmethod
    def concat(cls, counts: Sequence["TileCounts"], classes: int) -> "TileCounts":
        """Join counts of tiles with this many classes; there may be none."""
        none = np.zeros(0, np.int64)
        empty = cls(none, none, none, none, np.zeros((0, classes), np.int64))
        names = [field.name for field in fields(cls)]
        return cls(
            *(np.concatenate([getattr(c, name) for c in (empty, *counts)]) for name in names)
        )


def plan_read_batches(
    scene: Scene, labels: LabelSource, scene_index: int, size: int, stride: int
) -> Iterator[ReadBatch]:
    """Divide all tiles of a scene into batches; remainders at the right and lower edge are not cut.

    Batches are as wide as memory allows, because many files are stored row by row.

    Args:
        scene: what to cut.
        labels: on its grid.
        scene_index: number of the scene, from 0.
        size: side of a tile (px).
        stride: distance between tiles (px).
    """
    inner = scene.resized_from or scene  # a resized scene reads the pixels of this one
    pixels_read = max(1, inner.height * inner.width // (scene.height * scene.width))
    pixel_bytes = len(scene.bands) * np.dtype(scene.dtype).itemsize * pixels_read
    max_width = max(1, _MAX_BYTES // pixel_bytes // size)
    across = max(1, (max_width - size) // stride + 1)
    max_height = max(1, _MAX_BYTES // pixel_bytes // min(scene.width, max_width))
    down = max(1, (min(max_height, _MAX_HEIGHT) - size) // stride + 1)
    rows = range(0, scene.height - size + 1, stride)
    cols = range(0, scene.width - size + 1, stride)
    for row in range(0, len(rows), down):
        for col in range(0, len(cols), across):
            windows = tuple(
                Window(r, c, size, size)
                for r in rows[row : row + down]
                for c in cols[col : col + across]
            )
            clipped = labels.clipped_to(bounds(list(windows)))
            yield ReadBatch(scene, clipped, scene_index, windows)


def count_tile_pixels(batch: ReadBatch) -> TileCounts:
    """Count the pixels of the tiles of a batch, without keeping any.

    Raises:
        SceneError: if the scene cannot be read.
        LabelError: if the labels have a class that the legend does not name.
    """
    legend = batch.labels.legend
    valid = np.zeros(len(batch), np.int64)
    pixels = np.zeros((len(batch), len(legend)), np.int64)
    numbers = {window: number for number, window in enumerate(batch.windows)}
    for window, (_, tile_valid, labels) in batch.read_tiles():
        number = numbers[window]
        valid[number] = tile_valid.sum()
        pixels[number] = class_pixels(labels, legend)
    return TileCounts(
        np.full(len(batch), batch.scene_index),
        np.array([window.row for window in batch.windows]),
        np.array([window.col for window in batch.windows]),
        valid,
        pixels,
    )
