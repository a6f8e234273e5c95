"""Land-cover maps from aerial and satellite imagery.

    >>> import geoseg
    >>> geoseg.tile(["scene.tif"], ["labels.gpkg"], out="tiles")  # doctest: +SKIP
    >>> geoseg.train("tiles", "model.safetensors")  # doctest: +SKIP
    >>> geoseg.classify("scene.tif", "lulc.tif", polygons="lulc.gpkg")  # doctest: +SKIP
    >>> geoseg.vectorise("worldcover.tif", "worldcover.gpkg")  # doctest: +SKIP
    >>> geoseg.evaluate("lulc.tif", "reference.tif", out="report")  # doctest: +SKIP

The names below are loaded when they are first used, so that importing geoseg costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from geoseg.version import __version__

if TYPE_CHECKING:
    from geoseg.classification import (
        ClassifyReport,
        ClassifySettings,
        Execution,
        classify,
        classify_scenes,
    )
    from geoseg.errors import GeosegError
    from geoseg.evaluation import (
        EvaluateSettings,
        EvaluationReport,
        SampleReport,
        SampleSettings,
        evaluate,
        evaluate_matrix,
        sample,
    )
    from geoseg.info import describe
    from geoseg.legend import LandCoverClass, Legend, read_legend
    from geoseg.model import Model
    from geoseg.tiles import TileSet, TileSettings, open_tiles, tile
    from geoseg.training import Monitor, TrainSettings, score, train
    from geoseg.vectorisation import Cleaning, vectorise

__all__ = [
    "ClassifyReport",
    "ClassifySettings",
    "Cleaning",
    "EvaluateSettings",
    "EvaluationReport",
    "Execution",
    "GeosegError",
    "LandCoverClass",
    "Legend",
    "Model",
    "Monitor",
    "SampleReport",
    "SampleSettings",
    "TileSet",
    "TileSettings",
    "TrainSettings",
    "__version__",
    "classify",
    "classify_scenes",
    "describe",
    "evaluate",
    "evaluate_matrix",
    "open_tiles",
    "read_legend",
    "sample",
    "score",
    "tile",
    "train",
    "vectorise",
]

_HOMES = {
    "classification": (
        "ClassifyReport",
        "ClassifySettings",
        "Execution",
        "classify",
        "classify_scenes",
    ),
    "errors": ("GeosegError",),
    "evaluation": (
        "EvaluateSettings",
        "EvaluationReport",
        "SampleReport",
        "SampleSettings",
        "evaluate",
        "evaluate_matrix",
        "sample",
    ),
    "info": ("describe",),
    "legend": ("LandCoverClass", "Legend", "read_legend"),
    "model": ("Model",),
    "tiles": ("TileSet", "TileSettings", "open_tiles", "tile"),
    "training": ("TrainSettings", "Monitor", "score", "train"),
    "vectorisation": ("Cleaning", "vectorise"),
}


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"geoseg.{home}"), name)
    raise AttributeError(f"module 'geoseg' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
