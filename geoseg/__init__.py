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

if TYPE_CHECKING:
    from geoseg.classification import Execution, Options, classify, classify_scenes
    from geoseg.errors import GeosegError
    from geoseg.evaluation import (
        EvaluateSettings,
        SampleSettings,
        evaluate,
        evaluate_matrix,
        sample,
    )
    from geoseg.inspection import inspect
    from geoseg.legend import LandCover, Legend, read_legend
    from geoseg.model import Model
    from geoseg.tiles import TileSet, TileSettings, open_tiles, tile
    from geoseg.training import TrainSettings, Watch, score, train
    from geoseg.vectorisation import Cleaning, vectorise

__version__ = "0.1.0"

__all__ = [
    "Cleaning",
    "EvaluateSettings",
    "Execution",
    "GeosegError",
    "LandCover",
    "Legend",
    "Model",
    "Options",
    "SampleSettings",
    "TileSet",
    "TileSettings",
    "TrainSettings",
    "Watch",
    "classify",
    "classify_scenes",
    "evaluate",
    "evaluate_matrix",
    "inspect",
    "open_tiles",
    "read_legend",
    "sample",
    "score",
    "tile",
    "train",
    "vectorise",
]

_HOMES = {
    "classification": ("Execution", "Options", "classify", "classify_scenes"),
    "errors": ("GeosegError",),
    "evaluation": ("EvaluateSettings", "SampleSettings", "evaluate", "evaluate_matrix", "sample"),
    "inspection": ("inspect",),
    "legend": ("LandCover", "Legend", "read_legend"),
    "model": ("Model",),
    "tiles": ("TileSet", "TileSettings", "open_tiles", "tile"),
    "training": ("TrainSettings", "Watch", "score", "train"),
    "vectorisation": ("Cleaning", "vectorise"),
}


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"geoseg.{home}"), name)
    raise AttributeError(f"module 'geoseg' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
