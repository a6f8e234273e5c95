"""A scene in, a land-cover map out."""

import logging
import platform
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rasterio
import torch

from geoseg.classification.assemble import assemble
from geoseg.classification.compute import compute, count_windows
from geoseg.classification.job import ClassifySettings, Execution, Job
from geoseg.classification.outputs import Outputs, outputs_in_folders
from geoseg.classification.prepare import PlannedRun, check_scene, load_model, plan_run
from geoseg.classification.run_folder.lock import run_lock
from geoseg.classification.run_folder.manifest import open_run_folder, remove_run_folder
from geoseg.errors import RunError, SceneError, check_list, check_type, count_of, redact
from geoseg.execute import (
    DaskCluster,
    Progress,
    ProgressCounter,
    StopFlag,
    available_cpus,
    available_memory,
    connect,
    stop_on_signal,
)
from geoseg.files import translate_write_errors
from geoseg.model import DEFAULT, Model
from geoseg.raster import open_scene, unread_alphas
from geoseg.version import __version__

log = logging.getLogger("geoseg")


def classify(  # noqa: PLR0913 - one call for the main job, all but two by name
    scene: str | Path,
    out: str | Path,
    *,
    model: Model | str | Path = DEFAULT,
    polygons: str | Path | None = None,
    confidence: str | Path | None = None,
    probabilities: str | Path | None = None,
    options: ClassifySettings = ClassifySettings(),
    execution: Execution = Execution(),
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any] | None:
    """Classify a scene of any size into a land-cover map.

    Args:
        scene: anything GDAL opens.
        out: labels, a Cloud-Optimized GeoTIFF (uint8, 255 = no data) with palette; beside it go
            category names (.tif.aux.xml), a QGIS style (.qml) and a report (.json).
        model: a loaded model or its file; "default" is the bundled one, for very-high-resolution
            RGB.
        polygons: land-cover polygons, .gpkg, .parquet, .fgb, .geojson or .pmtiles.
        confidence: score of the winning class, GeoTIFF, 0..255, 0 = no data.
        probabilities: scores of all classes, GeoTIFF with one band a class, 0..255.
        options: what determines the map.
        execution: how and where it is computed; the map is the same.
        overwrite: replace existing outputs.
        progress: called as windows are done, see `geoseg.execute.Progress`.

    Returns:
        The report that is also written as JSON; None if only a shard was computed.

    Raises:
        GeosegError: in one sentence, whatever is wrong with scene, model, options or outputs.
        InterruptedRun: if stopped by SIGINT, SIGTERM or SIGUSR1, if another run is at work on
            the same output, or if the cluster is lost; the same call resumes.
    """
    outputs = Outputs(
        labels=Path(out),
        polygons=Path(polygons) if polygons else None,
        confidence=Path(confidence) if confidence else None,
        probabilities=Path(probabilities) if probabilities else None,
    )
    return _classify(
        [(str(scene), outputs)], model, options, execution, overwrite=overwrite, progress=progress
    )[0]


def classify_scenes(  # noqa: PLR0913 - one call for the main job, all but two by name
    scenes: Sequence[str | Path],
    out: str | Path,
    *,
    model: Model | str | Path = DEFAULT,
    polygons: str | Path | None = None,
    confidence: str | Path | None = None,
    probabilities: str | Path | None = None,
    options: ClassifySettings = ClassifySettings(),
    execution: Execution = Execution(),
    overwrite: bool = False,
    progress: Progress | None = None,
) -> list[dict[str, Any] | None]:
    """Classify several scenes, one after the other, each into a map of its own.

    All scenes and outputs are checked before the first chunk is computed. The same call resumes
    an interrupted one: finished maps stay.

    Args:
        scenes: anything GDAL opens; a map has the name of its scene.
        out: folder of the labels, <name>.tif; it is created.
        model: a loaded model or its file.
        polygons: folder of the polygons, <name>.gpkg.
        confidence: folder of the confidence, <name>.tif.
        probabilities: folder of the probabilities, <name>.tif.
        options: what determines the maps.
        execution: how and where they are computed; the maps are the same.
        overwrite: replace existing outputs.
        progress: called as windows are done, see `geoseg.execute.Progress`; it counts the windows
            of all scenes.

    Returns:
        The report of each scene, see `classify`.

    Raises:
        SceneError: if there is no scene, or one cannot be read or does not fit the model.
        OutputError: if two scenes have one name, or an output exists or cannot be written.
        GeosegError: as `classify` does.
        InterruptedRun: as `classify` does.
    """
    check_list("scenes", scenes)
    if not scenes:
        raise SceneError("there are no scenes to classify, give at least one")
    folders = {
        "labels": out, "polygons": polygons, "confidence": confidence,
        "probabilities": probabilities,
    }  # fmt: skip
    paths = [str(scene) for scene in scenes]
    inputs = list(zip(paths, outputs_in_folders(paths, folders), strict=True))
    return _classify(inputs, model, options, execution, overwrite=overwrite, progress=progress)


def _classify(
    inputs: Sequence[tuple[str, Outputs]],
    model: Model | str | Path,
    options: ClassifySettings,
    execution: Execution,
    *,
    overwrite: bool,
    progress: Progress | None,
) -> list[dict[str, Any] | None]:
    """Check all scenes, plan all runs, then compute one run after the other."""
    check_type("options", options, ClassifySettings)
    check_type("execution", execution, Execution)
    if execution.shard is not None and not execution.resume:
        raise RunError(
            "a shard cannot start again for all shards, leave out resume=False (--no-resume)"
        )
    scenes = [open_scene(path, nodata=options.nodata) for path, _ in inputs]
    for scene, (_, outputs) in zip(scenes, inputs, strict=True):
        outputs.check(scene, options.cleaning)
    loaded = load_model(model)
    log.debug(
        "geoseg %s, Python %s, torch %s, GDAL %s; %s, %.1f GB of memory free",
        __version__, platform.python_version(), torch.__version__, rasterio.__gdal_version__,
        count_of(available_cpus(), "processor core"), available_memory() / 1e9,
    )  # fmt: skip
    checked = [
        check_scene(scene, outputs, loaded, options)
        for scene, (_, outputs) in zip(scenes, inputs, strict=True)
    ]
    with stop_on_signal() as stop, _connect_cluster(execution, stop) as cluster:
        planned = [
            plan_run(fitted, loaded, options, execution, cluster, overwrite=overwrite)
            for fitted in checked
        ]
        pending = [run for run in planned if run.report is None]
        if not pending:
            return [run.report for run in planned]
        windows = sum(count_windows(run.job, execution, started=run.started) for run in pending)
        windows_done = ProgressCounter(progress, "windows", windows)
        return [
            run.report or _compute(run, loaded, execution, cluster, stop, windows_done)
            for run in planned
        ]


def _compute(
    planned: PlannedRun,
    model: Model,
    execution: Execution,
    cluster: DaskCluster | None,
    stop: StopFlag,
    windows_done: ProgressCounter,
) -> dict[str, Any] | None:
    """Compute the missing chunks of a run, and assemble the map unless it is a shard."""
    start = time.perf_counter()
    job, outputs = planned.job, planned.outputs
    for warning in planned.warnings:
        log.warning(warning)
    for band in unread_alphas(job.scene):
        name = redact(job.scene.path)
        log.info("band %d of %s is transparency (alpha) and is not read as data", band, name)
    for path in outputs.asked():  # of several scenes, folders are made when all are checked
        with translate_write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
    with run_lock(outputs.parts, execution.share, alone=execution.shard is None):
        resumed = open_run_folder(
            job, planned.area, resume=execution.resume, exclusive=execution.shard is None
        )
        workers = compute(job, execution, cluster, stop, windows_done, model=model, resumed=resumed)
        if execution.shard is not None:
            log.info("%s is done, run without --shard to assemble", execution.share)
            return None
        about = _provenance(job, model, execution, outputs, workers)
        computed = time.perf_counter()
        about["seconds"] = {"classify": round(computed - start, 3)}
        report = assemble(job, outputs, about, stop)
        remove_run_folder(outputs.parts)
    log.info("%s assembled in %.1f s", outputs.labels, time.perf_counter() - computed)
    return report


def _connect_cluster(
    execution: Execution, stop: StopFlag
) -> AbstractContextManager[DaskCluster | None]:
    if execution.scheduler is None:
        return nullcontext()
    return connect(execution.scheduler, wait=execution.wait, stop=stop)


def _provenance(
    job: Job, model: Model, execution: Execution, outputs: Outputs, workers: int
) -> dict[str, Any]:
    return {
        "run": job.map_identity(),
        "geoseg": __version__,
        "python": platform.python_version(),
        "scene": job.scene.to_dict(),
        "model": {"path": model.path, "hash": model.hash, "bands": list(model.band_names)},
        "options": {
            **asdict(job.options), "precision": job.precision,
            "aoi": redact(job.options.aoi) if job.options.aoi else None,
        },
        "execution": {
            **asdict(execution), "device": job.device, "batch_size": job.batch_size,
            "chunk": job.chunk, "workers": workers,
        },
        "outputs": [path.name for path in outputs.asked()],
    }  # fmt: skip
