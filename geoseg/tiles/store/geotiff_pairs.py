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
"""The pixels of k tiles: images (k, bands, s, s), valid (k, s, s), and labels (k, s, s) as class
values, 255 where not labelled or not valid. Of one tile: the same without the first axis."""


@dataclass(frozen=True, slots=True)
class GeoTiffStore:
    """Tiles in pairs of files, by their index in the set."""

    images: tuple[str, ...]
    masks: tuple[str, ...]
    shape: tuple[int, int, int]
    """Bands, height and width of each image."""
    dtype: str
    legend: Legend | None = None
    """Classes of masks in any format; None for masks of class values, as `tile` writes them."""

    def read(self, indices: NDArray[np.int64]) -> Pixels:
        """Read the tiles with these indices, several at a time.

        Raises:
            TileError: if a tile is of another shape or dtype.
            SceneError: if a file is missing or damaged.
            LabelError: if labels cannot be read.
        """
        images = np.zeros((len(indices), *self.shape), self.dtype)
        valid = np.zeros((len(indices), *self.shape[1:]), bool)
        labels = np.zeros(valid.shape, np.uint8)
        with ThreadPoolExecutor() as pool:
            for i, tile in enumerate(pool.map(self._read_tile, indices)):
                images[i], valid[i], labels[i] = tile
        return images, valid, labels

    def _read_tile(self, index: int) -> Pixels:
        image, mask = self.images[index], self.masks[index]
        if self.legend is None:
            pixels, valid = read_whole(image)
            values = read_whole(mask)[0][0]
        else:
            scene = open_scene(image)
            pixels, valid = read_window(scene, scene.window)
            values = LabelOpener(self.legend).open(mask, scene).read(scene.window)
        if (pixels.shape, str(pixels.dtype)) != (self.shape, self.dtype):
            raise TileError(
                f"tile {image} is {pixels.shape} {pixels.dtype}, "
                f"not {self.shape} {self.dtype} like the first"
            )
        if values.shape != valid.shape:
            raise TileError(f"{mask} is {values.shape} px, its tile {valid.shape}")
        return pixels, valid, np.where(valid, values, np.uint8(NODATA))


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
