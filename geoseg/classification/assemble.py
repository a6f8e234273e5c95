"""Assemble the finished parts of a run into the files of the map."""

import json
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from geoseg.classification.job import Job
from geoseg.classification.plan import PlannedRun
from geoseg.classification.report import ClassifyReport, ClassStatistics
from geoseg.classification.run_folder.parts import read_part, read_part_window
from geoseg.errors import InterruptedRun, redact
from geoseg.execute import StopFlag, available_cpus, prefetch_map
from geoseg.files import replace_durably, temporary_path, translate_write_errors
from geoseg.geodesy import pixel_areas
from geoseg.grid import Window
from geoseg.legend import NODATA
from geoseg.metrics import class_row_counts
from geoseg.polygons import (
    ChunkOutlines,
    FeatureBuilder,
    MapFunction,
    PolygonArrays,
    polygonise_windows,
    sieve,
    stitch_chunks,
    vector_windows,
    write_polygons,
)
from geoseg.raster import RasterProfile, pam_sidecar, write_cog
from geoseg.styles.qgis import raster_qml

log = logging.getLogger("geoseg")

T = TypeVar("T")


def assemble(run: PlannedRun, report: ClassifyReport, stop: StopFlag) -> ClassifyReport:
    """Write all outputs in the run folder, then rename them to their names.

    Args:
        run: a run whose chunks are all finished.
        report: the report without the classes.
        stop: checked from window to window.

    Returns:
        The report as written.

    Raises:
        InterruptedRun: if a stop is requested, or a part is damaged: the same command computes it
            again.
        OutputError: if an output cannot be written.
    """
    staging = temporary_path(run.outputs.parts / "assembled")
    with translate_write_errors(staging):
        staging.mkdir()
    try:
        staged = {
            path: staging / f"{n}-{path.name}" for n, path in enumerate(run.outputs.requested())
        }
        counts = _write_rasters_and_polygons(run, staged, stop)
        report = replace(report, **_class_report(run.job, counts))
        _write_texts(run, report, counts, staged, staging)
        # The labels come last: with them the map is complete.
        for path in sorted(staged, key=lambda path: path == run.outputs.labels):
            with translate_write_errors(path):
                replace_durably(staged[path], path)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return report


def _write_rasters_and_polygons(
    run: PlannedRun, staged: dict[Path, Path], stop: StopFlag
) -> NDArray[np.int64]:
    """Write rasters and polygons, each in a thread of its own.

    Returns:
        (height, classes): the pixels of each class in each row.
    """
    job, outputs = run.job, run.outputs
    counts = np.zeros((job.scene.height, len(job.legend)), np.int64)
    with prefetch_map(available_cpus()) as map_fn:
        clean = _clean_windows(run, map_fn)
        labels = _until_stopped(stop, _label_windows(job, clean, counts))
        threads = available_cpus()
        tasks: list[Callable[[], object]] = [
            lambda: write_cog(staged[outputs.labels], _label_profile(job), labels, threads=threads)
        ]
        for name, path in (
            ("confidence", outputs.confidence), ("probabilities", outputs.probabilities),
        ):  # fmt: skip
            if path is not None:
                tasks.append(_raster_task(job, staged[path], name, stop))
        if outputs.polygons is not None:
            polygons = (
                _polygons_from_parts(job, map_fn)
                if job.polygons
                else _polygons_from_labels(job, clean, map_fn)
            )
            check = partial(_check_stop, stop)
            tasks.append(_polygon_task(job, outputs.polygons, staged, polygons, map_fn, check))
        with ThreadPoolExecutor(max_workers=len(tasks)) as pool:
            for future in [pool.submit(task) for task in tasks]:
                future.result()
    return counts


def _write_texts(
    run: PlannedRun,
    report: ClassifyReport,
    counts: NDArray[np.int64],
    staged: dict[Path, Path],
    staging: Path,
) -> None:
    """Write the sidecar, the style and the report, and add them to the staged files."""
    job, outputs = run.job, run.outputs
    if not counts.any():
        log.warning(
            "no pixel of %s is valid, so the map is empty: check the bands, the nodata value and "
            "the mask of the scene with `geoseg info`, and the area of interest",
            redact(job.scene.path),
        )
    texts = {
        outputs.sidecar: pam_sidecar(job.legend, counts.sum(0).tolist()),
        outputs.style: raster_qml(job.legend),
        outputs.report: json.dumps(report.to_dict(), indent=2) + "\n",
    }
    for number, (path, text) in enumerate(texts.items()):
        staged[path] = staging / f"text-{number}"
        with translate_write_errors(path):
            staged[path].write_text(text, encoding="utf-8")


def _until_stopped(stop: StopFlag, items: Iterable[T]) -> Iterator[T]:
    """Yield the same items, until a stop is requested."""
    for item in items:
        _check_stop(stop)
        yield item


def _check_stop(stop: StopFlag) -> None:
    if stop.is_set():
        raise InterruptedRun(
            "interrupted while assembling, all chunks are kept, run the same command to go on"
        )


CleanedWindows = Callable[[Window, NDArray[np.uint8]], NDArray[np.uint8]]


def _clean_windows(run: PlannedRun, map_fn: MapFunction) -> CleanedWindows | None:
    """A function that merges small components of a window into neighbours; None if none are."""
    job, threshold = run.job, run.prepared.sieve_threshold
    if threshold is None:
        return None
    windows = vector_windows(job.scene.height, job.scene.width)
    return sieve(
        lambda window: read_part_window(job, window, "labels"), windows, threshold, NODATA, map_fn
    )


def _label_windows(
    job: Job, clean: CleanedWindows | None, counts: NDArray[np.int64]
) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    """Yield windows of labels; add the pixels of each class to ``counts`` (height, classes)."""
    for window in vector_windows(job.scene.height, job.scene.width) if clean else job.chunks():
        labels = read_part_window(job, window, "labels")
        if clean:
            labels = clean(window, labels)
        counts[window.slices[0]] += class_row_counts(labels, job.legend.values)
        yield window, labels[None]


def _raster_task(job: Job, path: Path, name: str, stop: StopFlag) -> Callable[[], object]:
    names = job.legend.names if name == "probabilities" else ("confidence",)
    profile = RasterProfile(
        job.scene.height, job.scene.width, len(names), job.scene.transform, job.scene.crs,
        nodata=0 if name == "confidence" else None, names=names, tags=job.tags(),
    )  # fmt: skip

    def windows() -> Iterator[tuple[Window, NDArray[np.uint8]]]:
        for chunk in job.chunks():
            pixels = read_part(job, chunk)[name]
            yield chunk, pixels.reshape(len(names), chunk.height, chunk.width)

    return lambda: write_cog(
        path, profile, _until_stopped(stop, windows()), threads=available_cpus()
    )


def _polygons_from_parts(job: Job, map_fn: MapFunction) -> Iterator[PolygonArrays]:
    """Stitch the outlines in the parts."""

    def outlines(chunk: Window) -> ChunkOutlines:
        return ChunkOutlines.from_arrays(chunk, read_part(job, chunk))

    return stitch_chunks(map_fn(outlines, job.chunks()), job.scene.height, job.scene.width)


def _polygons_from_labels(
    job: Job, clean: CleanedWindows | None, map_fn: MapFunction
) -> Iterator[PolygonArrays]:
    """Trace the cleaned labels."""

    def read_labels(window: Window) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        labels = read_part_window(job, window, "labels")
        if clean:
            labels = clean(window, labels)
        return labels, read_part_window(job, window, "confidence")

    tolerance = job.settings.cleaning.simplify
    return polygonise_windows(
        read_labels, job.scene.height, job.scene.width, tolerance=tolerance, map_fn=map_fn
    )


def _polygon_task(
    job: Job,
    path: Path,
    staged: dict[Path, Path],
    polygons: Iterator[PolygonArrays],
    map_fn: MapFunction,
    check_stop: Callable[[], None],
) -> Callable[[], object]:
    cleaning = job.settings.cleaning
    builder = FeatureBuilder(
        job.legend, job.scene.affine, job.scene.crs, (job.scene.height, job.scene.width),
        simplified=cleaning.simplify > 0, smooth=cleaning.smooth,
    )  # fmt: skip
    return lambda: write_polygons(
        staged[path], polygons, builder, final=path, map_fn=map_fn, check_stop=check_stop
    )


def _label_profile(job: Job) -> RasterProfile:
    return RasterProfile(
        job.scene.height, job.scene.width, 1, job.scene.transform, job.scene.crs,
        nodata=NODATA, names=("land cover",), tags=job.tags(), overviews="mode",
        colormap={c.value: c.rgb for c in job.legend.classes},
    )  # fmt: skip


def _class_report(job: Job, counts: NDArray[np.int64]) -> dict[str, Any]:
    """Pixels and true area of each class, and the number of nodata pixels."""
    height = job.scene.height
    row_areas = pixel_areas(job.scene.affine, job.scene.crs, np.arange(height))
    pixels, areas = counts.sum(0), counts.T @ row_areas
    classes = tuple(
        ClassStatistics(
            value=c.value, name=c.name, color=c.color, pixels=int(n),
            area_m2=round(float(area), 3) if np.isfinite(area) else None,
        )
        for c, n, area in zip(job.legend.classes, pixels, areas, strict=True)
    )  # fmt: skip
    return {"classes": classes, "nodata_pixels": int(height * job.scene.width - pixels.sum())}
