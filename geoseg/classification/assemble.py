"""Finished parts to the files of the map."""

import json
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from geoseg.classification.job import Job
from geoseg.classification.outputs import Outputs
from geoseg.classification.run_folder.parts import read_part, read_part_window
from geoseg.errors import InterruptedRun, redact
from geoseg.execute import StopFlag, available_cpus, prefetch_map
from geoseg.files import replace_durably, temporary_path, translate_write_errors
from geoseg.grid import Window
from geoseg.legend import NODATA
from geoseg.metrics import class_row_counts
from geoseg.polygons import (
    ChunkOutlines,
    FeatureBuilder,
    MapFunction,
    PolygonArrays,
    pixel_areas,
    polygonise_windows,
    sieve,
    stitch_chunks,
    vector_windows,
    write_polygons,
)
from geoseg.raster import RasterProfile, pam_sidecar, write_cog

log = logging.getLogger("geoseg")

T = TypeVar("T")


def assemble(job: Job, outputs: Outputs, about: dict[str, Any], stop: StopFlag) -> dict[str, Any]:
    """Write all outputs inside the folder of parts, then rename them to their names.

    Args:
        job: a run whose chunks are all finished.
        outputs: where the files go.
        about: the report so far; classes are added to it.
        stop: looked at from block to block.

    Returns:
        The report as written.

    Raises:
        InterruptedRun: if asked to stop; if a part is damaged: the same run computes it again.
        OutputError: if an output cannot be written.
    """
    staging = temporary_path(outputs.parts / "assembled")
    with translate_write_errors(staging):
        staging.mkdir()
    try:
        return _assemble(job, outputs, about, staging, stop)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _assemble(
    job: Job, outputs: Outputs, about: dict[str, Any], staging: Path, stop: StopFlag
) -> dict[str, Any]:
    staged = {path: staging / f"{n}-{path.name}" for n, path in enumerate(outputs.asked())}
    counts = np.zeros((job.scene.height, len(job.legend)), np.int64)
    with prefetch_map(available_cpus()) as each:
        clean = _clean_windows(job, each)
        labels = _until_stopped(stop, _label_windows(job, clean, counts))
        tasks: list[Callable[[], object]] = [
            lambda: write_cog(
                staged[outputs.labels], _label_profile(job), labels, threads=available_cpus()
            )
        ]
        for name, path in (
            ("confidence", outputs.confidence), ("probabilities", outputs.probabilities),
        ):  # fmt: skip
            if path is not None:
                tasks.append(_raster_task(job, staged[path], name, stop))
        if outputs.polygons is not None:
            polygons = (
                _polygons_from_parts(job, each)
                if job.polygons
                else _polygons_from_labels(job, clean, each)
            )
            check = partial(_check_stop, stop)
            tasks.append(_polygon_task(job, outputs.polygons, staged, polygons, each, check))
        with ThreadPoolExecutor(max_workers=len(tasks)) as pool:
            for future in [pool.submit(task) for task in tasks]:
                future.result()
    if not counts.any():
        log.warning(
            "no pixel of %s is valid, so the map is empty: check the bands, the nodata value and "
            "the mask of the scene with `geoseg info`, and the area of interest",
            redact(job.scene.path),
        )
    report = {**about, **_class_report(job, counts)}
    texts = {
        outputs.sidecar: pam_sidecar(job.legend, counts.sum(0).tolist()),
        outputs.style: job.legend.to_qml(),
        outputs.report: json.dumps(report, indent=2) + "\n",
    }
    for number, (path, text) in enumerate(texts.items()):
        staged[path] = staging / f"text-{number}"
        with translate_write_errors(path):
            staged[path].write_text(text, encoding="utf-8")
    for path in sorted(staged, key=lambda path: path == outputs.labels):
        with translate_write_errors(path):
            replace_durably(staged[path], path)
    return report


def _until_stopped(stop: StopFlag, blocks: Iterable[T]) -> Iterator[T]:
    """The same blocks, until the run is asked to stop."""
    for block in blocks:
        _check_stop(stop)
        yield block


def _check_stop(stop: StopFlag) -> None:
    if stop.is_set():
        raise InterruptedRun(
            "interrupted while assembling, all chunks are kept, run the same command to go on"
        )


CleanedWindows = Callable[[Window, NDArray[np.uint8]], NDArray[np.uint8]]


def _clean_windows(job: Job, each: MapFunction) -> CleanedWindows | None:
    """What gives small areas to their neighbours, cell by cell; None where that is not asked."""
    limit = job.options.cleaning.limit(job.scene.affine, job.scene.crs, job.scene.height)
    if limit is None:
        return None
    grid = vector_windows(job.scene.height, job.scene.width)
    return sieve(lambda cell: read_part_window(job, cell, "labels"), grid, limit, NODATA, each)


def _label_windows(
    job: Job, clean: CleanedWindows | None, counts: NDArray[np.int64]
) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    """Blocks of labels; ``counts`` (height, classes) gets the pixels of each class in each row."""
    for block in vector_windows(job.scene.height, job.scene.width) if clean else job.chunks():
        labels = read_part_window(job, block, "labels")
        if clean:
            labels = clean(block, labels)
        counts[block.slices[0]] += class_row_counts(labels, job.legend.values)
        yield block, labels[None]


def _raster_task(job: Job, path: Path, name: str, stop: StopFlag) -> Callable[[], object]:
    names = job.legend.names if name == "probabilities" else ("confidence",)
    target = RasterProfile(
        job.scene.height, job.scene.width, len(names), job.scene.transform, job.scene.crs,
        nodata=0 if name == "confidence" else None, names=names, tags=job.tags(),
    )  # fmt: skip

    def blocks() -> Iterator[tuple[Window, NDArray[np.uint8]]]:
        for chunk in job.chunks():
            pixels = read_part(job, chunk)[name]
            yield chunk, pixels.reshape(len(names), chunk.height, chunk.width)

    return lambda: write_cog(path, target, _until_stopped(stop, blocks()), threads=available_cpus())


def _polygons_from_parts(job: Job, each: MapFunction) -> Iterator[PolygonArrays]:
    """Polygons of the outlines that the chunks left."""

    def pieces(chunk: Window) -> ChunkOutlines:
        return ChunkOutlines.from_arrays(chunk, read_part(job, chunk))

    return stitch_chunks(each(pieces, job.chunks()), job.scene.height, job.scene.width)


def _polygons_from_labels(
    job: Job, clean: CleanedWindows | None, each: MapFunction
) -> Iterator[PolygonArrays]:
    """Polygons of the cleaned labels."""

    def look(cell: Window) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        labels = read_part_window(job, cell, "labels")
        if clean:
            labels = clean(cell, labels)
        return labels, read_part_window(job, cell, "confidence")

    tolerance = job.options.cleaning.simplify
    return polygonise_windows(
        look, job.scene.height, job.scene.width, tolerance=tolerance, each=each
    )


def _polygon_task(
    job: Job,
    path: Path,
    staged: dict[Path, Path],
    polygons: Iterator[PolygonArrays],
    each: MapFunction,
    check_stop: Callable[[], None],
) -> Callable[[], object]:
    cleaning = job.options.cleaning
    frame = FeatureBuilder(
        job.legend, job.scene.affine, job.scene.crs, (job.scene.height, job.scene.width),
        straight=not cleaning.simplify, smooth=cleaning.smooth,
    )  # fmt: skip
    return lambda: write_polygons(
        staged[path], polygons, frame, final=path, each=each, check_stop=check_stop
    )


def _label_profile(job: Job) -> RasterProfile:
    return RasterProfile(
        job.scene.height, job.scene.width, 1, job.scene.transform, job.scene.crs,
        nodata=NODATA, names=("land cover",), tags=job.tags(), overviews="mode",
        colormap={c.value: c.rgb for c in job.legend.classes},
    )  # fmt: skip


def _class_report(job: Job, counts: NDArray[np.int64]) -> dict[str, Any]:
    """Pixels and true area of each class, from its pixels in each row."""
    height = job.scene.height
    rows = np.arange(height)
    cells = pixel_areas(job.scene.affine, job.scene.crs, rows)
    pixels, area = counts.sum(0), counts.T @ cells
    return {
        "classes": [
            {
                "value": c.value,
                "name": c.name,
                "color": c.color,
                "pixels": int(n),
                "area_m2": round(float(a), 3) if np.isfinite(a) else None,
            }
            for c, n, a in zip(job.legend.classes, pixels, area, strict=True)
        ],
        "nodata_pixels": int(height * job.scene.width - pixels.sum()),
    }
