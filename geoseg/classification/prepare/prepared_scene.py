"""The first step of a run: a scene that fits the model, with its area of interest."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from geoseg.classification.outputs import Outputs
from geoseg.classification.prepare.aoi import AreaOfInterest
from geoseg.classification.prepare.compatibility import (
    check_value_range,
    match_bands,
    scene_warnings,
)
from geoseg.classification.prepare.grids import Grids, choose_grids
from geoseg.classification.settings import ClassifySettings
from geoseg.errors import LabelError, ModelError, RunError
from geoseg.legend import as_legend
from geoseg.model import AnyModel, Model, OnnxMetadata, OnnxModel, find_mlm_item
from geoseg.models import find_model, is_onnx
from geoseg.polygons import SieveThreshold
from geoseg.raster import (
    Mosaic,
    Scene,
    SceneSource,
    Stack,
    mosaic,
    open_scene,
    probe_pixels,
    reprojected,
    source_paths,
)


@dataclass(frozen=True, slots=True)
class PreparedScene:
    """A scene that fits the model and the settings, and the outputs of its map."""

    source: SceneSource
    grids: Grids
    """The scene on the grid of the map and on that of the network's input."""
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


def fit_scene(
    scene: Scene, model: AnyModel, settings: ClassifySettings, sample: NDArray[np.float64]
) -> tuple[Grids, list[str]]:
    """Choose the grids of a scene, and find what may spoil the map.

    The scene has the bands of the model, ``sample`` its valid pixels (bands, n).

    Raises:
        GeosegError: as `prepare` does.
    """
    check_value_range(scene, model, sample)
    grids = choose_grids(scene, model, settings)
    chosen = settings.bands is not None
    return grids, scene_warnings(grids.input, model, sample, bands_chosen=chosen)


def prepare(
    source: SceneSource, outputs: Outputs, model: AnyModel, settings: ClassifySettings
) -> PreparedScene:
    """Open a scene, choose the bands of the model, and read the area of interest.

    Raises:
        SceneError: if the scene cannot be read or does not fit the model.
        OutputError: if an output cannot be written or cannot hold the map.
        RunError: if the settings do not fit the scene or the model, or the area of interest cannot
            be read.
    """
    whole = _open_source(source, model, settings)
    grids, warnings = fit_scene(whole, model, settings, probe_pixels(whole))
    scene = grids.scene
    outputs.check(scene, settings.cleaning, _inputs(source, model, settings))
    aoi = AreaOfInterest.read(settings.aoi, scene, settings.aoi_layer) if settings.aoi else None
    threshold = settings.cleaning.sieve_threshold(
        scene.affine, scene.crs, scene.height, scene.width
    )
    return PreparedScene(source, grids, outputs, aoi, threshold, warnings)


def _inputs(
    source: SceneSource, model: AnyModel, settings: ClassifySettings
) -> list[str | Path | None]:
    """Return the inputs of a run except the files of the scene: paths, or None."""
    item = find_mlm_item(model.path) if isinstance(model, OnnxModel) else None
    return [*source_paths(source), model.path, item, settings.legend, settings.aoi]


def _open_source(source: SceneSource, model: AnyModel, settings: ClassifySettings) -> Scene:
    """Open a scene or a mosaic, choose its bands, and reproject it to the CRS of the map."""
    if isinstance(source, Mosaic):
        first, *others = (_open_one(scene, model, settings) for scene in source.in_order())
        return mosaic([_in_crs(first, settings.crs), *others])
    return _in_crs(_open_one(source, model, settings), settings.crs)


def _open_one(source: str | Stack, model: AnyModel, settings: ClassifySettings) -> Scene:
    scene = match_bands(open_scene(source, nodata=settings.nodata), model, settings.bands)
    trained_on_floats = model.dtype is not None and np.issubdtype(model.dtype, np.floating)
    return scene.with_physical_values() if trained_on_floats else scene


def _in_crs(scene: Scene, crs: str | None) -> Scene:
    return scene if crs is None else reprojected(scene, crs)
