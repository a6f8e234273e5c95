"""Scenes and labels into training tiles, and tiles back into arrays."""

from geoseg.tiles.cut import tile
from geoseg.tiles.samples import IGNORE, Samples
from geoseg.tiles.settings import STORAGES, Storage, TileSettings
from geoseg.tiles.split import SPLITS, Split, check_split
from geoseg.tiles.tileset import TileSet, open_tiles

__all__ = [
    "IGNORE",
    "SPLITS",
    "STORAGES",
    "Samples",
    "Split",
    "Storage",
    "TileSet",
    "TileSettings",
    "check_split",
    "open_tiles",
    "tile",
]
