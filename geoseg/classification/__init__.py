"""Scenes to land-cover maps."""

from geoseg.classification.chunk import classify_chunk
from geoseg.classification.job import Execution, Job, Options
from geoseg.classification.parts import Part
from geoseg.classification.plan import default_chunk
from geoseg.classification.run import classify, classify_scenes
from geoseg.polygons import Cleaning

__all__ = [
    "Cleaning",
    "Execution",
    "Job",
    "Options",
    "Part",
    "classify",
    "classify_chunk",
    "classify_scenes",
    "default_chunk",
]
