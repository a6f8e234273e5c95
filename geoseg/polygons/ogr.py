"""Polygon files that GDAL writes."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyogrio

from geoseg.polygons.style import FIXED_TIME
from geoseg.polygons.table import GEOMETRY, SCHEMA


def write_ogr(
    path: Path, rows: Iterable[pa.RecordBatch], driver: str, layer: str, crs: str | None
) -> None:
    """Write batches of rows, read once, as a layer.

    Raises:
        RuntimeError: if GDAL cannot.
    """
    reader = pa.RecordBatchReader.from_batches(SCHEMA, rows)
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


def count_ogr(path: Path, driver: str, layer: str) -> int:
    """Features in a finished file.

    Raises:
        OSError: if the file is cut short.
        RuntimeError: if GDAL cannot read it.
    """
    if driver == "FlatGeobuf":
        # The count in its header precedes the features, which GDAL may fail to write unnoticed.
        with pyogrio.open_arrow(path, use_pyarrow=True) as (_, features):
            return sum(batch.num_rows for batch in features)
    return int(pyogrio.read_info(path, layer=layer, force_feature_count=True)["features"])


@contextmanager
def _fixed_date() -> Iterator[None]:
    """GDAL stamps GeoPackages with the current time; a fixed one makes equal maps equal bytes."""
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": FIXED_TIME})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})
