"""Labels to polygons: per chunk, united across chunks, measured, written."""

from geoseg.polygons.measure import areas, perimeters
from geoseg.polygons.pieces import Pieces, polygonise
from geoseg.polygons.seams import Coverage, unite
from geoseg.polygons.write import check_extension, write_polygons

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
