"""A scene in, a land-cover map out."""

import logging
import platform
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from geoseg import __version__
from geoseg.classification.area import Area
from geoseg.classification.arithmetic import Arithmetic
from geoseg.classification.assemble import assemble
from geoseg.classification.compute import compute
from geoseg.classification.fit import (
    check_classes,
    check_values,
    choose_bands,
    pixel_size_warning,
)
from geoseg.classification.folder import close_folder, open_folder, read_plan
from geoseg.classification.job import Execution, Job, Options
from geoseg.classification.outputs import Outputs, outputs_in_folders
from geoseg.classification.plan import plan
from geoseg.classification.turn import turn
from geoseg.errors import ModelError, RunError, check_list, check_type, redact
from geoseg.execute import Cluster, Progress, Stop, connect, stop_on_signal
from geoseg.model import DEFAULT, Model
from geoseg.raster import Scene, describe, writing

log = logging.getLogger("geoseg")


def classify(  # noqa: PLR0913 - one call for the main job, all but two by name
    scene: str | Path,
    out: str | Path,
    *,
    model: Model | str | Path = DEFAULT,
    polygons: str | Path | None = None,
    confidence: str | Path | None = None,
    probabilities: str | Path | None = None,
    options: Options = Options(),
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
    options: Options = Options(),
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
        progress: called as windows are done, see `geoseg.execute.Progress`.

    Returns:
        The report of each scene, see `classify`.

    Raises:
        OutputError: if two scenes have one name, or an output exists or cannot be written.
        GeosegError: as `classify` does.
        InterruptedRun: as `classify` does.
    """
    check_list("scenes", scenes)
    folders = {
        "labels": out, "polygons": polygons, "confidence": confidence,
        "probabilities": probabilities,
    }  # fmt: skip
    paths = [str(scene) for scene in scenes]
    inputs = list(zip(paths, outputs_in_folders(paths, folders), strict=True))
    return _classify(inputs, model, options, execution, overwrite=overwrite, progress=progress)


@dataclass(frozen=True, slots=True)
class _Input:
    """A scene that fits the model, and where its map goes."""

    scene: Scene
    outputs: Outputs
    area: Area | None


def _classify(
    inputs: Sequence[tuple[str, Outputs]],
    model: Model | str | Path,
    options: Options,
    execution: Execution,
    *,
    overwrite: bool,
    progress: Progress | None,
) -> list[dict[str, Any] | None]:
    """Check all scenes, plan all runs, then compute one run after the other."""
    check_type("options", options, Options)
    check_type("execution", execution, Execution)
    if execution.shard is not None and not execution.resume:
        raise RunError(
            "a shard cannot start again for all shards, leave out resume=False (--no-resume)"
        )
    scenes = [describe(path, nodata=options.nodata) for path, _ in inputs]
    for scene, (_, outputs) in zip(scenes, inputs, strict=True):
        outputs.check(scene, options.cleaning)
    loaded = model if isinstance(model, Model) else Model.load(model)
    check_classes(loaded)
    checked = [
        _fitted(scene, outputs, loaded, options)
        for scene, (_, outputs) in zip(scenes, inputs, strict=True)
    ]
    with stop_on_signal() as stop, _connected(execution, stop) as cluster:
        planned = [
            _plan(each, loaded, options, execution, cluster, overwrite=overwrite)
            for each in checked
        ]
        return [
            report or _compute(job, each, loaded, execution, cluster, stop, progress)
            for each, (job, report) in zip(checked, planned, strict=True)
        ]


def _fitted(scene: Scene, outputs: Outputs, model: Model, options: Options) -> _Input:
    """The scene with the bands of the model, and the area of interest in its CRS."""
    if model.path is None:
        raise ModelError("the model has no file, which workers load: save it first, model.save()")
    fitted = choose_bands(scene, model, options.bands)
    check_values(fitted, model)
    return _Input(fitted, outputs, Area.read(options.aoi, fitted) if options.aoi else None)


def _plan(
    checked: _Input,
    model: Model,
    options: Options,
    execution: Execution,
    cluster: Cluster | None,
    *,
    overwrite: bool,
) -> tuple[Job, dict[str, Any] | None]:
    """The run, and its report if it is finished already.

    Raises:
        OutputError: if an output exists that must not be replaced.
    """
    outputs = checked.outputs
    arithmetic = _arithmetic(outputs, options, execution, cluster)
    job = plan(checked.scene, model, options, execution, outputs, arithmetic, checked.area)
    if overwrite or read_plan(outputs.parts) is not None:
        return job, None
    report = _made_already(job, outputs) if execution.resume else None
    if report is None:
        outputs.check_free()
    return job, report


def _compute(
    job: Job,
    checked: _Input,
    model: Model,
    execution: Execution,
    cluster: Cluster | None,
    stop: Stop,
    progress: Progress | None,
) -> dict[str, Any] | None:
    """Compute the missing chunks of a run, and assemble the map unless it is a shard."""
    start = time.perf_counter()
    outputs = checked.outputs
    for path in outputs.asked():  # of several scenes, folders are made when all are checked
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
    with turn(outputs.parts, execution.share, alone=execution.shard is None):
        resumed = open_folder(job, checked.area, resume=execution.resume)
        _warn(checked.scene, model)
        workers = compute(job, execution, cluster, stop, progress, resumed=resumed)
        if execution.shard is not None:
            log.info("%s is done, run without --shard to assemble", execution.share)
            return None
        about = _about(job, model, execution, outputs, workers)
        computed = time.perf_counter()
        about["seconds"] = {"classify": round(computed - start, 3)}
        report = assemble(job, outputs, about, stop)
        close_folder(outputs.parts)
    log.info("assembled in %.1f s", time.perf_counter() - computed)
    if not any(c["pixels"] for c in report["classes"]):
        log.warning(
            "no pixel of %s is valid, so the map is empty: check nodata, mask and bands with "
            "`geoseg info`", redact(checked.scene.path),
        )  # fmt: skip
    return report


def _connected(execution: Execution, stop: Stop) -> AbstractContextManager[Cluster | None]:
    if execution.scheduler is None:
        return nullcontext()
    return connect(execution.scheduler, wait=execution.wait, stop=stop)


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
        log.info("%s is there already, of this very run; -f makes it again", outputs.labels)
        if outputs.parts.exists():  # the run died while it deleted its parts
            with turn(outputs.parts, "clearing", alone=True):
                close_folder(outputs.parts)
    return report


def _warn(scene: Scene, model: Model) -> None:
    if scene.crs is None:
        log.warning("%s has no CRS: the map has none either, and areas stay unknown", scene.path)
    warning = pixel_size_warning(scene, model)
    if warning:
        log.warning(warning)


def _about(
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
