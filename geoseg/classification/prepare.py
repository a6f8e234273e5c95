"""The first step of a run: a scene that fits the model, with its area of interest."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from geoseg.classification.aoi import AreaOfInterest
from geoseg.classification.compatibility import (
    check_value_range,
    match_bands,
    scene_warnings,
)
from geoseg.classification.outputs import Outputs
from geoseg.classification.settings import ClassifySettings
from geoseg.errors import LabelError, ModelError, RunError
from geoseg.legend import as_legend
from geoseg.model import AnyModel, Model, OnnxMetadata, OnnxModel
from geoseg.models import find_model, is_onnx
from geoseg.polygons import SieveThreshold
from geoseg.raster import Scene, open_scene, probe_pixels


@dataclass(frozen=True, slots=True)
class PreparedScene:
    """A scene that fits the model and the settings, and the outputs of its map."""

    scene: Scene
    outputs: Outputs
    aoi: AreaOfInterest | None
    sieve_threshold: SieveThreshold | None
    """Which components of the map are too small, None if none are."""
    warnings: list[str]
    """What may spoil the map, one sentence each."""


_ONNX_SETTINGS = ("legend", "input_mean", "input_std")


def load_model(model: Model | str | Path, settings: ClassifySettings) -> AnyModel:
    """Load a model from its file, as each worker does.

    Args:
        model: a loaded model, or a model file, an ONNX file of another program, or its name.
        settings: the window, and how an ONNX file is read.

    Raises:
        ModelError: if a loaded model has no file or differs from its file, a model has a single
            class, or an ONNX file cannot be used.
        RunError: if the settings are about an ONNX file, but the model is none.
    """
    if not isinstance(model, Model) and is_onnx(model):
        return _load_onnx(find_model(model), settings)
    for name in _ONNX_SETTINGS:
        if getattr(settings, name) is not None:
            raise RunError(
                f"{name} (--{name.replace('_', '-')}) is for ONNX files, and a model of geoseg has "
                "its own, leave it out"
            )
    advice = "which workers load: save it first (model.save), then give the path of that file"
    path = model.path if isinstance(model, Model) else model
    if path is None:
        raise ModelError(f"the model has no file, {advice}")
    stored = Model.load(path)
    if isinstance(model, Model) and not _are_equal(model, stored):
        raise ModelError(f"the model is not the one in its file {path}, {advice}")
    if len(stored.legend) < 2:
        raise ModelError(
            f"model {path} knows only the class {stored.legend.names[0]!r}, so its map would be "
            "that class everywhere, train a model with at least two classes"
        )
    return stored if settings.window is None else stored.with_window(settings.window)


def _load_onnx(path: Path, settings: ClassifySettings) -> OnnxModel:
    try:
        legend = as_legend(settings.legend)
    except LabelError as error:
        raise ModelError(f"the classes of {path}: {error}") from None
    given = OnnxMetadata(
        legend=legend, window=settings.window, mean=settings.input_mean, std=settings.input_std
    )
    return OnnxModel.load(path, given)


def _are_equal(model: Model, stored: Model) -> bool:
    weights, stored_weights = model.network.state_dict(), stored.network.state_dict()
    return (
        replace(model, network=stored.network) == stored
        and model.spec == stored.spec
        and all(torch.equal(weights[name].cpu(), stored_weights[name]) for name in stored_weights)
    )


def prepare(
    path: str, outputs: Outputs, model: AnyModel, settings: ClassifySettings
) -> PreparedScene:
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
