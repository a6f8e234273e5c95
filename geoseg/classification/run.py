"""A scene in, a land-cover map out."""

import logging
import platform
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
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
from geoseg.classification.outputs import Outputs
from geoseg.classification.plan import plan
from geoseg.classification.turn import turn
from geoseg.errors import RunError, redact
from geoseg.execute import Cluster, Progress, Stop, connect, stop_on_signal
from geoseg.model import DEFAULT, Model
from geoseg.raster import Scene, describe

log = logging.getLogger("geoseg")


def classify(  # noqa: PLR0913 - one call for the main job, all but two by name
    scene: str | Path,
    out: str | Path,
    *,
    model: str | Path = DEFAULT,
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
        model: a model file; "default" is the bundled one, for very-high-resolution RGB.
        polygons: land-cover polygons, .gpkg, .parquet, .fgb or .geojson.
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
    start = time.perf_counter()
    outputs = Outputs(
        labels=Path(out),
        polygons=Path(polygons) if polygons else None,
        confidence=Path(confidence) if confidence else None,
        probabilities=Path(probabilities) if probabilities else None,
    )
    if execution.shard is not None and not execution.resume:
        raise RunError("a shard cannot start again for all of them, leave out --no-resume")
    described = describe(scene, nodata=options.nodata)
    outputs.check(described)
    loaded = Model.load(model)
    check_classes(loaded)
    fitted = choose_bands(described, loaded, options.bands)
    check_values(fitted, loaded)
    area = Area.read(options.aoi, fitted) if options.aoi else None
    with stop_on_signal() as stop, _connected(execution, stop) as cluster:
        arithmetic = _arithmetic(outputs, options, execution, cluster)
        job = plan(fitted, loaded, options, execution, outputs, arithmetic, area)
        if not overwrite and read_plan(outputs.parts) is None:
            report = _made_already(job, outputs) if execution.resume else None
            if report is not None:
                return report
            outputs.check_free()
        with turn(outputs.parts, execution.share, alone=execution.shard is None):
            resumed = open_folder(job, area, resume=execution.resume)
            _warn(fitted, loaded)
            workers = compute(job, execution, cluster, stop, progress, resumed=resumed)
            if execution.shard is not None:
                log.info("%s is done, run without --shard to assemble", execution.share)
                return None
            about = _about(job, loaded, execution, outputs, workers)
            computed = time.perf_counter()
            about["seconds"] = {"classify": round(computed - start, 3)}
            report = assemble(job, outputs, about, stop)
            close_folder(outputs.parts)
            log.info("assembled in %.1f s", time.perf_counter() - computed)
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
