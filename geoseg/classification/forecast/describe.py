"""Describe what a classification would do (`geoseg classify --dry-run`); nothing is written."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pyproj import CRS

from geoseg.classification.compute import choose_workers, chunks_to_compute, shard_chunks
from geoseg.classification.engine_trial import TrialRequest, read_trial_windows
from geoseg.classification.forecast.description import RunDescription
from geoseg.classification.forecast.disk import disk_need, free_bytes
from geoseg.classification.job import Job
from geoseg.classification.memory import run_bytes, too_much_memory
from geoseg.classification.outputs import Outputs, outputs_of_files, scenes_in_folders
from geoseg.classification.plan import PlannedRun, plan_scenes, without_failures
from geoseg.classification.prepare.prepared_scene import load_model
from geoseg.classification.settings import ClassifySettings, Execution, check_settings
from geoseg.errors import GeosegError, redact
from geoseg.execute import DaskCluster, Executor, available_memory
from geoseg.model import (
    DEFAULT,
    AnyModel,
    Model,
    load_predictor,
    network_graph,
    one_torch_thread,
    try_engine,
)
from geoseg.raster import Mosaic, Scene, SceneSource, Stack, as_source

_TRIAL_SECONDS = 2.0
"""Time of the trial of the network (s), at least two rounds over its windows."""


def describe_run(  # noqa: PLR0913 - all but two by name
    scene: str | Path | Stack | Mosaic,
    out: str | Path,
    *,
    model: Model | str | Path = DEFAULT,
    polygons: str | Path | None = None,
    confidence: str | Path | None = None,
    probabilities: str | Path | None = None,
    uncertainty: str | Path | None = None,
    settings: ClassifySettings = ClassifySettings(),
    execution: Execution = Execution(),
    workers: int | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
) -> RunDescription:
    """Return what `classify` would do with these arguments, without doing it.

    The scene, the model and the outputs are checked as `classify` does. The network is tried for
    about two seconds.

    Raises:
        GeosegError: as `classify` does before it computes.
    """
    outputs = outputs_of_files(out, polygons, confidence, probabilities, uncertainty)
    [outcome] = _describe(
        [(as_source(scene), outputs)], model, settings, execution, Executor(workers, scheduler),
        overwrite=overwrite,
    )  # fmt: skip
    if isinstance(outcome, GeosegError):
        raise outcome
    return outcome


def describe_runs(  # noqa: PLR0913 - all but two by name
    scenes: Sequence[str | Path | Stack | Mosaic],
    out: str | Path,
    *,
    model: Model | str | Path = DEFAULT,
    polygons: str | Path | None = None,
    confidence: str | Path | None = None,
    probabilities: str | Path | None = None,
    uncertainty: str | Path | None = None,
    settings: ClassifySettings = ClassifySettings(),
    execution: Execution = Execution(),
    workers: int | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
) -> list[RunDescription]:
    """Return what `classify_scenes` would do with these arguments, without doing it.

    Raises:
        ScenesError: if scenes cannot be used; its reports are the descriptions of the others.
        GeosegError: as `classify_scenes` does before it computes.
    """
    folders = {
        "labels": out, "polygons": polygons, "confidence": confidence,
        "probabilities": probabilities, "uncertainty": uncertainty,
    }  # fmt: skip
    inputs = scenes_in_folders(scenes, folders)
    executor = Executor(workers, scheduler)
    outcomes = _describe(inputs, model, settings, execution, executor, overwrite=overwrite)
    return without_failures(inputs, outcomes)


def _describe(
    inputs: Sequence[tuple[SceneSource, Outputs]],
    model: Model | str | Path,
    settings: ClassifySettings,
    execution: Execution,
    executor: Executor,
    *,
    overwrite: bool,
) -> list[RunDescription | GeosegError]:
    check_settings(settings, execution)
    loaded = load_model(model, settings)
    # Shards would agree on an engine in a file of the run folder.
    planned = plan_scenes(
        inputs, loaded, settings, replace(execution, shard=None), executor, overwrite=overwrite
    )
    with planned as (runs, cluster, _):
        return [
            run
            if isinstance(run, GeosegError)
            else _describe_run(run, loaded, execution, executor, cluster)
            for run in runs
        ]


def _describe_run(
    run: PlannedRun,
    model: AnyModel,
    execution: Execution,
    executor: Executor,
    cluster: DaskCluster | None,
) -> RunDescription:
    job, scene, outputs = run.job, run.job.scene, run.outputs
    chunks = shard_chunks(job, execution.shard)
    missing = [] if run.report is not None else chunks_to_compute(job, execution)
    workers, kind = choose_workers(job, model, executor, cluster, len(missing))
    warnings = list(run.prepared.warnings)
    if missing and cluster is None:
        memory = too_much_memory(job, model, workers, processes=kind != "thread")
        warnings += [] if memory is None else [memory]
    if run.report is not None:
        window_seconds = None
    elif cluster is None:
        window_seconds = _seconds_per_window(job)
    else:
        [window_seconds] = cluster.map(_seconds_per_window, [job])
    return RunDescription(
        scene=redact(scene.path),
        height=scene.height,
        width=scene.width,
        crs=None if scene.crs is None else CRS(scene.crs).name,
        pixel_size=scene.pixel_size,
        input_size=(job.input.height, job.input.width),
        input_pixel_size=job.input.pixel_size,
        bands=tuple(zip(scene.bands, scene.band_names, strict=True)),
        matched=_matched(scene, model, job.settings),
        model=redact(job.model),
        window=job.window_grid.size,
        overlap=job.settings.overlap,
        windows=sum(job.count_windows(chunk) for chunk in missing),
        chunk=job.chunk,
        chunks=len(chunks),
        finished=len(chunks) - len(missing),
        engine=job.engine,
        device=job.device,
        precision=job.precision,
        batch_size=job.batch_size,
        workers=workers,
        worker_kind=kind,
        memory=run_bytes(job, model, workers, processes=kind != "thread"),
        memory_available=available_memory(),
        disk=disk_need(job, outputs),
        disk_free=free_bytes(outputs.labels),
        seconds_per_window=window_seconds,
        outputs=tuple(str(path) for path in outputs.requested()),
        complete=run.report is not None,
        warnings=tuple(warnings),
    )


def _seconds_per_window(job: Job) -> float | None:
    """Return the time of one window on one worker of this machine (s), by a trial.

    It is that of the network alone: reading, blending and writing take more. None if the scene has
    no window with enough valid pixels.
    """
    request = TrialRequest(
        job.input, job.window_grid, job.map_grid.input_part, job.model, job.model_hash, job.onnx,
        tta=job.settings.tta,
    )  # fmt: skip
    source, graph = job.predictor_source, None
    if job.graph is not None:
        graph = network_graph(Model.load(job.model).with_window(job.window_grid.size))
    with one_torch_thread():
        predictor = load_predictor(source, graph)
        sample = read_trial_windows(request, predictor.spec.scaling)
        if sample is None:
            return None
        with predictor.stream():
            trial, _ = try_engine(source.engine, predictor, sample, None, _TRIAL_SECONDS)
    return trial.seconds


def _matched(scene: Scene, model: AnyModel, settings: ClassifySettings) -> str:
    """Return how the bands of a scene were chosen, see `match_bands`."""
    if settings.bands is not None:
        return "given"
    return "by name" if scene.band_names == tuple(model.band_names) else "by number"
