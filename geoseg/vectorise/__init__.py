"""Labels to polygons: per chunk, united across chunks, measured, written."""

from geoseg.vectorise.measure import areas, perimeters
from geoseg.vectorise.pieces import Pieces, polygonise
from geoseg.vectorise.seams import Coverage, unite
from geoseg.vectorise.write import check_extension, write_polygons

__all__ = [
    "Coverage",
    "Pieces",
    "areas",
    "check_extension",
    "perimeters",
    "polygonise",
    "unite",
    "write_polygons",
]
