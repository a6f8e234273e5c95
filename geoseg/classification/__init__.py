"""Scenes to land-cover maps."""

from geoseg.classification.chunk import classify_chunk
from geoseg.classification.job import ClassifySettings, Execution, Job
from geoseg.classification.plan import default_chunk
from geoseg.classification.run import classify, classify_scenes
from geoseg.classification.run_folder.parts import Part
from geoseg.polygons import Cleaning

__all__ = [
    "ClassifySettings",
    "Cleaning",
    "Execution",
    "Job",
    "Part",
    "classify",
    "classify_chunk",
    "classify_scenes",
    "default_chunk",
]
