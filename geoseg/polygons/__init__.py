"""Labels to polygons: per chunk, united across chunks, cleaned, measured, written."""

from geoseg.polygons.cleaning import Cleaning
from geoseg.polygons.measure import areas, cell_areas, perimeters, true_areas
from geoseg.polygons.pieces import Pieces, trace
from geoseg.polygons.rings import Polygons
from geoseg.polygons.sieve import Limit, sieve
from geoseg.polygons.table import Frame
from geoseg.polygons.unite import unite
from geoseg.polygons.whole import Map, cells, outline, polygonise
from geoseg.polygons.write import check_extension, check_format_fits, write_polygons

__all__ = [
    "Cleaning",
    "Frame",
    "Limit",
    "Map",
    "Pieces",
    "Polygons",
    "areas",
    "cell_areas",
    "cells",
    "check_extension",
    "check_format_fits",
    "outline",
    "perimeters",
    "polygonise",
    "sieve",
    "trace",
    "true_areas",
    "unite",
    "write_polygons",
]
