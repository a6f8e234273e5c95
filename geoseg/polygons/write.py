"""Polygons to a file, in one pass and in bounded memory: the format is the extension's."""

import sqlite3
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
from affine import Affine

from geoseg.errors import OutputError
from geoseg.legend import Legend
from geoseg.polygons.geoparquet import write_geoparquet
from geoseg.polygons.seams import Coverage
from geoseg.polygons.style import FIXED_TIME, add_style
from geoseg.polygons.table import GEOMETRY, SCHEMA, Frame, regroup

_DRIVERS = {".gpkg": "GPKG", ".parquet": "Parquet", ".fgb": "FlatGeobuf", ".geojson": "GeoJSON"}
_LON_LAT = "EPSG:4326"


def check_extension(path: str | Path) -> str:
    """Name of the GDAL driver for a polygon file.

    Raises:
        OutputError: if the extension is unknown.
    """
    driver = _DRIVERS.get(Path(path).suffix.lower())
    if driver is None:
        raise OutputError(
            f"{path} is no polygon file geoseg can write, "
            f"give it one of the extensions {', '.join(_DRIVERS)}"
        )
    return driver


def write_polygons(
    path: str | Path,
    batches: Iterable[Coverage],
    *,
    legend: Legend,
    transform: Affine,
    crs: str | None,
    layer: str | None = None,
    confidence: bool = True,
) -> int:
    """Write polygons with their class, area, perimeter, pixels and mean confidence.

    The same polygons give the same bytes. A file at ``path`` is replaced; what is left there after
    an error is not complete, so write beside the final name and rename.

    Args:
        path: .gpkg, .parquet (GeoParquet 1.1), .fgb or .geojson (in longitude and latitude).
        batches: polygons in pixel coordinates, read once.
        legend: names and, for .gpkg, colours of the classes.
        transform: pixels to coordinates of ``crs``.
        crs: WKT, or None where it is unknown: then areas and perimeters are null.
        layer: name of the layer; the file's stem if None.
        confidence: whether the polygons hold confidence; if not, it is null.

    Returns:
        How many features were written.

    Raises:
        OutputError: if the extension is unknown, the file cannot be written, or is not complete;
            or for .geojson without a CRS.
        LabelError: if the legend lacks a class of the polygons.
    """
    path = Path(path)
    driver = check_extension(path)
    layer = layer or path.stem
    if driver == "GeoJSON" and crs is None:
        raise OutputError(
            f"{path} would need longitude and latitude, but the scene has no CRS: "
            "write .gpkg instead, or give the scene a CRS"
        )
    frame = Frame(legend, transform, crs, _LON_LAT if driver == "GeoJSON" else None, confidence)
    source = _Source(regroup(batches), frame)
    found = 0
    try:
        path.unlink(missing_ok=True)
        if driver == "Parquet":
            write_geoparquet(path, source, crs)
        else:
            _write_ogr(path, source, driver, layer, frame.target or crs)
        if driver == "GPKG":
            add_style(path, layer, legend)
        found = _count(path, driver, layer)
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

    def __init__(self, batches: Iterator[Coverage], frame: Frame) -> None:
        self._batches = batches
        self._frame = frame
        self.written = 0
        self.failure: BaseException | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches:
                features = self._frame.features(batch)
                self.written += features.num_rows
                yield features
        except GeneratorExit:
            raise
        except BaseException as error:
            self.failure = error
            raise


def _write_ogr(path: Path, source: _Source, driver: str, layer: str, crs: str | None) -> None:
    reader = pa.RecordBatchReader.from_batches(SCHEMA, iter(source))
    with _fixed_date(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)
        pyogrio.write_arrow(
            reader,
            path,
            layer=layer,
            driver=driver,
            geometry_name=GEOMETRY,
            geometry_type="Polygon",
            crs=crs,
            layer_options={"RFC7946": "YES"} if driver == "GeoJSON" else {},
        )


@contextmanager
def _fixed_date() -> Iterator[None]:
    """GDAL stamps GeoPackages with the current time; a fixed one makes equal maps equal bytes."""
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": FIXED_TIME})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


def _count(path: Path, driver: str, layer: str) -> int:
    """Features in a finished file.

    Raises:
        OSError: if the file is cut short.
    """
    if driver == "Parquet":
        return int(pq.read_metadata(path).num_rows)
    if driver == "FlatGeobuf":
        # The count in its header precedes the features, which GDAL may fail to write unnoticed.
        with pyogrio.open_arrow(path, use_pyarrow=True) as (_, features):
            return sum(batch.num_rows for batch in features)
    return int(pyogrio.read_info(path, layer=layer, force_feature_count=True)["features"])
