"""Classify scenes into land-cover maps: prepare, plan, open the run, compute, assemble."""

import json
import logging
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rasterio
import torch

from geoseg.classification.assemble import assemble
from geoseg.classification.compute import (
    WORKER_MODULE,
    Backend,
    check_memory_of,
    compute,
    count_windows,
)
from geoseg.classification.forecast.disk import check_disk
from geoseg.classification.outputs import Outputs, outputs_of_files, scenes_in_folders
from geoseg.classification.plan import PlannedRun, log_failure, plan_scenes, without_failures
from geoseg.classification.prepare.prepared_scene import load_model
from geoseg.classification.report import ClassifyReport, replay_config
from geoseg.classification.run_folder.graph import save_graph
from geoseg.classification.run_folder.lock import run_lock
from geoseg.classification.run_folder.manifest import open_run, remove_run_folder
from geoseg.classification.run_folder.parts import finished_parts
from geoseg.classification.settings import ClassifySettings, Execution, check_settings
from geoseg.errors import GeosegError, InterruptedRun, count_of, redact
from geoseg.execute import (
    Executor,
    LocalWorkers,
    Progress,
    ProgressCounter,
    available_cpus,
    available_memory,
)
from geoseg.files import translate_write_errors
from geoseg.model import DEFAULT, AnyModel, Model, one_torch_thread, release_memory
from geoseg.raster import Mosaic, SceneSource, Stack, as_source
from geoseg.version import __version__

log = logging.getLogger("geoseg")


def classify(  # noqa: PLR0913 - all but two by name
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
    progress: Progress | None = None,
) -> ClassifyReport | None:
    """Classify a scene of any size into a land-cover map.

    The call does not change the number of threads or the memory settings of the process. On a CPU
    it is faster if `geoseg.model.tune_malloc` is called before, as the command line does: the
    process then keeps freed memory.

    Args:
        scene: anything GDAL opens, a product (a folder of Sentinel-2 or Landsat, a folder of band
            files, a STAC item), a `Stack` or a `Mosaic`.
        out: labels, a Cloud-Optimized GeoTIFF (uint8, 255 = no data) with palette; next to it go
            category names (.tif.aux.xml), a QGIS style (.qml) and a report (.json).
        model: a loaded model or its file; "default" is the bundled one, for very-high-resolution
            RGB. Or an ONNX file (.onnx) of a segmentation network of another program.
        polygons: land-cover polygons, .gpkg, .parquet, .fgb, .geojson or .pmtiles.
        confidence: score of the best class, GeoTIFF, 1..255, 0 = no data.
        probabilities: scores of all classes, GeoTIFF with one band a class, 0..255.
        uncertainty: entropy of the scores of all classes, GeoTIFF, 1 (one class has all) to 255
            (all classes have the same score), 0 = no data.
        settings: what determines the map.
        execution: how it is computed; `Execution` says what this can change.
        workers: chunks that are computed at the same time, at least 1; None for as many as
            processors and memory allow. More than one are processes, unless the scene is small or
            computed on a GPU. Not used with a scheduler.
        scheduler: address (tcp://, tls://) or file of a Dask scheduler, whose workers see the same
            files; None to compute on this machine.
        overwrite: replace existing outputs.
        progress: called as windows are done, see `geoseg.execute.Progress`.

    Returns:
        The report that is also written as JSON; None if only a shard was computed.

    Raises:
        GeosegError: if scene, model, settings or outputs are wrong, in one sentence.
        InterruptedRun: if stopped by SIGINT, SIGTERM or SIGUSR1, if another run works on the same
            output, or if the cluster is lost; the same call resumes.
    """
    outputs = outputs_of_files(out, polygons, confidence, probabilities, uncertainty)
    [outcome] = _classify(
        [(as_source(scene), outputs)], model, settings, execution, Executor(workers, scheduler),
        overwrite=overwrite, progress=progress,
    )  # fmt: skip
    if isinstance(outcome, GeosegError):
        raise outcome
    return outcome


def classify_scenes(  # noqa: PLR0913 - all but two by name
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
    progress: Progress | None = None,
) -> list[ClassifyReport | None]:
    """Classify several scenes one after the other, every scene into its own map.

    All scenes and outputs are checked before the first chunk is computed. A scene that cannot be
    read, does not fit the model or fails later is left out, and the others are classified. The same
    call resumes an interrupted one; finished maps stay.

    Args:
        scenes: see `classify`; a map has the name of its scene.
        out: folder of the labels, <name>.tif; it is created.
        model: see `classify`.
        polygons: folder of the polygons, <name>.gpkg.
        confidence: folder of the confidence, <name>.tif.
        probabilities: folder of the probabilities, <name>.tif.
        uncertainty: folder of the uncertainty, <name>.tif.
        settings: see `classify`.
        execution: see `classify`.
        workers: see `classify`.
        scheduler: see `classify`.
        overwrite: see `classify`.
        progress: see `classify`; it counts the windows of all scenes.

    Returns:
        The report of every scene, see `classify`.

    Raises:
        SceneError: if the list is empty.
        OutputError: if two scenes have the same name, or an output exists or cannot be written.
        ScenesError: at the end, if scenes failed; it has their errors and the other reports.
        GeosegError: as `classify` does.
        InterruptedRun: as `classify` does.
    """
    folders = {
        "labels": out, "polygons": polygons, "confidence": confidence,
        "probabilities": probabilities, "uncertainty": uncertainty,
    }  # fmt: skip
    inputs = scenes_in_folders(scenes, folders)
    outcomes = _classify(
        inputs, model, settings, execution, Executor(workers, scheduler),
        overwrite=overwrite, progress=progress,
    )  # fmt: skip
    return without_failures(inputs, outcomes)


@one_torch_thread()
def _classify(
    inputs: Sequence[tuple[SceneSource, Outputs]],
    model: Model | str | Path,
    settings: ClassifySettings,
    execution: Execution,
    executor: Executor,
    *,
    overwrite: bool,
    progress: Progress | None,
) -> list[ClassifyReport | GeosegError | None]:
    """Prepare all scenes, plan all runs, then finish one run after the other."""
    check_settings(settings, execution)
    loaded = load_model(model, settings)
    model_name = str(model.path if isinstance(model, Model) else model)
    log.debug(
        "geoseg %s, Python %s, torch %s, GDAL %s; %s, %.1f GB of memory free",
        __version__, platform.python_version(), torch.__version__, rasterio.__gdal_version__,
        count_of(available_cpus(), "processor core"), available_memory() / 1e9,
    )  # fmt: skip
    with plan_scenes(inputs, loaded, settings, execution, executor, overwrite=overwrite) as (
        runs,
        cluster,
        stop,
    ):
        pending = [run for run in runs if isinstance(run, PlannedRun) and run.report is None]
        check_disk([(run.job, run.outputs) for run in pending])
        check_memory_of([run.job for run in pending], loaded, execution, executor, cluster)
        total = sum(count_windows(run.job, execution) for run in pending)
        windows_done = ProgressCounter(progress if pending else None, "windows", total)
        processes = LocalWorkers([WORKER_MODULE], stop, stay=len(pending) > 1)
        backend = Backend(execution, executor, cluster, processes, stop)

        def finish(run: PlannedRun | GeosegError) -> ClassifyReport | GeosegError | None:
            if isinstance(run, GeosegError):
                return run
            if run.report is not None:
                return _clear_finished(run, run.report)
            try:
                return _finish(run, loaded, model_name, backend, windows_done, overwrite=overwrite)
            except InterruptedRun:
                raise
            except GeosegError as error:
                return log_failure(run.job.scene.path, error, len(inputs))

        with processes:
            return [finish(run) for run in runs]


def _clear_finished(run: PlannedRun, report: ClassifyReport) -> ClassifyReport:
    """Delete the parts of a complete map: its run was killed while it deleted them."""
    folder = run.outputs.run_folder
    if folder.exists():
        with run_lock(folder, "clearing", exclusive=True):
            remove_run_folder(folder)
    return report


def _finish(
    run: PlannedRun,
    model: AnyModel,
    model_name: str,
    backend: Backend,
    windows_done: ProgressCounter,
    *,
    overwrite: bool,
) -> ClassifyReport | None:
    """Compute the missing chunks of a run, and assemble the map unless it is a shard."""
    start = time.perf_counter()
    scene, outputs, execution = run.job.scene, run.outputs, backend.execution
    for warning in run.prepared.warnings:
        log.warning(warning)
    for band in scene.unread_alphas:
        name = redact(scene.path)
        log.info("band %d of %s is transparency (alpha) and is not read as data", band, name)
    for path in outputs.requested():
        with translate_write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
    protected = None if overwrite else outputs
    with open_run(run.job, run.prepared.aoi, execution, protected) as resumed:
        save_graph(run.job, model)
        workers = compute(run.job, model, backend, windows_done, resumed=resumed)
        if execution.shard is not None:
            log.info("%s is done, run without --shard to assemble", execution.shard_label)
            return None
        computed = time.perf_counter()
        release_memory()  # of the chunks: assembly allocates in other sizes
        _warn_of_mixed_processors(outputs.run_folder)
        config = replay_config(run.job, run.prepared.source, outputs.by_option(), model_name)
        report = _report(run, model, backend, workers, computed - start, config)
        report = assemble(run, report, backend.stop)
        remove_run_folder(outputs.run_folder)
    log.info("%s assembled in %.1f s", outputs.labels, time.perf_counter() - computed)
    return report


def _warn_of_mixed_processors(run_folder: Path) -> None:
    """Warn if the parts come from CPUs of several kinds."""
    kinds = sorted({part.instruction_set for part in finished_parts(run_folder)} - {""})
    if len(kinds) > 1:
        log.warning(
            "the chunks were computed on CPUs with different instruction sets (%s): the last bits "
            "of scores depend on them, so another run may differ in a few pixels",
            ", ".join(kinds),
        )


def _report(
    run: PlannedRun,
    model: AnyModel,
    backend: Backend,
    workers: int,
    seconds: float,
    config: dict[str, Any],
) -> ClassifyReport:
    """Return the report without the classes."""
    job, execution = run.job, backend.execution
    aoi = redact(job.settings.aoi) if job.settings.aoi else None
    data = {
        "scene": job.scene.to_dict(),
        "model": {"path": model.path, "hash": model.hash, "bands": model.band_names},
        "settings": {**asdict(job.settings), "precision": job.precision, "aoi": aoi},
        "execution": {
            "engine": job.engine, "device": job.device, "batch_size": job.batch_size,
            "chunk": job.chunk, "workers": workers,
            "scheduler": backend.executor.scheduler,
            "wait": execution.wait, "shard": execution.shard, "resume": execution.resume,
        },
        "config": config,
    }  # fmt: skip
    return ClassifyReport(
        run=job.map_identity(),
        version=__version__,
        python=platform.python_version(),
        outputs=tuple(path.name for path in run.outputs.requested()),
        seconds={"classify": round(seconds, 3)},
        **json.loads(json.dumps(data)),  # as the file has it: lists for tuples
    )
