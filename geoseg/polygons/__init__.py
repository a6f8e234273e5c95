"""Labels to polygons: per chunk, united across chunks, cleaned, measured, written."""

from geoseg.geodesy import ellipsoidal_areas, pixel_areas, polygon_areas, polygon_perimeters
from geoseg.polygons.arrays import PolygonArrays
from geoseg.polygons.clean.settings import Cleaning
from geoseg.polygons.clean.sieve import SieveThreshold, sieve
from geoseg.polygons.stitch.stitch import stitch_chunks
from geoseg.polygons.trace.chunk import ChunkOutlines, trace_chunk
from geoseg.polygons.whole_map import MapFunction, polygonise, polygonise_windows, vector_windows
from geoseg.polygons.write.features import FeatureBuilder
from geoseg.polygons.write.writer import check_extension, check_format_fits, write_polygons

__all__ = [
    "ChunkOutlines",
    "Cleaning",
    "FeatureBuilder",
    "MapFunction",
    "PolygonArrays",
    "SieveThreshold",
    "check_extension",
    "check_format_fits",
    "ellipsoidal_areas",
    "pixel_areas",
    "polygon_areas",
    "polygon_perimeters",
    "polygonise",
    "polygonise_windows",
    "sieve",
    "stitch_chunks",
    "trace_chunk",
    "vector_windows",
    "write_polygons",
]
