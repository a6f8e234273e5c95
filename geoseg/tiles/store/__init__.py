"""Tile sets on disk: GeoTIFF pairs or NumPy shards, and their index."""
