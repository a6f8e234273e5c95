"""The metadata of a DataArray: dimensions, transform, CRS, nodata value, names of bands."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from affine import Affine

from geoseg.errors import GeosegError, SceneError

if TYPE_CHECKING:
    import xarray

Xarray = Any
"""The package xarray, which need not be installed."""

_Y = ("y", "latitude", "lat")
_X = ("x", "longitude", "lon")
_NODATA = ("_FillValue", "nodata", "missing_value")
_IRREGULAR = 0.05
"""Largest distance of a coordinate from its place on a regular grid (px): float32 is inexact."""
_SAME_PLACE = 1e-3
"""Largest distance of the corners of two grids that are the same (px)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The metadata of an array that geoseg needs; None where the array has none."""

    transform: Affine | None
    """Pixel (col, row) to CRS units."""
    crs: object
    """CRS in any form that pyproj reads."""
    nodata: float | None
    band_names: list[str] | None


def read_layout(array: "xarray.DataArray", crs: object) -> Layout:
    """Read the metadata of an array.

    Args:
        array: with the dimensions band, row, column.
        crs: CRS that replaces that of the array; None to keep that of the array.

    Raises:
        SceneError: if its coordinates are not regular, or its transform or nodata is no number.
    """
    return Layout(
        transform_of(array),
        crs_of(array) if crs is None else crs,
        _nodata_of(array),
        _band_names_of(array),
    )


def import_xarray() -> Xarray:
    """Return the package xarray.

    Raises:
        GeosegError: if it is not installed.
    """
    try:
        return importlib.import_module("xarray")
    except ImportError as error:
        raise GeosegError(
            f"geoseg.xarray needs the package xarray ({error}), install it: pip install "
            "'geoseg[xarray]'"
        ) from None


def as_bands_rows_cols(data: object, band_dim: str) -> "xarray.DataArray":
    """Return an array with the dimensions band, row, column in this order.

    Args:
        data: an array with these dimensions, in any order.
        band_dim: name of the dimension of the bands.

    Raises:
        SceneError: if it is no DataArray, has other dimensions, or has no pixels.
    """
    xr = import_xarray()
    if isinstance(data, xr.Dataset):
        raise SceneError(
            "the data are a Dataset, make one array of its variables: "
            f"dataset.to_dataarray({band_dim!r})"
        )
    if not isinstance(data, xr.DataArray):
        raise SceneError(f"the data are a {type(data).__name__}, give an xarray.DataArray")
    array = cast("xarray.DataArray", data)
    has = f"the array has the dimensions {', '.join(map(str, array.dims))}"
    if band_dim not in array.dims:
        raise SceneError(
            f"{has}, but no {band_dim!r}, name the one of the bands (band_dim), or add it to a "
            f"single band: .expand_dims({band_dim!r})"
        )
    y, x = (next((n for n in names if n in array.dims), None) for names in (_Y, _X))
    if y is None or x is None:
        raise SceneError(
            f"{has}, but rows must be {_either(_Y)} and columns {_either(_X)}, rename them "
            "(.rename)"
        )
    for name in array.dims:
        if name not in (band_dim, y, x):
            raise SceneError(f"{has}, take one map at a time: .isel({name}=0)")
    if not array.size:
        sizes = ", ".join(f"{name}: {size}" for name, size in array.sizes.items())
        raise SceneError(
            f"the array has no pixels ({sizes}), check its selection: a slice has the order of the "
            "coordinates (.sel)"
        )
    return array.transpose(band_dim, y, x)


def _either(names: Sequence[str]) -> str:
    return " or ".join(map(repr, names))


def grid_mapping(data: "xarray.DataArray") -> str:
    """Return the name of the coordinate that holds the CRS."""
    name = data.encoding.get("grid_mapping", data.attrs.get("grid_mapping", "spatial_ref"))
    return str(name)


def crs_of(data: "xarray.DataArray") -> object:
    """Return the CRS that an array names, as pyproj understands it; None if it names none."""
    coordinate = data.coords.get(grid_mapping(data))
    of_mapping = {} if coordinate is None else coordinate.attrs
    return of_mapping.get("crs_wkt") or of_mapping.get("spatial_ref") or data.attrs.get("crs")


def transform_of(array: "xarray.DataArray") -> Affine | None:
    """Return the affine transform, pixel (col, row) to CRS units; None without coordinates.

    It comes from the coordinates, which are the centres of the pixels. The ``GeoTransform`` of the
    grid mapping is used if there are no coordinates, or if it describes the same grid, as it is
    more exact. It is ignored if it differs: cutting an array changes only the coordinates.

    Args:
        array: with the dimensions band, row, column.

    Raises:
        SceneError: if the coordinates are not regular.
    """
    given = _geo_transform(array)
    rows, cols = array.dims[1:]
    if rows not in array.coords or cols not in array.coords:
        return given
    y, dy = _axis(array[rows], None if given is None else given.e)
    x, dx = _axis(array[cols], None if given is None else given.a)
    affine = Affine(dx, 0, x - dx / 2, 0, dy, y - dy / 2)
    if given is None or not given.determinant:
        return affine
    size = array.sizes[cols], array.sizes[rows]
    off = [np.subtract(~affine @ (given @ corner), corner) for corner in ((0, 0), size)]
    return given if np.abs(off).max() < _SAME_PLACE else affine


def _geo_transform(array: "xarray.DataArray") -> Affine | None:
    coordinate = array.coords.get(grid_mapping(array))
    text = None if coordinate is None else coordinate.attrs.get("GeoTransform")
    if text is None:
        return None
    try:
        return Affine.from_gdal(*map(float, text.split() if isinstance(text, str) else text))
    except (TypeError, ValueError):
        raise SceneError(
            f"the GeoTransform of the array is {text!r}, give six numbers as GDAL does"
        ) from None


def _axis(coordinate: "xarray.DataArray", step: float | None) -> tuple[float, float]:
    """Return the first centre and the step of the pixels along an axis.

    Args:
        coordinate: their centres.
        step: size of a pixel, for an axis of one pixel; None if it is unknown.
    """
    name, values = coordinate.name, coordinate.values
    if values.ndim != 1 or not np.issubdtype(values.dtype, np.number):
        raise SceneError(f"the coordinates {name!r} are not one number for each pixel, drop them")
    values = values.astype(np.float64)
    if len(values) > 1:
        step = float((values[-1] - values[0]) / (len(values) - 1))
    if step is None:
        raise SceneError(
            f"the array has one pixel along {name!r}, so its size is unknown, drop the coordinate"
        )
    off = np.abs(values - (values[0] + step * np.arange(len(values)))).max()
    if not (step and off <= _IRREGULAR * abs(step)):
        raise SceneError(
            f"the coordinates {name!r} are not regular, resample the array onto a regular grid "
            "(.interp, or .rio.reproject of rioxarray)"
        )
    return float(values[0]), step


def _nodata_of(data: "xarray.DataArray") -> float | None:
    """Return the nodata value that an array names; None if it names none."""
    for name in _NODATA:
        value = data.attrs.get(name)
        if value is not None:
            try:
                return float(value)
            except (TypeError, ValueError):
                raise SceneError(
                    f"{name} of the array is {value!r}, give a number or remove it"
                ) from None
    return None


def _band_names_of(array: "xarray.DataArray") -> list[str] | None:
    """Return the names of the bands: coordinates that are texts, or else a list in ``long_name``.

    Args:
        array: with the dimensions band, row, column.
    """
    band = array.dims[0]
    names: Any = array.coords[band].values.tolist() if band in array.coords else None
    if names is None or not all(isinstance(name, str) for name in names):
        names = array.attrs.get("long_name")  # rioxarray: the descriptions of the bands
    if not isinstance(names, list | tuple) or len(names) != array.sizes[band]:
        return None
    return [str(name) for name in names]
