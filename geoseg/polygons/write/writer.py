"""Write polygons to a file, in one pass and in bounded memory.

`features` turns polygons into batches of rows, `geoparquet`, `ogr` and `pmtiles` write them, and
`lonlat` converts coordinates for the formats in longitude and latitude. The extension of the file
decides on the format.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from affine import Affine

from geoseg.errors import OutputError
from geoseg.files import layer_name
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
from geoseg.styles.qgis import add_layer_style, polygon_qml

_DRIVERS = {
    ".gpkg": "GPKG",
    ".parquet": "Parquet",
    ".fgb": "FlatGeobuf",
    ".geojson": "GeoJSON",
    ".pmtiles": "PMTiles",
}
_LONLAT_DRIVERS = ("GeoJSON", "PMTiles")


def check_extension(path: str | Path) -> str:
    """Return GDAL's name of the format of a polygon file.

    Raises:
        OutputError: if the extension is unknown, or its writer is not installed.
    """
    driver = _DRIVERS.get(Path(path).suffix.lower())
    if driver is None:
        raise OutputError(
            f"{path} is not a polygon format of geoseg, "
            f"use one of the extensions {', '.join(_DRIVERS)}"
        )
    if driver == "PMTiles":
        find_tippecanoe(path)
    return driver


def check_format_fits(
    path: str | Path, transform: Affine, crs: str | None, size: tuple[int, int]
) -> LonLat | None:
    """Refuse a format in longitude and latitude for a map that these cannot represent.

    Takes the arguments of `LonLat.of`.

    Returns:
        The conversion to longitude and latitude; None for a format in the CRS of the map.

    Raises:
        OutputError: if the format cannot represent the map, the extension is unknown, or its
            writer is not installed.
    """
    driver = check_extension(path)
    if driver not in _LONLAT_DRIVERS:
        return None
    lonlat = LonLat.of(Path(path), transform, crs, size)
    if driver == "PMTiles":
        zoom_range(lonlat)
    return lonlat


def write_polygons(
    path: str | Path,
    batches: Iterable[PolygonArrays],
    builder: FeatureBuilder,
    *,
    final: str | Path | None = None,
    map_fn: Callable[..., Iterable[Any]] = map,
    check_stop: Callable[[], None] = lambda: None,
) -> int:
    """Write polygons with their class, area, perimeter, pixels and confidence.

    The same polygons give the same bytes, except in .pmtiles. A file at ``path`` is replaced. After
    an error the file is incomplete, and .pmtiles and .gpkg may leave more files in the folder, so
    write into a temporary folder and rename.

    Args:
        path: .gpkg, .parquet (GeoParquet 1.1), .fgb, or in longitude and latitude .geojson or
            .pmtiles.
        batches: polygons in pixel coordinates, read once.
        builder: turns them into features.
        final: path that the file will have, for messages and the name of the layer, see
            `layer_name`; None for ``path``.
        map_fn: how to map over the batches, in order.
        check_stop: called between batches and while vector tiles are cut; what it raises ends
            the work and is raised again.

    Returns:
        Number of features.

    Raises:
        OutputError: if the extension is unknown, the file cannot be written or is incomplete, or
            longitude and latitude cannot represent the map.
        LabelError: if a class of the polygons is not in the legend.
    """
    # It imports pandas (half a second), which a map without polygons does not need.
    from geoseg.polygons.write.ogr import count_ogr, write_ogr

    path = Path(path)
    final = Path(final or path)
    driver = check_extension(path)
    layer = layer_name(final)
    lonlat = check_format_fits(final, builder.transform, builder.crs, builder.size)
    crs = builder.crs if lonlat is None else CRS_NAME
    make = partial(builder.features, measures=builder.grid_measures(), lonlat=lonlat)
    source = _FeatureSource(map_fn(make, rebatch(batches)), check_stop)
    in_file = 0
    try:
        path.unlink(missing_ok=True)
        if driver == "Parquet":
            write_geoparquet(path, source, builder.crs)
            in_file = int(pq.read_metadata(path).num_rows)
        elif driver == "PMTiles":
            assert lonlat is not None  # noqa: S101 - PMTiles are in longitude and latitude
            in_file = _write_tiles(path, source, layer, lonlat, check_stop)
        else:
            write_ogr(path, source.rows(), driver, layer, crs, lonlat)
            if driver == "GPKG":
                style = polygon_qml(builder.legend.subset(source.classes))
                add_layer_style(path, layer, style, "Land cover")
            in_file = count_ogr(path, driver, layer)
    except (OSError, RuntimeError, ValueError, pa.ArrowException, sqlite3.Error) as error:
        if source.failure is None:
            raise OutputError(
                f"{final} cannot be written ({error}), check its folder, its rights and the disk"
            ) from error
    if source.failure is not None:
        raise source.failure
    if in_file != source.written:
        raise OutputError(f"{final} has {in_file} of {source.written} polygons, is the disk full?")
    return source.written


def _write_tiles(
    path: Path, source: "_FeatureSource", layer: str, lonlat: LonLat, check_stop: Callable[[], None]
) -> int:
    """Write PMTiles by way of a FlatGeobuf; return the number of its polygons."""
    from geoseg.polygons.write.ogr import count_ogr, write_ogr

    flat = path.with_name(f"{path.name}.fgb")
    try:
        write_ogr(flat, source.rows(), "FlatGeobuf", layer, CRS_NAME, lonlat, indexed=False)
        # GDAL 3.9 cannot read a file that is empty and has no index.
        count = count_ogr(flat, "FlatGeobuf", layer) if source.written else 0
        if count:
            write_pmtiles(flat, path, layer, lonlat, check_stop)
        else:
            write_empty_pmtiles(path, layer, lonlat)
    finally:
        flat.unlink(missing_ok=True)
    return count


class _FeatureSource:
    """Yields features batch by batch; keeps their count, their classes and an exception.

    GDAL reads it through a C interface, in which the exception would lose its type.
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
        """Yield the rows, without their bounds."""
        return (features.rows for features in self)
