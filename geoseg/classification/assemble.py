"""Assemble the finished parts of a run into the files of the map."""

import itertools
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
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
from geoseg.errors import redact
from geoseg.execute import StopFlag, available_cpus, prefetch_map
from geoseg.files import json_text, replace_durably, temporary_path, translate_write_errors
from geoseg.geodesy import pixel_areas
from geoseg.grid import Window
from geoseg.legend import NODATA
from geoseg.metrics import class_row_counts
from geoseg.polygons import (
    ChunkOutlines,
    FeatureBuilder,
    MapFunction,
    polygonise_windows,
    sieve,
    stitch_chunks,
    vector_windows,
    write_polygons,
)
from geoseg.raster import RasterProfile, write_cog
from geoseg.styles.gdal_pam import pam_sidecar
from geoseg.styles.qgis import raster_qml

log = logging.getLogger("geoseg")

T = TypeVar("T")

_INTERRUPTED = " while assembling, all chunks are kept"


def assemble(run: PlannedRun, report: ClassifyReport, stop: StopFlag) -> ClassifyReport:
    """Write all outputs in the run folder, then rename them to their names.

    Args:
        run: a run whose chunks are all finished.
        report: the report without the classes.
        stop: checked from window to window.

    Returns:
        The report with the classes.

    Raises:
        InterruptedRun: if a stop is requested, or a part is damaged: the same command computes it
            again.
        OutputError: if an output cannot be written.
    """
    with _staging(run.outputs.run_folder) as place:
        staged = {path: place(path) for path in run.outputs.requested()}
        counts = _write_rasters_and_polygons(run, staged, stop)
        report = replace(report, **_class_report(run.job, counts))
        _write_texts(run, report, counts, staged, place)
        # The labels come last: with them the map is complete.
        for path in sorted(staged, key=lambda path: path == run.outputs.labels):
            with translate_write_errors(path):
                replace_durably(staged[path], path)
    return report


@contextmanager
def _staging(run_folder: Path) -> Iterator[Callable[[Path], Path]]:
    """Yield a function that returns where an output is written until it is renamed.

    That is in the run folder; or beside an output on another file system, because a rename does not
    move files between file systems.
    """
    folders = dict[int, Path]()  # by file system
    numbers = itertools.count()

    def place(path: Path) -> Path:
        with translate_write_errors(path):
            file_system = path.parent.stat().st_dev
            if file_system not in folders:
                folders[file_system] = temporary_path(path)
                folders[file_system].mkdir()
        return folders[file_system] / f"{next(numbers)}-{path.name}"

    try:
        place(run_folder / "assembled")
        yield place
    finally:
        for folder in folders.values():
            shutil.rmtree(folder, ignore_errors=True)


def _write_rasters_and_polygons(
    run: PlannedRun, staged: dict[Path, Path], stop: StopFlag
) -> NDArray[np.int64]:
    """Write every raster, and the polygons, in a thread of its own.

    Returns:
        (height, classes): the pixels of every class in every row.
    """
    job, outputs, threads = run.job, run.outputs, available_cpus()
    counts = np.zeros((job.scene.height, len(job.legend)), np.int64)
    with prefetch_map(threads) as map_fn, ThreadPoolExecutor() as pool:
        read_labels = _label_reader(run, map_fn, stop)
        labels = _until_stopped(stop, _label_windows(run, read_labels, counts))
        path, profile = staged[outputs.labels], _label_profile(job)
        write = partial(write_cog, creation_options=job.settings.creation_options, threads=threads)
        tasks: list[Future[Any]] = [pool.submit(write, path, profile, labels)]
        for name, final in (
            ("confidence", outputs.confidence), ("probabilities", outputs.probabilities),
            ("uncertainty", outputs.uncertainty),
        ):  # fmt: skip
            if final is not None:
                tasks.append(pool.submit(_write_scores, job, staged[final], name, stop))
        if outputs.polygons is not None:
            tasks.append(
                pool.submit(
                    _write_polygons, job, outputs.polygons, staged, read_labels, map_fn, stop
                )
            )
        for task in tasks:
            task.result()
    return counts


def _write_texts(
    run: PlannedRun,
    report: ClassifyReport,
    counts: NDArray[np.int64],
    staged: dict[Path, Path],
    place: Callable[[Path], Path],
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
        outputs.report: json_text(report.to_dict()) + "\n",
    }
    for path, text in texts.items():
        staged[path] = place(path)
        with translate_write_errors(path):
            staged[path].write_text(text, encoding="utf-8")


def _until_stopped(stop: StopFlag, items: Iterable[T]) -> Iterator[T]:
    """Yield the same items, until a stop is requested."""
    for item in items:
        stop.check(_INTERRUPTED)
        yield item


LabelReader = Callable[[Window], NDArray[np.uint8]]


def _label_reader(run: PlannedRun, map_fn: MapFunction, stop: StopFlag) -> LabelReader:
    """Return a function that reads labels, with components that are too small merged."""
    job, threshold = run.job, run.prepared.sieve_threshold

    def read(window: Window) -> NDArray[np.uint8]:
        stop.check(_INTERRUPTED)
        return read_part_window(job, window, "labels")

    if threshold is None:
        return read
    return sieve(read, vector_windows(job.scene.height, job.scene.width), threshold, NODATA, map_fn)


def _label_windows(
    run: PlannedRun, read_labels: LabelReader, counts: NDArray[np.int64]
) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    """Yield windows of labels; add the pixels per row and class to ``counts`` (height, classes)."""
    job, uncleaned = run.job, run.prepared.sieve_threshold is None
    size = (job.scene.height, job.scene.width)
    for window in job.chunks() if uncleaned else vector_windows(*size):
        labels = read_labels(window)
        counts[window.slices[0]] += class_row_counts(labels, job.legend.values)
        yield window, labels[None]


def _write_scores(job: Job, path: Path, name: str, stop: StopFlag) -> None:
    """Write the confidence, the probabilities or the uncertainty, which parts hold by ``name``."""
    names = job.legend.names if name == "probabilities" else (name,)
    profile = RasterProfile(
        job.scene.height, job.scene.width, len(names), job.scene.transform, job.scene.crs,
        nodata=None if name == "probabilities" else 0, names=names, tags=job.tags(),
    )  # fmt: skip
    windows = (
        (chunk, read_part(job, chunk)[name].reshape(len(names), chunk.height, chunk.width))
        for chunk in job.chunks()
    )
    write_cog(
        path, profile, _until_stopped(stop, windows),
        creation_options=job.settings.creation_options, threads=available_cpus(),
    )  # fmt: skip


def _write_polygons(
    job: Job,
    final: Path,
    staged: dict[Path, Path],
    read_labels: LabelReader,
    map_fn: MapFunction,
    stop: StopFlag,
) -> None:
    """Stitch the outlines in the parts, or else trace the labels, and write the polygons."""
    cleaning, size = job.settings.cleaning, (job.scene.height, job.scene.width)

    def read_outlines(chunk: Window) -> ChunkOutlines:
        return ChunkOutlines.from_arrays(chunk, read_part(job, chunk))

    def read_both(window: Window) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        return read_labels(window), read_part_window(job, window, "confidence")

    polygons = (
        stitch_chunks(map_fn(read_outlines, job.chunks()), *size)
        if job.with_outlines
        else polygonise_windows(read_both, *size, tolerance=cleaning.simplify, map_fn=map_fn)
    )
    builder = FeatureBuilder(
        job.legend, job.scene.affine, job.scene.crs, size,
        simplified=cleaning.simplify > 0, smooth=cleaning.smooth,
    )  # fmt: skip
    check_stop = partial(stop.check, _INTERRUPTED)
    write_polygons(
        staged[final], polygons, builder, final=final, map_fn=map_fn, check_stop=check_stop
    )


def _label_profile(job: Job) -> RasterProfile:
    return RasterProfile(
        job.scene.height, job.scene.width, 1, job.scene.transform, job.scene.crs,
        nodata=NODATA, names=("land cover",), tags=job.tags(), overviews="mode",
        colormap={c.value: c.rgb for c in job.legend.classes},
    )  # fmt: skip


def _class_report(job: Job, counts: NDArray[np.int64]) -> dict[str, Any]:
    """Return pixels and area of each class, and the number of nodata pixels."""
    height, width = job.scene.height, job.scene.width
    row_areas = pixel_areas(job.scene.affine, job.scene.crs, np.arange(height), width)
    pixels, areas = counts.sum(0), counts.T @ row_areas
    classes = tuple(
        ClassStatistics(
            value=c.value, name=c.name, color=c.color, pixels=int(n),
            area_m2=round(float(area), 3) if np.isfinite(area) else None,
        )
        for c, n, area in zip(job.legend.classes, pixels, areas, strict=True)
    )  # fmt: skip
    return {"classes": classes, "nodata_pixels": int(height * width - pixels.sum())}
