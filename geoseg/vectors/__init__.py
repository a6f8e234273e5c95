"""Vector files: read once, and moved into the CRS of scenes."""

from geoseg.vectors.read import SUFFIXES, list_layers, read_vector
from geoseg.vectors.reproject import Reprojector

__all__ = ["SUFFIXES", "Reprojector", "list_layers", "read_vector"]
