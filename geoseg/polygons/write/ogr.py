"""Write the polygon files of GDAL: GeoPackage, FlatGeobuf, GeoJSON."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyogrio

from geoseg.polygons.write.features import GEOMETRY, SCHEMA
from geoseg.polygons.write.lonlat import LonLat
from geoseg.styles.qgis import FIXED_TIME


def write_ogr(
    path: Path,
    rows: Iterable[pa.RecordBatch],
    driver: str,
    layer: str,
    crs: str | None,
    lonlat: LonLat | None = None,
    *,
    indexed: bool = True,
) -> None:
    """Write batches of rows as a layer.

    Args:
        path: of the file.
        rows: with the fields of `SCHEMA`, read once.
        driver: GDAL's name of the format.
        layer: name of the layer.
        crs: CRS of the coordinates (WKT or code), None where it is unknown.
        lonlat: the conversion, if coordinates were converted to longitude and latitude.
        indexed: with a spatial index; for a FlatGeobuf it needs about 100 bytes a feature.

    Raises:
        RuntimeError: if GDAL cannot write it.
    """
    reader = pa.RecordBatchReader.from_batches(SCHEMA, rows)
    options: dict[str, str | int] = {}
    if lonlat is not None and driver == "GeoJSON":
        options = {"RFC7946": "YES", "WRAPDATELINE": "NO", "COORDINATE_PRECISION": lonlat.decimals}
    elif not indexed:
        options = {"SPATIAL_INDEX": "NO"}
    with _fixed_date(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)
        pyogrio.write_arrow(
            reader,
            path,
            layer=layer,
            driver=driver,
            geometry_name=GEOMETRY,
            # A polygon that is cut at 180 degrees is a MultiPolygon.
            geometry_type="Polygon" if lonlat is None else "Unknown",
            crs=crs,
            layer_options=options,
        )


def count_ogr(path: Path, driver: str, layer: str) -> int:
    """Count the features of a finished file.

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
    """Let GDAL stamp GeoPackages with a fixed time, so that the same map is the same bytes."""
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": FIXED_TIME})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})
