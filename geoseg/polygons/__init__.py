"""Labels to polygons, in four steps: trace chunks, stitch them, clean, and write.

docs/explanation/polygons.md describes how.
"""

from geoseg.polygons.arrays import PolygonArrays
from geoseg.polygons.clean.settings import Cleaning
from geoseg.polygons.clean.sieve import SieveThreshold, sieve
from geoseg.polygons.polygonise import MapFunction, polygonise_windows, vector_windows
from geoseg.polygons.stitch.stitch import stitch_chunks
from geoseg.polygons.trace.chunk import ChunkOutlines, trace_chunk
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
    "polygonise_windows",
    "sieve",
    "stitch_chunks",
    "trace_chunk",
    "vector_windows",
    "write_polygons",
]
