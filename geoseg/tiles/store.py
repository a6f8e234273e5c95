"""A set of training tiles on disk: read what `tile` wrote, or the lab's images/ and masks/."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
from numpy.typing import NDArray

from geoseg.errors import LabelError, TileError
from geoseg.legend import DUBAI, NODATA, Legend
from geoseg.raster import describe, read, read_whole
from geoseg.tiles.labels import open_labels
from geoseg.tiles.pairs import find_pairs
from geoseg.tiles.split import Split, assign

INDEX = "tiles.parquet"
ABOUT = "tiles.json"
IGNORE = 255
"""Class index of pixels that are not labelled."""


@dataclass(frozen=True, slots=True)
class TileSet:
    """Where the tiles are and what they are made of; pixels are read by `load`."""

    folder: str
    images: tuple[str, ...]
    """Path of each tile's image."""
    masks: tuple[str, ...]
    """Path of each tile's labels."""
    scenes: tuple[str, ...]
    """Scene (or group of scenes) of each tile."""
    splits: tuple[str, ...]
    """"train", "val", "gap" or "" (not yet split) for each tile."""
    size: int
    """Side of a tile (px)."""
    legend: Legend
    band_names: tuple[str, ...]
    dtype: str
    pixel_size: float | None
    """Ground size of a pixel (m), None where not known."""
    own: bool
    """Whether `tile` wrote it, so that masks hold class values."""

    def __len__(self) -> int:
        return len(self.images)

    def count(self, split: str) -> int:
        """Tiles of one split."""
        return self.splits.count(split)

    def split_again(self, how: Split, val: float, seed: int) -> "TileSet":
        """The same tiles, split by ``how`` ("random" or "scene").

        Raises:
            TileError: if they cannot be split that way.
        """
        names = sorted(set(self.scenes))
        scene = np.array([names.index(s) for s in self.scenes], np.int64)
        place = np.zeros(len(self), np.int64)
        if how == "block":
            raise TileError("blocks are cut by `geoseg tile --split block`, tile the scenes again")
        drawn = assign(scene, place, place, size=self.size, how=how, val=val, seed=seed)
        return replace(self, splits=tuple(drawn.tolist()))

    def load(self, split: str) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.uint8]]:
        """Read all tiles of a split into memory.

        Returns:
            Images (n, bands, size, size) in the scene's dtype, valid (n, size, size), and class
            indices (n, size, size) uint8, 255 where not labelled or not valid.

        Raises:
            TileError: if a tile is missing or of another shape.
        """
        chosen = [i for i, s in enumerate(self.splits) if s == split]
        shape = (len(chosen), len(self.band_names), self.size, self.size)
        images = np.zeros(shape, self.dtype)
        valid = np.zeros((len(chosen), self.size, self.size), bool)
        labels = np.full(valid.shape, IGNORE, np.uint8)
        indices = np.full(256, IGNORE, np.uint8)
        indices[list(self.legend.values)] = np.arange(len(self.legend))

        def load_one(place: int, tile: int) -> None:
            pixels, seen, values = (_read_own if self.own else _read_any)(self, tile)
            if (pixels.shape, str(pixels.dtype)) != (shape[1:], self.dtype):
                raise TileError(
                    f"tile {self.images[tile]} is {pixels.shape} {pixels.dtype}, "
                    f"not {shape[1:]} {self.dtype} like the first"
                )
            if values.shape != seen.shape:
                raise TileError(f"{self.masks[tile]} is {values.shape} px, its tile {seen.shape}")
            images[place], valid[place] = pixels, seen
            labels[place] = np.where(seen, indices[values], IGNORE)

        with ThreadPoolExecutor() as pool:
            for _ in pool.map(load_one, range(len(chosen)), chosen):
                pass
        return images, valid, labels

    def to_dict(self) -> dict[str, Any]:
        """A summary as plain data, for JSON."""
        return {
            "folder": self.folder,
            "tiles": len(self),
            "splits": {s: self.count(s) for s in sorted(set(self.splits))},
            "scenes": len(set(self.scenes)),
            "size": self.size,
            "bands": list(self.band_names),
            "dtype": self.dtype,
            "pixel_size": self.pixel_size,
            **self.legend.to_dict(),
        }


def open_tiles(folder: str | Path, legend: Legend | None = None) -> TileSet:
    """Open a set of tiles: what `geoseg tile` wrote, or a folder with images/ and masks/.

    Raises:
        TileError: if there are none, or they are damaged.
    """
    folder = Path(folder)
    if (folder / ABOUT).is_file():
        return _open_own(folder)
    if not folder.is_dir():
        raise TileError(f"{folder} does not exist, give a folder that `geoseg tile` wrote")
    pairs = find_pairs([str(folder)], [])
    first = describe(pairs[0].scene)
    if first.height != first.width:
        raise TileError(
            f"{first.path} is {first.height} x {first.width} px, not a square tile, "
            f"cut tiles first: geoseg tile {folder} --out tiles"
        )
    return TileSet(
        folder=str(folder),
        images=tuple(p.scene for p in pairs),
        masks=tuple(p.labels for p in pairs),
        scenes=tuple(p.group for p in pairs),
        splits=("",) * len(pairs),
        size=first.height,
        legend=legend or _legend_of_masks(pairs[0].labels),
        band_names=first.band_names,
        dtype=first.dtype,
        pixel_size=first.pixel_size,
        own=False,
    )


def _legend_of_masks(mask: str) -> Legend:
    try:
        labels = open_labels(mask, describe(mask), None, None)
    except LabelError:  # class ids without a palette: the lab's own tiles
        return DUBAI
    return labels.legend


def _open_own(folder: Path) -> TileSet:
    try:
        about = json.loads((folder / ABOUT).read_text())
        index = geopandas.read_parquet(folder / INDEX)
    except (OSError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise TileError(f"tile set {folder} is damaged ({reason}), tile the scenes again") from None
    return TileSet(
        folder=str(folder),
        images=tuple(str(folder / "images" / f"{name}.tif") for name in index["tile"]),
        masks=tuple(str(folder / "masks" / f"{name}.tif") for name in index["tile"]),
        scenes=tuple(index["group"]),
        splits=tuple(index["split"]),
        size=about["size"],
        legend=Legend.from_dict(about),
        band_names=tuple(about["bands"]),
        dtype=about["dtype"],
        pixel_size=about["pixel_size"],
        own=True,
    )


_Tile = tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.uint8]]


def _read_own(tiles: TileSet, tile: int) -> _Tile:
    pixels, valid = read_whole(tiles.images[tile])
    return pixels, valid, read_whole(tiles.masks[tile])[0][0]


def _read_any(tiles: TileSet, tile: int) -> _Tile:
    image = describe(tiles.images[tile])
    labels = open_labels(tiles.masks[tile], image, tiles.legend, None)
    return *read(image, image.window), labels.read(image.window)


assert IGNORE == NODATA  # noqa: S101 - one value for "no label" on disk and in memory
