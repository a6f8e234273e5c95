"""Cut scenes and labels into training tiles, and read tiles as arrays."""

from geoseg.tiles.run import tile
from geoseg.tiles.settings import STORAGES, Storage, TileSettings
from geoseg.tiles.split import SPLITS, Split, check_split
from geoseg.tiles.store.dataset import IGNORE_INDEX, TileDataset
from geoseg.tiles.store.tileset import METADATA, TileSet, open_tiles

__all__ = [
    "IGNORE_INDEX",
    "METADATA",
    "SPLITS",
    "STORAGES",
    "Split",
    "Storage",
    "TileDataset",
    "TileSet",
    "TileSettings",
    "check_split",
    "open_tiles",
    "tile",
]
