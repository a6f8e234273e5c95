"""Tiles as pairs of raster files: an image, and its labels."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import TileError
from geoseg.grid import Window
from geoseg.labels import LabelOpener
from geoseg.legend import NODATA, Legend
from geoseg.raster import Scene, open_scene, read_whole, read_window, write_tile

IMAGES, MASKS = "images", "masks"
"""Names of the folders of a set."""
Pixels = tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.uint8]]
"""Of k tiles: images (k, bands, s, s), valid (k, s, s), and labels (k, s, s), class values, 255
where not labelled or not valid; of one tile, without the first axis."""


@dataclass(frozen=True, slots=True)
class GeoTiffStore:
    """Pairs of files, by number."""

    images: tuple[str, ...]
    masks: tuple[str, ...]
    shape: tuple[int, int, int]
    """Bands, height and width of each image."""
    dtype: str
    legend: Legend | None = None
    """What the masks' colours mean; None where `tile` wrote them, as class values."""

    def read(self, some: NDArray[np.int64]) -> Pixels:
        """Read the tiles with these numbers, several at once.

        Raises:
            TileError: if a tile is of another shape or dtype.
            SceneError: if a file is missing or damaged.
            LabelError: if labels cannot be read.
        """
        images = np.zeros((len(some), *self.shape), self.dtype)
        valid = np.zeros((len(some), *self.shape[1:]), bool)
        labels = np.zeros(valid.shape, np.uint8)

        def read_one(place: int, number: int) -> None:
            pixels, seen, values = self._read_one(number)
            if (pixels.shape, str(pixels.dtype)) != (self.shape, self.dtype):
                raise TileError(
                    f"tile {self.images[number]} is {pixels.shape} {pixels.dtype}, "
                    f"not {self.shape} {self.dtype} like the first"
                )
            if values.shape != seen.shape:
                raise TileError(f"{self.masks[number]} is {values.shape} px, its tile {seen.shape}")
            images[place], valid[place] = pixels, seen
            labels[place] = np.where(seen, values, np.uint8(NODATA))

        with ThreadPoolExecutor() as pool:
            for _ in pool.map(read_one, range(len(some)), some):
                pass
        return images, valid, labels

    def _read_one(self, number: int) -> Pixels:
        if self.legend is None:
            pixels, valid = read_whole(self.images[number])
            return pixels, valid, read_whole(self.masks[number])[0][0]
        image = open_scene(self.images[number])
        labels = LabelOpener(self.legend).open(self.masks[number], image)
        return *read_window(image, image.window), labels.read(image.window)


def write_pair(folder: Path, name: str, scene: Scene, window: Window, pixels: Pixels) -> None:
    """Write a tile of a scene as GeoTIFFs: folder/images/name.tif and folder/masks/name.tif.

    Raises:
        OutputError: if they cannot be written.
    """
    image, valid, labels = pixels
    transform = scene.affine @ scene.affine.translation(window.col, window.row)
    write_tile(
        folder / IMAGES / f"{name}.tif", image, transform=transform, crs=scene.crs, valid=valid
    )
    write_tile(
        folder / MASKS / f"{name}.tif", labels[None], transform=transform, crs=scene.crs,
        nodata=NODATA,
    )  # fmt: skip
