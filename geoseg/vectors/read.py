"""Read a layer of a vector file: GeoPackage, GeoJSON, Shapefile, GeoParquet and others."""

import errno
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from geoseg.errors import VectorError, count_of
from geoseg.files import means_other_file

if TYPE_CHECKING:
    import geopandas

log = logging.getLogger(__name__)

_SUFFIXES = frozenset({".gpkg", ".geojson", ".json", ".shp", ".fgb", ".parquet", ".gml", ".kml"})
"""Suffixes of vector files, in lower case."""
_UNSUPPORTED = re.compile(r"Unknown WKB type 1[567]\b|Geometry type is not supported")
"""Messages of GEOS and pyogrio about polyhedral surfaces (15), TINs (16) and triangles (17)."""
_NO_CRS = re.compile("undefined .*SRS", re.IGNORECASE)
"""Names of the CRS of GeoPackage layers that have no CRS."""


def is_vector_file(path: str | Path) -> bool:
    """Return whether a path is one of a vector file, by its suffix."""
    return Path(path).suffix.lower() in _SUFFIXES


def read_vector(path: str | Path, layer: str | None = None) -> "geopandas.GeoDataFrame":
    """Read the features of one layer.

    Z and M coordinates are dropped. Geometries with coordinates that are not finite become None,
    and a warning counts them.

    Args:
        path: anything that GDAL opens as vectors, or GeoParquet.
        layer: name of the layer; None for the first layer with geometries. A warning names the
            layers if the file has several.

    Returns:
        The features in the order of the file. The CRS is None where the file has none, also where
        GDAL calls that an "undefined" CRS.

    Raises:
        VectorError: if the file cannot be read, or has no such layer or no geometries.
    """
    import geopandas  # takes a third of a second

    path = str(path)
    layers = list_layers(path)
    if layer is not None and layer not in layers:
        raise VectorError(f"{path} has no layer {layer!r}, use one of: {', '.join(layers)}")
    if layer is None and len(layers) > 1:
        log.warning(
            "%s has the layers %s; %s is read, name another layer to read that",
            path, ", ".join(layers), layers[0],
        )  # fmt: skip
    try:
        with np.errstate(invalid="ignore"):  # coordinates may be NaN, see _plain_geometries
            if _is_parquet(path):
                frame = geopandas.read_parquet(path)
            else:
                frame = geopandas.read_file(path, layer=layer or layers[0])
    except Exception as error:  # noqa: BLE001 - each driver raises its own
        raise _unreadable(path, error) from None
    crs = frame.crs
    frame = frame.set_geometry(_plain_geometries(path, frame.geometry.to_numpy()), crs=crs)
    if crs is not None and has_no_crs(crs):
        frame = frame.set_crs(None, allow_override=True)
    return frame


def list_layers(path: str | Path) -> list[str]:
    """Return the names of the layers with geometries, at least one; for GeoParquet the file stem.

    Raises:
        VectorError: if the file cannot be read, or has no layer with geometries.
    """
    import pyogrio  # loads pandas

    path = str(path)
    if _is_parquet(path):
        return [Path(path).stem]
    _check_is_this_file(path)
    try:
        layers = pyogrio.list_layers(path).tolist()
    except Exception as error:  # noqa: BLE001 - each driver raises its own
        raise _unreadable(path, error) from None
    names = [name for name, geometry_type in layers if geometry_type is not None]
    if not names:
        raise VectorError(f"{path} holds no geometries, give a file of polygons, lines or points")
    return names


def _check_is_this_file(path: str) -> None:
    """Refuse a local path for which pyogrio would read another file; an archive may hold a file."""
    is_address = "://" in path or path.startswith("/vsi")
    if not is_address and means_other_file(path.replace(".zip!", "")):
        raise VectorError(
            f"{path!r} contains !, ;, // or a control character, with which GDAL would read "
            "another file, rename it"
        )


def has_no_crs(crs: Any) -> bool:  # noqa: ANN401 - what pyproj understands as CRS
    """Return whether the CRS of a layer is None, or one that GDAL calls "undefined"."""
    return crs is None or _NO_CRS.match(CRS.from_user_input(crs).name) is not None


def _is_parquet(path: str) -> bool:
    return Path(path).suffix.lower() == ".parquet"


def _unreadable(path: str, error: Exception) -> VectorError:
    missing = isinstance(error, FileNotFoundError)  # pyarrow gives the path alone
    message = os.strerror(errno.ENOENT) if missing else str(error)
    reason = (message or type(error).__name__).splitlines()[0]
    reason = reason.replace(f"'{path}' ", "").removeprefix(f"{path}: ").split(";")[0].rstrip(".")
    if _UNSUPPORTED.search(reason):
        return VectorError(
            f"{path} holds triangulated or polyhedral surfaces (TIN), which are not supported, "
            f"convert them to polygons: ogr2ogr -nlt MULTIPOLYGON polygons.gpkg {path}"
        )
    return VectorError(f"cannot read vector file {path}: {reason}, check the path and the format")


def _plain_geometries(path: str, geometries: NDArray[Any]) -> NDArray[Any]:
    """Drop Z and M; return None in place of geometries with coordinates that are not finite."""
    flat: NDArray[Any] = shapely.force_2d(geometries)
    coordinates, indices = shapely.get_coordinates(flat, return_index=True)
    not_finite = np.unique(indices[~np.isfinite(coordinates).all(axis=1)])
    if len(not_finite):
        flat[not_finite] = None
        log.warning(
            "%s: %s with coordinates that are not finite numbers left out",
            path, count_of(len(not_finite), "feature"),
        )  # fmt: skip
    return flat
