"""A scene in, a land-cover map out."""

import logging
import platform
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import geopandas
import shapely

from geoseg import __version__
from geoseg.classification.arithmetic import Arithmetic
from geoseg.classification.assemble import assemble
from geoseg.classification.compute import Progress, compute_here, compute_there
from geoseg.classification.fit import check_values, choose_bands, pixel_size_warning
from geoseg.classification.job import Execution, Job, Options
from geoseg.classification.outputs import Outputs
from geoseg.classification.parts import unfinished
from geoseg.classification.plan import close_folder, open_folder, read_plan
from geoseg.classification.turn import turn
from geoseg.errors import RunError, redact
from geoseg.execute import (
    Cluster,
    Stop,
    connect,
    cores,
    free_memory,
    shard,
    stop_on_signal,
)
from geoseg.grid import Lattice, Window
from geoseg.model import DEFAULT, Model
from geoseg.raster import Scene, describe

log = logging.getLogger("geoseg")

LARGEST_CHUNK = 2048
_FEWEST_CHUNKS = 4


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
        progress: called as windows are done.

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
    fitted = choose_bands(described, loaded, options.bands)
    check_values(fitted, loaded)
    with stop_on_signal() as stop, _connected(execution, stop) as cluster:
        arithmetic = _arithmetic(outputs, options, execution, cluster)
        job = _plan(fitted, loaded, options, execution, outputs, arithmetic)
        begun = read_plan(outputs.parts) is not None
        if not overwrite and not begun:
            report = outputs.finished(job.map_identity()) if execution.resume else None
            if report is not None:
                log.info("%s is there already, of this very run; -f makes it again", out)
                close_folder(outputs.parts)
                return report
            outputs.check_free()
        with turn(outputs.parts, execution.share, alone=execution.shard is None):
            resumed = open_folder(job, resume=execution.resume)
            _warn(fitted, loaded)
            workers = _compute(job, execution, cluster, stop, progress, resumed=resumed)
            if execution.shard is not None:
                log.info("%s is done, run without --shard to assemble", execution.share)
                return None
            computed = time.perf_counter()
            about = _about(job, loaded, execution, outputs, workers)
            about["seconds"] = {"classify": round(computed - start, 3)}
            report = assemble(job, outputs, about)
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


def _plan(
    scene: Scene,
    model: Model,
    options: Options,
    execution: Execution,
    outputs: Outputs,
    arithmetic: Arithmetic,
) -> Job:
    cleaning = options.cleaning
    cleaning.limit(scene.affine, scene.crs, scene.height)
    later = outputs.polygons is not None and bool(cleaning.min_area or cleaning.simplify)
    size = model.spec.window
    if options.overlap >= size:
        raise RunError(
            f"overlap {options.overlap} is not smaller than the model's window of {size} px"
        )
    job = Job(
        scene=scene,
        lattice=Lattice(scene.height, scene.width, size, size - options.overlap),
        chunk=execution.chunk or default_chunk(scene.height, scene.width),
        model=str(model.path),
        model_hash=model.hash,
        legend=model.legend,
        options=options,
        precision=arithmetic.precision,
        device=arithmetic.device,
        batch_size=arithmetic.batch_size,
        parts=str(outputs.parts),
        polygons=outputs.polygons is not None and not later,
        confidence=outputs.confidence is not None or later,
        probabilities=outputs.probabilities is not None,
        aoi=_read_aoi(options.aoi, scene) if options.aoi else None,
    )
    try:
        job.chunks()
    except ValueError as error:
        raise RunError(f"{error}, choose another --chunk") from None
    return job


def default_chunk(height: int, width: int) -> int:
    """The largest of 2048, 1024 and 512 px that gives at least four chunks, else 512.

    It depends on the scene alone, so that all machines of a run agree on it.
    """
    for chunk in (LARGEST_CHUNK, LARGEST_CHUNK // 2):
        if -(-height // chunk) * -(-width // chunk) >= _FEWEST_CHUNKS:
            return chunk
    return LARGEST_CHUNK // 4


def _read_aoi(path: str, scene: Scene) -> tuple[bytes, ...]:
    try:
        frame = geopandas.read_file(path)
    except Exception as error:  # noqa: BLE001 - each driver has its own
        reason = str(error).splitlines()[0]
        raise RunError(f"cannot read area of interest {path}: {reason}") from None
    if frame.crs is None or scene.crs is None:
        raise RunError(f"{path} or {scene.path} has no CRS, assign one to use --aoi")
    return tuple(shapely.to_wkb(frame.to_crs(scene.crs).geometry.to_numpy()).tolist())


def _chunk_bytes(job: Job) -> int:
    """Memory of one chunk at work: pixels, scores, labels, and the activations of a batch."""
    side = job.chunk + job.lattice.size
    height, width = min(side, job.scene.height), min(side, job.scene.width)
    scores = 4 * height * width * (len(job.legend) + 1 + len(job.scene.bands))
    activations = 4 * job.batch_size * job.lattice.size**2 * 100
    return scores + activations


def _workers(job: Job, execution: Execution, chunks: int) -> int:
    if execution.workers is not None:
        if execution.workers < 1:
            raise RunError(f"{execution.workers} workers cannot work, use at least 1")
        return execution.workers
    by_memory = free_memory() // (2 * _chunk_bytes(job))
    return max(1, min(cores(), by_memory, chunks))


def _announce(job: Job, missing: list[Window], workers: int) -> None:
    windows = sum(job.lattice.count(chunk) for chunk in missing)
    log.info(
        "%s: %d x %d px, bands %s; %s windows of %d px, overlap %d; %d chunks of %d px, "
        "%d at a time, about %.1f GB; %s %s; model %s",
        Path(redact(job.scene.path)).name, job.scene.height, job.scene.width,
        ",".join(map(str, job.scene.bands)), f"{windows:,}", job.lattice.size,
        job.options.overlap, len(missing), job.chunk, workers,
        0.4 + workers * _chunk_bytes(job) / 1e9, job.device, job.precision, job.model_hash,
    )  # fmt: skip


def _warn(scene: Scene, model: Model) -> None:
    if scene.crs is None:
        log.warning("%s has no CRS: the map has none either, and areas stay unknown", scene.path)
    warning = pixel_size_warning(scene, model)
    if warning:
        log.warning(warning)


def _compute(
    job: Job,
    execution: Execution,
    cluster: Cluster | None,
    stop: Stop,
    progress: Progress | None,
    *,
    resumed: bool,
) -> int:
    """Compute what is not there of the run's chunks, or of its share; returns the workers."""
    chunks = job.chunks() if execution.shard is None else shard(job.chunks(), execution.shard)
    missing = unfinished(job, chunks)
    if resumed:
        log.info("resuming: %d of %d chunks are there", len(chunks) - len(missing), len(chunks))
    if cluster is not None:
        _announce(job, missing, cluster.threads)
        compute_there(job, missing, cluster, progress)
        return cluster.threads
    workers = _workers(job, execution, len(missing))
    _announce(job, missing, workers)
    compute_here(job, missing, workers, stop, progress)
    return workers


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
