"""Class rasters to polygons."""

from geoseg.polygons import Cleaning
from geoseg.vectorisation.run import vectorise

__all__ = ["Cleaning", "vectorise"]
