"""Vector files: read once, reprojected into the CRS of scenes, and burnt onto their pixels."""

from geoseg.vectors.burn import burn
from geoseg.vectors.read import is_vector_file, list_layers, read_vector
from geoseg.vectors.reproject import Reprojector

__all__ = ["Reprojector", "burn", "is_vector_file", "list_layers", "read_vector"]
