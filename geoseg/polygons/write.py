"""Polygons to a file, in one pass and in bounded memory: the format is the extension's."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from geoseg.errors import OutputError
from geoseg.polygons.geoparquet import write_geoparquet
from geoseg.polygons.pmtiles import check_tippecanoe, to_pmtiles
from geoseg.polygons.rings import Polygons
from geoseg.polygons.style import add_style
from geoseg.polygons.table import Features, Frame, regroup

_DRIVERS = {
    ".gpkg": "GPKG",
    ".parquet": "Parquet",
    ".fgb": "FlatGeobuf",
    ".geojson": "GeoJSON",
    ".pmtiles": "PMTiles",
}
_LON_LAT = "EPSG:4326"
_IN_LON_LAT = ("GeoJSON", "PMTiles")


def check_extension(path: str | Path) -> str:
    """Name of the format of a polygon file.

    Raises:
        OutputError: if the extension is unknown, or its writer is not installed.
    """
    driver = _DRIVERS.get(Path(path).suffix.lower())
    if driver is None:
        raise OutputError(
            f"{path} is no polygon file geoseg can write, "
            f"give it one of the extensions {', '.join(_DRIVERS)}"
        )
    if driver == "PMTiles":
        check_tippecanoe(path)
    return driver


def check_place(path: str | Path, crs: str | None) -> None:
    """Refuse formats that need longitude and latitude, for a map without a CRS.

    Raises:
        OutputError: if that is so.
    """
    if crs is None and check_extension(path) in _IN_LON_LAT:
        raise OutputError(
            f"{path} would need longitude and latitude, but the map has no CRS: "
            "write .gpkg instead, or assign a CRS (gdal_edit -a_srs)"
        )


def write_polygons(
    path: str | Path,
    batches: Iterable[Polygons],
    frame: Frame,
    *,
    layer: str | None = None,
    each: Callable[..., Iterable[Any]] = map,
) -> int:
    """Write polygons with their class, area, perimeter, pixels and confidence.

    The same polygons give the same bytes (but for .pmtiles). A file at ``path`` is replaced; what
    is left there after an error is not complete, so write beside the final name and rename.

    Args:
        path: .gpkg, .parquet (GeoParquet 1.1), .fgb, or in longitude and latitude .geojson or
            .pmtiles.
        batches: polygons in pixel coordinates, read once.
        frame: what they are on the ground.
        layer: name of the layer; the file's stem if None.
        each: a map that keeps the order, and may work ahead.

    Returns:
        How many features were written.

    Raises:
        OutputError: if the extension is unknown, the file cannot be written, or is not complete;
            or for longitude and latitude without a CRS.
        LabelError: if the legend lacks a class of the polygons.
    """
    # It brings pandas, half a second that a map without polygons and most workers do without.
    from geoseg.polygons.ogr import count_ogr, write_ogr

    path = Path(path)
    driver = check_extension(path)
    check_place(path, frame.crs)
    layer = layer or path.stem
    target = _LON_LAT if driver in _IN_LON_LAT else None
    make = partial(frame.features, ground=frame.ground(), target=target)
    source = _Source(each(make, regroup(batches)))
    found = 0
    try:
        path.unlink(missing_ok=True)
        if driver == "Parquet":
            write_geoparquet(path, source, frame.crs)
            found = int(pq.read_metadata(path).num_rows)
        elif driver == "PMTiles":
            beside = path.with_name(f"{path.name}.fgb")
            try:
                write_ogr(beside, source.rows(), "FlatGeobuf", layer, target)
                found = count_ogr(beside, "FlatGeobuf", layer)
                to_pmtiles(beside, path, layer)
            finally:
                beside.unlink(missing_ok=True)
        else:
            write_ogr(path, source.rows(), driver, layer, target or frame.crs)
            if driver == "GPKG":
                add_style(path, layer, frame.legend.only(source.classes))
            found = count_ogr(path, driver, layer)
    except (OSError, RuntimeError, ValueError, pa.ArrowException, sqlite3.Error) as error:
        if source.failure is None:
            raise OutputError(
                f"{path} cannot be written ({error}), check its folder, its rights and the disk"
            ) from error
    if source.failure is not None:
        raise source.failure
    if found != source.written:
        raise OutputError(f"{path} has {found} of {source.written} polygons, is the disk full?")
    return source.written


class _Source:
    """Features batch by batch; keeps their count and what stopped them.

    GDAL reads through a C interface in which an exception would lose its type.
    """

    def __init__(self, batches: Iterable[Features]) -> None:
        self._batches = batches
        self.written = 0
        self.classes: set[int] = set()
        self.failure: BaseException | None = None

    def __iter__(self) -> Iterator[Features]:
        try:
            for features in self._batches:
                self.written += features.rows.num_rows
                self.classes |= set(features.rows["class_id"].unique().to_pylist())
                yield features
        except GeneratorExit:
            raise
        except BaseException as error:
            self.failure = error
            raise

    def rows(self) -> Iterator[pa.RecordBatch]:
        """The same, without what the table does not hold."""
        return (features.rows for features in self)
