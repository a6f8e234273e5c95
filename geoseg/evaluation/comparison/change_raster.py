"""Write change.tif, its names and colours, and its polygons."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoseg.evaluation.comparison.changes import ChangeTable
from geoseg.evaluation.comparison.maps import MapPair
from geoseg.evaluation.comparison.settings import CHANGE_RASTER
from geoseg.execute import Progress, ProgressCounter, prefetch_map
from geoseg.files import write_texts
from geoseg.grid import Window, chunks
from geoseg.labels import open_class_raster
from geoseg.legend import NODATA, Legend
from geoseg.polygons import FeatureBuilder, polygonise_windows, vector_windows, write_polygons
from geoseg.raster import RasterProfile, write_cog
from geoseg.styles.gdal_pam import pam_sidecar
from geoseg.styles.qgis import raster_qml
from geoseg.version import __version__

log = logging.getLogger("geoseg")

CHANGE_POLYGONS = "change.gpkg"
_WINDOW = 2048
"""Side of the windows in which the raster is written (px)."""


def write_change_raster(
    folder: Path,
    maps: MapPair,
    table: ChangeTable,
    pixels: NDArray[np.int64],
    *,
    changed_only: bool,
    workers: int,
    progress: Progress | None,
) -> None:
    """Write change.tif with the value of the change of each pixel, its sidecar and its style.

    Args:
        folder: where the files are written.
        maps: both maps.
        table: values of the changes.
        pixels: (changes,) number of pixels of each change.
        changed_only: whether pixels of the same class in both maps are nodata.
        workers: number of windows that are read at the same time.
        progress: called as windows are done.

    Raises:
        GeosegError: if a map cannot be read, or the files cannot be written.
    """
    scene, legend = maps.scene, table.legend(changed_only=changed_only)
    kept = np.full(NODATA + 1, NODATA, np.uint8)
    kept[list(legend.values)] = legend.values
    codes = kept[table.codes]
    windows = list(chunks(scene.height, scene.width, _WINDOW))
    windows_done = ProgressCounter(progress, "windows", len(windows))

    def read(window: Window) -> tuple[Window, NDArray[np.uint8]]:
        return window, codes[maps.a.read(window), maps.b.read(window)][None]

    def counted(
        parts: Iterator[tuple[Window, NDArray[np.uint8]]],
    ) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
        for part in parts:
            yield part
            windows_done.add()

    profile = RasterProfile(
        scene.height, scene.width, 1, scene.transform, scene.crs, nodata=NODATA,
        colormap={c.value: c.rgb for c in legend.classes}, tags={"GEOSEG_VERSION": __version__},
        overviews="mode",
    )  # fmt: skip
    with prefetch_map(workers) as map_fn:
        write_cog(folder / CHANGE_RASTER, profile, counted(map_fn(read, windows)), threads=workers)
    pixels_by_value = dict(zip((c.value for c in table.changes), pixels.tolist(), strict=True))
    texts = {
        f"{CHANGE_RASTER}.aux.xml": pam_sidecar(
            legend, [pixels_by_value[value] for value in legend.values]
        ),
        "change.qml": raster_qml(legend),
    }
    write_texts(folder, texts)


def write_change_polygons(
    folder: Path, legend: Legend, *, workers: int, progress: Progress | None
) -> int:
    """Write the polygons of change.tif as a coverage to change.gpkg.

    Args:
        folder: folder of change.tif.
        legend: of change.tif.
        workers: number of threads.
        progress: called as windows are done.

    Returns:
        Number of polygons.

    Raises:
        GeosegError: if they cannot be written.
    """
    raster = open_class_raster(folder / CHANGE_RASTER, legend=legend)
    scene = raster.scene
    if scene.crs is None:
        log.warning("the maps have no CRS, so the polygons have no CRS and no areas")
    windows_done = ProgressCounter(
        progress, "windows", len(vector_windows(scene.height, scene.width))
    )

    def read(window: Window) -> tuple[NDArray[np.uint8], None]:
        labels = raster.read(window)
        windows_done.add()
        return labels, None

    builder = FeatureBuilder(
        legend, scene.affine, scene.crs, (scene.height, scene.width), has_confidence=False
    )
    with prefetch_map(workers) as map_fn:
        polygons = polygonise_windows(read, scene.height, scene.width, map_fn=map_fn)
        return write_polygons(folder / CHANGE_POLYGONS, polygons, builder, map_fn=map_fn)
