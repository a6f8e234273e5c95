"""Turn a class raster into polygons."""

from geoseg.polygons import Cleaning
from geoseg.vectorisation.run import VectoriseReport, VectoriseSettings, vectorise

__all__ = ["Cleaning", "VectoriseReport", "VectoriseSettings", "vectorise"]
