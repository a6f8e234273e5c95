"""Land-cover maps from aerial and satellite imagery.

    >>> import geoseg
    >>> geoseg.tile(["scene.tif"], ["labels.gpkg"], out="tiles")  # doctest: +SKIP
    >>> geoseg.train("tiles", "model.safetensors")  # doctest: +SKIP
    >>> geoseg.classify("scene.tif", "lulc.tif", polygons="lulc.gpkg")  # doctest: +SKIP
    >>> geoseg.vectorise("worldcover.tif", "worldcover.gpkg")  # doctest: +SKIP
    >>> geoseg.evaluate("lulc.tif", "reference.tif", out="report")  # doctest: +SKIP
    >>> geoseg.compare("lulc2019.tif", "lulc2024.tif", out="changes")  # doctest: +SKIP

A public name is imported when it is first used, so that ``import geoseg`` is fast.
"""

from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING

from geoseg.version import __version__ as __version__

if TYPE_CHECKING:
    from geoseg.classification import ClassifiedArray as ClassifiedArray
    from geoseg.classification import ClassifyReport as ClassifyReport
    from geoseg.classification import ClassifySettings as ClassifySettings
    from geoseg.classification import Execution as Execution
    from geoseg.classification import RunDescription as RunDescription
    from geoseg.classification import classify as classify
    from geoseg.classification import classify_array as classify_array
    from geoseg.classification import classify_scenes as classify_scenes
    from geoseg.classification import describe_run as describe_run
    from geoseg.classification import describe_runs as describe_runs
    from geoseg.errors import GeosegError as GeosegError
    from geoseg.errors import ScenesError as ScenesError
    from geoseg.evaluation import CompareSettings as CompareSettings
    from geoseg.evaluation import ComparisonReport as ComparisonReport
    from geoseg.evaluation import EvaluateSettings as EvaluateSettings
    from geoseg.evaluation import EvaluationReport as EvaluationReport
    from geoseg.evaluation import SampleReport as SampleReport
    from geoseg.evaluation import SampleSettings as SampleSettings
    from geoseg.evaluation import compare as compare
    from geoseg.evaluation import evaluate as evaluate
    from geoseg.evaluation import evaluate_matrix as evaluate_matrix
    from geoseg.evaluation import sample as sample
    from geoseg.info import InfoReport as InfoReport
    from geoseg.info import describe as describe
    from geoseg.legend import LandCoverClass as LandCoverClass
    from geoseg.legend import Legend as Legend
    from geoseg.legend import read_legend as read_legend
    from geoseg.metrics import Confusion as Confusion
    from geoseg.model import Model as Model
    from geoseg.model import convert_model as convert_model
    from geoseg.model import export_model as export_model
    from geoseg.models import ModelFile as ModelFile
    from geoseg.models import list_models as list_models
    from geoseg.raster import Mosaic as Mosaic
    from geoseg.raster import Stack as Stack
    from geoseg.raster import expand_scenes as expand_scenes
    from geoseg.suggestion import SuggestReport as SuggestReport
    from geoseg.suggestion import SuggestSettings as SuggestSettings
    from geoseg.suggestion import suggest as suggest
    from geoseg.tiles import TileSet as TileSet
    from geoseg.tiles import TileSettings as TileSettings
    from geoseg.tiles import open_tiles as open_tiles
    from geoseg.tiles import tile as tile
    from geoseg.training import RECIPES as RECIPES
    from geoseg.training import Int8Report as Int8Report
    from geoseg.training import Monitor as Monitor
    from geoseg.training import TrainSettings as TrainSettings
    from geoseg.training import export_int8 as export_int8
    from geoseg.training import score as score
    from geoseg.training import train as train
    from geoseg.vectorisation import Cleaning as Cleaning
    from geoseg.vectorisation import VectoriseReport as VectoriseReport
    from geoseg.vectorisation import VectoriseSettings as VectoriseSettings
    from geoseg.vectorisation import vectorise as vectorise
    from geoseg.view import ViewSettings as ViewSettings
    from geoseg.view import open_view as open_view
    from geoseg.view import save_page as save_page

_PUBLIC_NAMES = {
    "classification": (
        "ClassifiedArray",
        "ClassifyReport",
        "ClassifySettings",
        "Execution",
        "RunDescription",
        "classify",
        "classify_array",
        "classify_scenes",
        "describe_run",
        "describe_runs",
    ),
    "errors": ("GeosegError", "ScenesError"),
    "evaluation": (
        "CompareSettings",
        "ComparisonReport",
        "EvaluateSettings",
        "EvaluationReport",
        "SampleReport",
        "SampleSettings",
        "compare",
        "evaluate",
        "evaluate_matrix",
        "sample",
    ),
    "info": ("InfoReport", "describe"),
    "legend": ("LandCoverClass", "Legend", "read_legend"),
    "metrics": ("Confusion",),
    "model": ("Model", "convert_model", "export_model"),
    "models": ("ModelFile", "list_models"),
    "raster": ("Mosaic", "Stack", "expand_scenes"),
    "suggestion": ("SuggestReport", "SuggestSettings", "suggest"),
    "tiles": ("TileSet", "TileSettings", "open_tiles", "tile"),
    "training": (
        "RECIPES",
        "Int8Report",
        "Monitor",
        "TrainSettings",
        "export_int8",
        "score",
        "train",
    ),
    "vectorisation": ("Cleaning", "VectoriseReport", "VectoriseSettings", "vectorise"),
    "view": ("ViewSettings", "open_view", "save_page"),
}
"""The public names of each package; type checkers read the imports above instead."""

__all__ = ["__version__", *chain.from_iterable(_PUBLIC_NAMES.values())]


if not TYPE_CHECKING:  # a type checker reports unknown names only without it

    def __getattr__(name: str) -> object:
        for package, names in _PUBLIC_NAMES.items():
            if name in names:
                return getattr(import_module(f"geoseg.{package}"), name)
        raise AttributeError(f"module 'geoseg' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
