"""Turn a class raster into land-cover polygons."""

import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import InterruptedRun
from geoseg.execute import Progress, ProgressCounter, available_cpus, prefetch_map, stop_on_signal
from geoseg.files import (
    check_file_name,
    check_not_open,
    check_not_there,
    output_lock,
    translate_write_errors,
)
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
from geoseg.raster import open_scores, read_window

log = logging.getLogger("geoseg")


@dataclass(frozen=True, slots=True)
class VectoriseSettings:
    """What the polygons of a class raster are."""

    nodata: float | None = None
    """Label without polygons, in place of the raster's nodata value; None for that value."""
    cleaning: Cleaning = Cleaning()
    """Merging of small areas, simplifying and smoothing; the raster is not changed."""


@dataclass(frozen=True, slots=True)
class VectoriseReport:
    """What `vectorise` wrote."""

    path: str
    """The polygon file."""
    polygons: int
    """Number of polygons."""
    seconds: float
    """Wall time (s)."""

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data, for JSON."""
        return asdict(self)


def vectorise(
    lulc: str | Path,
    out: str | Path,
    *,
    legend: str | Path | None = None,
    confidence: str | Path | None = None,
    settings: VectoriseSettings = VectoriseSettings(),
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> VectoriseReport:
    """Write the polygons of a class raster of any size, as a valid coverage.

    Args:
        lulc: class raster that GDAL opens: one band of whole numbers, 0 to 255.
        out: file to write: .gpkg, .parquet, .fgb, .geojson or .pmtiles.
        legend: file with class names and colours; None for those in the raster and its sidecars.
        confidence: confidence raster of ``lulc``, as `classify` writes it; None if unknown.
        settings: what the polygons are.
        workers: number of threads, at least 1; None for the number of processors.
        overwrite: replace ``out``.
        progress: called as windows are done, see `geoseg.execute.Progress`.

    Raises:
        GeosegError: if an input cannot be used or the output cannot be written.
        InterruptedRun: if it is stopped by SIGINT, SIGTERM or SIGUSR1, or another run writes
            ``out``. Nothing is written; the same call starts again.
    """
    start = time.perf_counter()
    out = Path(out)
    cleaning = settings.cleaning
    check_file_name(out)
    check_not_there(out, overwrite=overwrite, inputs=[lulc, legend, confidence])
    classes = open_class_raster(lulc, legend=legend, nodata=settings.nodata)
    scene = classes.scene
    check_format_fits(out, scene.affine, scene.crs, (scene.height, scene.width))
    confidence_scene = None if confidence is None else open_scores(confidence, "confidence", scene)
    threshold = cleaning.sieve_threshold(scene.affine, scene.crs, scene.height, scene.width)
    if scene.crs is None:
        log.warning("%s has no CRS, so its polygons have no CRS and no areas", scene.path)
    windows = vector_windows(scene.height, scene.width)
    windows_done = ProgressCounter(progress, "windows", len(windows) * (2 if threshold else 1))
    builder = FeatureBuilder(
        classes.legend, scene.affine, scene.crs, (scene.height, scene.width),
        has_confidence=confidence_scene is not None, simplified=cleaning.simplify > 0,
        smooth=cleaning.smooth, path=scene.path,
    )  # fmt: skip
    with (
        stop_on_signal() as stop,
        _temporary_folder(out) as folder,
        prefetch_map(workers or available_cpus()) as map_fn,
    ):

        def check_stop() -> None:
            if stop.is_set():
                raise InterruptedRun(
                    "interrupted, nothing was written, run the same command to start again"
                )

        def read_labels(window: Window) -> NDArray[np.uint8]:
            check_stop()
            windows_done.add()
            return classes.read(window)

        read_clean = (
            sieve(read_labels, windows, threshold, classes.nodata, map_fn)
            if threshold
            else read_labels
        )

        def read(window: Window) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
            pixels = read_clean(window)
            if confidence_scene is None:
                return pixels, None
            return pixels, read_window(confidence_scene, window)[0][0]

        polygons = polygonise_windows(
            read, scene.height, scene.width,
            nodata=classes.nodata, tolerance=cleaning.simplify, map_fn=map_fn,
        )  # fmt: skip
        count = write_polygons(
            folder / out.name, polygons, builder, final=out, map_fn=map_fn, check_stop=check_stop
        )
        check_not_open(out)
        with translate_write_errors(out):
            (folder / out.name).replace(out)
    report = VectoriseReport(str(out), count, time.perf_counter() - start)
    log.info("%s: %s polygons in %.1f s", out, f"{count:,}", report.seconds)
    return report


@contextmanager
def _temporary_folder(out: Path) -> Iterator[Path]:
    """Lock the output, and yield a new folder next to it; delete that of a killed run first.

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
