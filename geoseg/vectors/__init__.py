"""Vector files: read once, reprojected into the CRS of scenes, burnt onto their pixels, written."""

from geoseg.vectors.burn import burn
from geoseg.vectors.read import is_vector_file, list_layers, read_vector
from geoseg.vectors.reproject import Reprojector
from geoseg.vectors.window import Features, VectorLayer, open_layer, read_features
from geoseg.vectors.write import write_geopackage

__all__ = [
    "Features",
    "Reprojector",
    "VectorLayer",
    "burn",
    "is_vector_file",
    "list_layers",
    "open_layer",
    "read_features",
    "read_vector",
    "write_geopackage",
]
