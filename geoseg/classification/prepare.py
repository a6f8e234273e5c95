"""What is checked and planned before the first chunk of a run is computed."""

import logging
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from geoseg.classification.aoi import AreaOfInterest
from geoseg.classification.compatibility import (
    check_classes,
    check_value_range,
    match_bands,
    scene_warnings,
)
from geoseg.classification.compute_config import ComputeConfig
from geoseg.classification.job import ClassifySettings, Execution, Job
from geoseg.classification.outputs import Outputs
from geoseg.classification.plan import plan_job
from geoseg.classification.run_folder.lock import run_lock
from geoseg.classification.run_folder.manifest import has_parts, remove_run_folder
from geoseg.errors import ModelError
from geoseg.execute import DaskCluster
from geoseg.model import Model
from geoseg.raster import Scene, probe_pixels

log = logging.getLogger("geoseg")


@dataclass(frozen=True, slots=True)
class CheckedScene:
    """A scene that fits the model, and where its map goes."""

    scene: Scene
    outputs: Outputs
    area: AreaOfInterest | None
    warnings: list[str]
    """What may spoil the map, one sentence each."""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run that may begin, or is finished."""

    job: Job
    outputs: Outputs
    area: AreaOfInterest | None
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


def check_scene(
    scene: Scene, outputs: Outputs, model: Model, options: ClassifySettings
) -> CheckedScene:
    """The scene with the bands of the model, and the area of interest in its CRS.

    Raises:
        SceneError: if the scene does not fit the model.
        RunError: if the area of interest cannot be read.
    """
    fitted = match_bands(scene, model, options.bands)
    sample = probe_pixels(fitted)
    check_value_range(fitted, model, sample)
    area = AreaOfInterest.read(options.aoi, fitted, options.aoi_layer) if options.aoi else None
    return CheckedScene(fitted, outputs, area, scene_warnings(fitted, model, sample))


def plan_run(
    checked: CheckedScene,
    model: Model,
    options: ClassifySettings,
    execution: Execution,
    cluster: DaskCluster | None,
    *,
    overwrite: bool,
) -> PlannedRun:
    """Plan the run of one scene. Its outputs and its folder of parts are read, not changed.

    Raises:
        OutputError: if an output exists that must not be replaced.
        RunError: if there are parts of another run.
    """
    outputs = checked.outputs
    arithmetic = _compute_config(outputs, options, execution, cluster)
    job = plan_job(checked.scene, model, options, execution, outputs, arithmetic, checked.area)
    started = execution.resume and has_parts(job)
    report = None
    if not (overwrite or started):
        report = _existing_map(job, outputs) if execution.resume else None
        if report is None:
            outputs.check_free()
    return PlannedRun(job, outputs, checked.area, checked.warnings, started, report)


def _compute_config(
    outputs: Outputs, options: ClassifySettings, execution: Execution, cluster: DaskCluster | None
) -> ComputeConfig:
    """What earlier tries computed with; else what the options mean where the chunks go."""
    asked = (execution.device, options.precision, execution.batch_size)
    recorded = ComputeConfig.recorded(outputs.parts, *asked) if execution.resume else None
    if recorded is not None or cluster is None:
        return recorded or ComputeConfig.here(*asked)
    return cluster.map(partial(_resolve_on_worker, asked), [None])[0]


def _resolve_on_worker(asked: tuple[str, str, int | None], _: None) -> ComputeConfig:
    return ComputeConfig.here(*asked)


def _existing_map(job: Job, outputs: Outputs) -> dict[str, Any] | None:
    """The report of a map that this very run has made, if so."""
    report = outputs.finished(job.map_identity())
    if report is not None:
        log.info(
            "%s is there already, of this very run; overwrite (-f) makes it again", outputs.labels
        )
        if outputs.parts.exists():  # the run died while it deleted its parts
            with run_lock(outputs.parts, "clearing", alone=True):
                remove_run_folder(outputs.parts)
    return report
