"""Polygons to a file, in one pass and in bounded memory: the format is the extension's."""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from affine import Affine

from geoseg.errors import OutputError
from geoseg.polygons.arrays import PolygonArrays
from geoseg.polygons.write.features import FeatureBatch, FeatureBuilder, rebatch
from geoseg.polygons.write.geoparquet import write_geoparquet
from geoseg.polygons.write.lonlat import CRS_NAME, LonLat
from geoseg.polygons.write.pmtiles import (
    find_tippecanoe,
    write_empty_pmtiles,
    write_pmtiles,
    zoom_range,
)
from geoseg.styles.geopackage import add_style

log = logging.getLogger("geoseg")

_DRIVERS = {
    ".gpkg": "GPKG",
    ".parquet": "Parquet",
    ".fgb": "FlatGeobuf",
    ".geojson": "GeoJSON",
    ".pmtiles": "PMTiles",
}
_IN_LON_LAT = ("GeoJSON", "PMTiles")
_RESERVED = ("gpkg", "sqlite_", "layer_styles", "ogr_empty_table")
"""Reserved prefixes of table names: of GeoPackage, SQLite, QGIS and GDAL."""


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
        find_tippecanoe(path)
    return driver


def check_format_fits(
    path: str | Path, transform: Affine, crs: str | None, size: tuple[int, int]
) -> None:
    """Refuse formats in longitude and latitude for a map that these cannot represent.

    Args:
        path: of the polygon file.
        transform: pixels of the map to coordinates of ``crs``.
        crs: WKT of the map's CRS, or None.
        size: height and width of the map (px).

    Raises:
        OutputError: if that is so; or if the extension is unknown, or its writer not installed.
    """
    _lon_lat(Path(path), check_extension(path), transform, crs, size)


def write_polygons(
    path: str | Path,
    batches: Iterable[PolygonArrays],
    frame: FeatureBuilder,
    *,
    final: str | Path | None = None,
    each: Callable[..., Iterable[Any]] = map,
    check_stop: Callable[[], None] = lambda: None,
) -> int:
    """Write polygons with their class, area, perimeter, pixels and confidence.

    The same polygons give the same bytes (but for .pmtiles). A file at ``path`` is replaced. After
    an error, the file is not complete, and .pmtiles and .gpkg may leave others in the folder: write
    into a temporary folder, and rename.

    Args:
        path: .gpkg, .parquet (GeoParquet 1.1), .fgb, or in longitude and latitude .geojson or
            .pmtiles.
        batches: polygons in pixel coordinates, read once.
        frame: what they are on the ground.
        final: path that the file will have; errors name it, and the layer has its stem.
            ``path`` if None.
        each: a map that keeps the order, and may work ahead.
        check_stop: called between batches and while vector tiles are cut; what it raises ends
            the work and is raised again.

    Returns:
        How many features were written.

    Raises:
        OutputError: if the extension is unknown, the file cannot be written, or is not complete;
            or if longitude and latitude cannot represent the map.
        LabelError: if the legend lacks a class of the polygons.
    """
    # It brings pandas, half a second that a map without polygons and most workers do without.
    from geoseg.polygons.write.ogr import count_ogr, write_ogr

    path = Path(path)
    final = Path(final or path)
    driver = check_extension(path)
    layer = _layer_name(final, driver)
    lon_lat = _lon_lat(final, driver, frame.transform, frame.crs, frame.size)
    crs = frame.crs if lon_lat is None else CRS_NAME
    make = partial(frame.features, ground=frame.ground(), lon_lat=lon_lat)
    source = _Source(each(make, rebatch(batches)), check_stop)
    found = 0
    try:
        path.unlink(missing_ok=True)
        if driver == "Parquet":
            write_geoparquet(path, source, frame.crs)
            found = int(pq.read_metadata(path).num_rows)
        elif driver == "PMTiles":
            assert lon_lat is not None  # noqa: S101 - PMTiles are in longitude and latitude
            found = _write_tiles(path, source, layer, lon_lat, check_stop)
        else:
            write_ogr(path, source.rows(), driver, layer, crs, lon_lat)
            if driver == "GPKG":
                add_style(path, layer, frame.legend.only(source.classes))
            found = count_ogr(path, driver, layer)
    except (OSError, RuntimeError, ValueError, pa.ArrowException, sqlite3.Error) as error:
        if source.failure is None:
            raise OutputError(
                f"{final} cannot be written ({error}), check its folder, its rights and the disk"
            ) from error
    if source.failure is not None:
        raise source.failure
    if found != source.written:
        raise OutputError(f"{final} has {found} of {source.written} polygons, is the disk full?")
    return source.written


def _write_tiles(
    path: Path, source: "_Source", layer: str, lon_lat: LonLat, check_stop: Callable[[], None]
) -> int:
    """Write PMTiles by way of a FlatGeobuf; returns how many polygons that has."""
    from geoseg.polygons.write.ogr import count_ogr, write_ogr

    flat = path.with_name(f"{path.name}.fgb")
    try:
        write_ogr(flat, source.rows(), "FlatGeobuf", layer, CRS_NAME, lon_lat)
        count = count_ogr(flat, "FlatGeobuf", layer)
        if count:
            write_pmtiles(flat, path, layer, lon_lat, check_stop)
        else:
            write_empty_pmtiles(path, layer, lon_lat)
    finally:
        flat.unlink(missing_ok=True)
    return count


def _lon_lat(
    path: Path, driver: str, transform: Affine, crs: str | None, size: tuple[int, int]
) -> LonLat | None:
    if driver not in _IN_LON_LAT:
        return None
    lon_lat = LonLat.of(path, transform, crs, size)
    if driver == "PMTiles":
        zoom_range(lon_lat)
    return lon_lat


def _layer_name(path: Path, driver: str) -> str:
    """The stem of a file, or another name where a GeoPackage cannot have a table of this name."""
    if driver != "GPKG" or not path.stem.casefold().startswith(_RESERVED):
        return path.stem
    name = f"map_{path.stem}"
    log.info("%s: the layer is %s, as the name %s is reserved", path, name, path.stem)
    return name


class _Source:
    """Features batch by batch; keeps their count and what stopped them.

    GDAL reads through a C interface in which an exception would lose its type.
    """

    def __init__(self, batches: Iterable[FeatureBatch], check_stop: Callable[[], None]) -> None:
        self._batches, self._check_stop = batches, check_stop
        self.written = 0
        self.classes: set[int] = set()
        self.failure: BaseException | None = None

    def __iter__(self) -> Iterator[FeatureBatch]:
        try:
            for features in self._batches:
                self._check_stop()
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
