"""Scenes and labels into training tiles, and tiles back into arrays."""

from geoseg.tiles.cut import TileSettings, tile
from geoseg.tiles.samples import IGNORE, Samples
from geoseg.tiles.split import SPLITS, Split
from geoseg.tiles.store import TileSet, open_tiles

__all__ = ["IGNORE", "SPLITS", "Samples", "Split", "TileSet", "TileSettings", "open_tiles", "tile"]
