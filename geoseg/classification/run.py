"""A scene in, a land-cover map out."""

import logging
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import geopandas
import shapely

from geoseg import __version__
from geoseg.classification.assemble import assemble
from geoseg.classification.chunk import classify_chunk
from geoseg.classification.fit import check_values, choose_bands, pixel_size_warning
from geoseg.classification.job import Execution, Job, Options
from geoseg.classification.outputs import Outputs
from geoseg.classification.parts import Part, find_part, prepare_folder
from geoseg.errors import InterruptedRun, RunError
from geoseg.execute import cores, free_memory, run_here, run_on_cluster, shard, stop_on_signal
from geoseg.grid import Lattice, Window
from geoseg.model import DEFAULT, Model, Predictor
from geoseg.raster import Scene, describe

log = logging.getLogger("geoseg")

Progress = Callable[[int, int], None]
"""Called with the windows just done and the windows of the whole run."""

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
        InterruptedRun: if stopped by SIGINT or SIGTERM; the same call resumes.
    """
    start = time.perf_counter()
    outputs = Outputs(
        labels=Path(out),
        polygons=Path(polygons) if polygons else None,
        confidence=Path(confidence) if confidence else None,
        probabilities=Path(probabilities) if probabilities else None,
    )
    described = describe(scene, nodata=options.nodata)
    outputs.check(described, overwrite=overwrite)
    loaded = Model.load(model)
    fitted = choose_bands(described, loaded, options.bands)
    check_values(fitted, loaded)
    job = _plan(fitted, loaded, options, execution, outputs)
    resumed = prepare_folder(job, resume=execution.resume)
    _warn(fitted, loaded)
    chunks = job.chunks() if execution.shard is None else shard(job.chunks(), execution.shard)
    missing = [c for c in chunks if find_part(job.parts, c) is None]
    if resumed:
        log.info("resuming: %d of %d chunks are there", len(chunks) - len(missing), len(chunks))
    workers = _workers(job, execution, len(missing))
    _announce(job, missing, workers)
    _compute(job, missing, workers, execution.scheduler, progress)
    if execution.shard is not None:
        log.info("shard %d/%d is done, run without --shard to assemble", *execution.shard)
        return None
    computed = time.perf_counter()
    about = _about(job, loaded, execution, outputs, workers)
    about["seconds"] = {"classify": round(computed - start, 3)}
    report = assemble(job, outputs, about)
    shutil.rmtree(outputs.parts, ignore_errors=True)
    log.info("assembled in %.1f s", time.perf_counter() - computed)
    return report


def _plan(
    scene: Scene, model: Model, options: Options, execution: Execution, outputs: Outputs
) -> Job:
    if options.overlap >= model.spec.window:
        raise RunError(
            f"overlap {options.overlap} is not smaller than the model's window of "
            f"{model.spec.window} px"
        )
    probe = Predictor(
        model, device=execution.device, precision=options.precision,
        batch_size=execution.batch_size,
    )  # fmt: skip
    chunk = execution.chunk or default_chunk(scene.height, scene.width)
    cleaning = options.cleaning
    cleaning.limit(scene.affine, scene.crs, scene.height)
    later = outputs.polygons is not None and bool(cleaning.min_area or cleaning.simplify)
    size = model.spec.window
    job = Job(
        scene=scene,
        lattice=Lattice(scene.height, scene.width, size, size - options.overlap),
        chunk=chunk,
        model=str(model.path),
        model_hash=model.hash,
        legend=model.legend,
        options=options,
        precision=probe.precision,
        device=str(probe.device),
        batch_size=probe.batch_size,
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
        Path(job.scene.path).name, job.scene.height, job.scene.width,
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
    job: Job, chunks: list[Window], workers: int, scheduler: str | None, progress: Progress | None
) -> None:
    total = sum(job.lattice.count(chunk) for chunk in chunks)
    report = progress or (lambda done, total: None)
    if scheduler is not None:

        def done(part: Part) -> None:
            chunk = next(c for c in chunks if (c.row, c.col) == (part.row, part.col))
            report(job.lattice.count(chunk), total)

        run_on_cluster(partial(classify_chunk, job), chunks, scheduler, done)
        return
    with stop_on_signal() as stop:

        def tick(windows: int) -> None:
            if stop.is_set():
                raise InterruptedRun(
                    "interrupted, finished chunks are kept, run the same command to go on"
                )
            report(windows, total)

        run_here(partial(classify_chunk, job, tick=tick), chunks, workers)


def _about(
    job: Job, model: Model, execution: Execution, outputs: Outputs, workers: int
) -> dict[str, Any]:
    return {
        "geoseg": __version__,
        "python": platform.python_version(),
        "scene": job.scene.to_dict(),
        "model": {"path": model.path, "hash": model.hash, "bands": list(model.band_names)},
        "options": {**asdict(job.options), "precision": job.precision},
        "execution": {
            **asdict(execution), "device": job.device, "batch_size": job.batch_size,
            "chunk": job.chunk, "workers": workers,
        },
        "outputs": [path.name for path in outputs.asked()],
    }  # fmt: skip
