"""The first step of a run: a scene that fits the model, with its area of interest."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from geoseg.classification.aoi import AreaOfInterest
from geoseg.classification.compatibility import (
    check_classes,
    check_value_range,
    match_bands,
    scene_warnings,
)
from geoseg.classification.outputs import Outputs
from geoseg.classification.settings import ClassifySettings
from geoseg.errors import ModelError, RunError
from geoseg.model import Model
from geoseg.polygons import SieveThreshold
from geoseg.raster import Scene, open_scene, probe_pixels


@dataclass(frozen=True, slots=True)
class PreparedScene:
    """A scene that fits the model and the settings, and where its map goes."""

    scene: Scene
    outputs: Outputs
    aoi: AreaOfInterest | None
    sieve_threshold: SieveThreshold | None
    """Which components of the map are too small, None if none are."""
    warnings: list[str]
    """What may spoil the map, one sentence each."""


def load_model(model: Model | str | Path) -> Model:
    """Load a model from its file, as each worker does.

    Raises:
        ModelError: if a loaded model has no file or differs from its file, or a model has a single
            class.
    """
    if not isinstance(model, Model):
        loaded = Model.load(model)
        check_classes(loaded)
        return loaded
    if model.path is None:
        raise ModelError(
            "the model has no file, which workers load: save it first (model.save), then give the "
            "path of that file"
        )
    stored = Model.load(model.path)
    weights, stored_weights = model.network.state_dict(), stored.network.state_dict()
    if (
        replace(model, network=stored.network) != stored
        or model.spec != stored.spec
        or not all(
            torch.equal(weights[name].cpu(), stored_weights[name]) for name in stored_weights
        )
    ):
        raise ModelError(
            f"the model is not the one in its file {model.path}, which workers load: save it first "
            "(model.save), then give the path of that file"
        )
    check_classes(stored)
    return stored


def prepare(path: str, outputs: Outputs, model: Model, settings: ClassifySettings) -> PreparedScene:
    """Open a scene, choose the bands of the model, and read the area of interest.

    Raises:
        SceneError: if the scene cannot be read or does not fit the model.
        OutputError: if an output cannot be written or cannot hold the map.
        RunError: if the settings do not fit the scene or the model, or the area of interest cannot
            be read.
    """
    scene = open_scene(path, nodata=settings.nodata)
    outputs.check(scene, settings.cleaning)
    scene = match_bands(scene, model, settings.bands)
    sample = probe_pixels(scene)
    check_value_range(scene, model, sample)
    aoi = AreaOfInterest.read(settings.aoi, scene, settings.aoi_layer) if settings.aoi else None
    if settings.overlap >= model.spec.window:
        raise RunError(
            f"overlap {settings.overlap} is not smaller than the model's window of "
            f"{model.spec.window} px"
        )
    threshold = settings.cleaning.sieve_threshold(scene.affine, scene.crs, scene.height)
    return PreparedScene(scene, outputs, aoi, threshold, scene_warnings(scene, model, sample))
