"""A class raster in, land-cover polygons out."""

import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import InterruptedRun, SceneError
from geoseg.execute import Progress, ProgressCounter, available_cpus, prefetch_map, stop_on_signal
from geoseg.files import check_file_name, check_not_there, output_lock, translate_write_errors
from geoseg.grid import Window
from geoseg.labels import open_class_raster
from geoseg.polygons import (
    Cleaning,
    FeatureBuilder,
    check_format_fits,
    polygonise_windows,
    sieve,
    vector_windows,
    write_polygons,
)
from geoseg.raster import Scene, open_scene, read_window

log = logging.getLogger("geoseg")


def vectorise(  # noqa: PLR0913 - one call, all but two by name
    labels: str | Path,
    out: str | Path,
    *,
    legend: str | Path | None = None,
    confidence: str | Path | None = None,
    nodata: float | None = None,
    cleaning: Cleaning = Cleaning(),
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> int:
    """Write the polygons of a class raster of any size, as one valid coverage.

    Args:
        labels: anything GDAL opens, one band of integers 0 to 255; geoseg's own map or another.
        out: .gpkg, .parquet, .fgb, .geojson or .pmtiles.
        legend: names and colours; None for those in the raster and beside it.
        confidence: raster of the same grid, one band of bytes, as `classify` writes it.
        nodata: value without polygons; overrides the raster's own.
        cleaning: of the polygons; the raster stays as it is.
        workers: cells at a time; None for as many as there are processors.
        overwrite: replace ``out``.
        progress: called as chunks are done, see `geoseg.execute.Progress`.

    Returns:
        How many polygons were written.

    Raises:
        GeosegError: in one sentence, whatever is wrong.
        InterruptedRun: if stopped by SIGINT, SIGTERM or SIGUSR1, or if another run writes ``out``;
            nothing was written, the same call starts again.
    """
    start = time.perf_counter()
    out = Path(out)
    classes = open_class_raster(labels, legend=legend, nodata=nodata)
    scene = classes.scene
    _check(out, scene, overwrite=overwrite)
    scores = None if confidence is None else _matching(confidence, scene)
    limit = cleaning.limit(scene.affine, scene.crs, scene.height)
    if scene.crs is None:
        log.warning("%s has no CRS: the polygons have none either, nor areas", scene.path)
    grid = vector_windows(scene.height, scene.width)
    chunks_done = ProgressCounter(progress, "chunks", len(grid) * (2 if limit else 1))
    frame = FeatureBuilder(
        classes.legend, scene.affine, scene.crs, (scene.height, scene.width),
        confidence=scores is not None, straight=not cleaning.simplify,
        smooth=cleaning.smooth,
    )  # fmt: skip
    with (
        stop_on_signal() as stop,
        _temporary_folder(out) as folder,
        prefetch_map(workers or available_cpus()) as each,
    ):

        def check_stop() -> None:
            if stop.is_set():
                raise InterruptedRun(
                    "interrupted, nothing was written, run the same command to start again"
                )

        def labels_of(cell: Window) -> NDArray[np.uint8]:
            check_stop()
            chunks_done.add()
            return classes.read(cell)

        clean = sieve(labels_of, grid, limit, classes.nodata, each) if limit else None

        def look(cell: Window) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
            found = labels_of(cell)
            beside = None if scores is None else read_window(scores, cell)[0][0]
            return (clean(cell, found) if clean else found), beside

        polygons = polygonise_windows(
            look, scene.height, scene.width,
            nodata=classes.nodata, tolerance=cleaning.simplify, each=each,
        )  # fmt: skip
        count = write_polygons(
            folder / out.name, polygons, frame, final=out, each=each, check_stop=check_stop
        )
        with translate_write_errors(out):
            (folder / out.name).replace(out)
    log.info("%s: %s polygons in %.1f s", out, f"{count:,}", time.perf_counter() - start)
    return count


@contextmanager
def _temporary_folder(out: Path) -> Iterator[Path]:
    """A folder beside the output for this run alone; what a killed run left in it is deleted.

    Raises:
        InterruptedRun: if another run writes the same output.
        OutputError: if the folder cannot be made.
    """
    folder = out.with_name(f".{out.name}.tmp")
    with output_lock(out.with_name(f".{out.name}.lock"), out, "vectorise"):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            with translate_write_errors(folder):
                folder.mkdir()
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _check(out: Path, scene: Scene, *, overwrite: bool) -> None:
    """Refuse early what would fail late."""
    check_format_fits(out, scene.affine, scene.crs, (scene.height, scene.width))
    check_file_name(out)
    check_not_there(out, overwrite=overwrite)


def _matching(path: str | Path, scene: Scene) -> Scene:
    """The confidence of a map, on the same grid."""
    found = open_scene(path)
    if (found.height, found.width, found.transform) != (
        scene.height, scene.width, scene.transform,
    ):  # fmt: skip
        raise SceneError(f"{path} is not on the grid of {scene.path}, give the one written with it")
    if found.dtype != "uint8" or len(found.bands) != 1:
        raise SceneError(f"{path} is not one band of bytes, give the one that classify wrote")
    return found
