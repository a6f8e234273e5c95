"""What is checked and planned before the first chunk of a run is computed."""

import logging
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from geoseg.classification.area import Area
from geoseg.classification.arithmetic import Arithmetic
from geoseg.classification.fit import check_classes, check_values, choose_bands, scene_warnings
from geoseg.classification.folder import close_folder, holds_parts
from geoseg.classification.job import Execution, Job, Options
from geoseg.classification.outputs import Outputs
from geoseg.classification.plan import plan
from geoseg.classification.turn import turn
from geoseg.errors import ModelError
from geoseg.execute import Cluster
from geoseg.model import Model
from geoseg.raster import Scene, sample_pixels

log = logging.getLogger("geoseg")


@dataclass(frozen=True, slots=True)
class Fitted:
    """A scene that fits the model, and where its map goes."""

    scene: Scene
    outputs: Outputs
    area: Area | None
    warnings: list[str]
    """What may spoil the map, one sentence each."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A run that may begin, or is finished."""

    job: Job
    outputs: Outputs
    area: Area | None
    warnings: list[str]
    """What may spoil the map, one sentence each."""
    started: bool
    """Whether an earlier try of the run left parts that are kept."""
    report: dict[str, Any] | None
    """Of a map that this very run has made already."""


def load_model(model: Model | str | Path) -> Model:
    """The model as its file has it: that is what each worker loads.

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
    mine, theirs = model.network.state_dict(), stored.network.state_dict()
    if (
        replace(model, network=stored.network) != stored
        or model.spec != stored.spec
        or not all(torch.equal(mine[name].cpu(), theirs[name]) for name in theirs)
    ):
        raise ModelError(
            f"the model is not the one in its file {model.path}, which workers load: save it first "
            "(model.save), then give the path of that file"
        )
    check_classes(stored)
    return stored


def fit_scene(scene: Scene, outputs: Outputs, model: Model, options: Options) -> Fitted:
    """The scene with the bands of the model, and the area of interest in its CRS.

    Raises:
        SceneError: if the scene does not fit the model.
        RunError: if the area of interest cannot be read.
    """
    fitted = choose_bands(scene, model, options.bands)
    sample = sample_pixels(fitted)
    check_values(fitted, model, sample)
    area = Area.read(options.aoi, fitted, options.aoi_layer) if options.aoi else None
    return Fitted(fitted, outputs, area, scene_warnings(fitted, model, sample))


def plan_run(
    checked: Fitted,
    model: Model,
    options: Options,
    execution: Execution,
    cluster: Cluster | None,
    *,
    overwrite: bool,
) -> Planned:
    """Plan the run of one scene. Its outputs and its folder of parts are read, not changed.

    Raises:
        OutputError: if an output exists that must not be replaced.
        RunError: if there are parts of another run.
    """
    outputs = checked.outputs
    arithmetic = _arithmetic(outputs, options, execution, cluster)
    job = plan(checked.scene, model, options, execution, outputs, arithmetic, checked.area)
    started = execution.resume and holds_parts(job)
    report = None
    if not (overwrite or started):
        report = _made_already(job, outputs) if execution.resume else None
        if report is None:
            outputs.check_free()
    return Planned(job, outputs, checked.area, checked.warnings, started, report)


def _arithmetic(
    outputs: Outputs, options: Options, execution: Execution, cluster: Cluster | None
) -> Arithmetic:
    """What earlier tries computed with; else what the options mean where the chunks go."""
    asked = (execution.device, options.precision, execution.batch_size)
    recorded = Arithmetic.recorded(outputs.parts, *asked) if execution.resume else None
    if recorded is not None or cluster is None:
        return recorded or Arithmetic.here(*asked)
    return cluster.map(partial(_settle, asked), [None])[0]


def _settle(asked: tuple[str, str, int | None], _: None) -> Arithmetic:
    return Arithmetic.here(*asked)


def _made_already(job: Job, outputs: Outputs) -> dict[str, Any] | None:
    """The report of a map that this very run has made, if so."""
    report = outputs.finished(job.map_identity())
    if report is not None:
        log.info(
            "%s is there already, of this very run; overwrite (-f) makes it again", outputs.labels
        )
        if outputs.parts.exists():  # the run died while it deleted its parts
            with turn(outputs.parts, "clearing", alone=True):
                close_folder(outputs.parts)
    return report
