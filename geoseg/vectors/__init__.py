"""Vector files: read once, and reprojected into the CRS of scenes."""

from geoseg.vectors.read import is_vector_file, list_layers, read_vector
from geoseg.vectors.reproject import Reprojector

__all__ = ["Reprojector", "is_vector_file", "list_layers", "read_vector"]
