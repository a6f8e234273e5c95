"""Scenes to land-cover maps.

What needs torch is loaded when it is first used: run folders can be read without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from geoseg.classification.forecast.description import RunDescription
from geoseg.classification.job import Job
from geoseg.classification.report import ClassifyReport, ClassStatistics
from geoseg.classification.run_folder.manifest import MANIFEST, read_manifest
from geoseg.classification.run_folder.parts import Part, finished_parts
from geoseg.classification.settings import ClassifySettings, Execution
from geoseg.polygons import Cleaning

if TYPE_CHECKING:
    from geoseg.classification.arrays.array_run import ArrayRun, plan_array
    from geoseg.classification.arrays.array_scene import ArrayPixels, array_scene
    from geoseg.classification.arrays.classify_array import ClassifiedArray, classify_array
    from geoseg.classification.chunk import classify_chunk
    from geoseg.classification.forecast.describe import describe_run, describe_runs
    from geoseg.classification.prepare.prepared_scene import load_model
    from geoseg.classification.run import classify, classify_scenes

__all__ = [
    "MANIFEST",
    "ArrayPixels",
    "ArrayRun",
    "ClassStatistics",
    "ClassifiedArray",
    "ClassifyReport",
    "ClassifySettings",
    "Cleaning",
    "Execution",
    "Job",
    "Part",
    "RunDescription",
    "array_scene",
    "classify",
    "classify_array",
    "classify_chunk",
    "classify_scenes",
    "describe_run",
    "describe_runs",
    "finished_parts",
    "load_model",
    "plan_array",
    "read_manifest",
]

_LAZY = {
    "ArrayPixels": "arrays.array_scene",
    "ArrayRun": "arrays.array_run",
    "ClassifiedArray": "arrays.classify_array",
    "array_scene": "arrays.array_scene",
    "classify": "run",
    "classify_array": "arrays.classify_array",
    "classify_scenes": "run",
    "classify_chunk": "chunk",
    "describe_run": "forecast.describe",
    "describe_runs": "forecast.describe",
    "load_model": "prepare.prepared_scene",
    "plan_array": "arrays.array_run",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
