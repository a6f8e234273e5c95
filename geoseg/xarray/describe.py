"""Labels as an array of xarray, with its classes as attributes and the coordinates of the input."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pyproj import CRS
from pyproj.exceptions import CRSError

from geoseg.legend import NODATA, Legend
from geoseg.version import __version__
from geoseg.xarray.layout import crs_of, grid_mapping, import_xarray

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True, slots=True)
class MapAttributes:
    """The content of the attributes of a map."""

    legend: Legend
    model_hash: str
    crs: str | None
    """WKT, None if it is unknown."""


def as_xarray(
    array: "xarray.DataArray", planes: Mapping[str, Any], attributes: MapAttributes
) -> "xarray.DataArray | xarray.Dataset":
    """Return the labels, or a Dataset of labels and confidence, on the coordinates of an array.

    Args:
        array: the array that was classified, with the dimensions band, row, column.
        planes: "labels" and, if it was computed, "confidence": (height, width) of NumPy or Dask.
        attributes: content of the attributes.
    """
    xr = import_xarray()
    band, *dims = array.dims
    mapping = grid_mapping(array)
    coords = {name: c for name, c in array.coords.items() if band not in c.dims}
    if attributes.crs is not None and not _has_crs(array, attributes.crs):
        mapping = "spatial_ref"
        coords[mapping] = ((), 0, {"crs_wkt": attributes.crs, "spatial_ref": attributes.crs})
    by_name = {"labels": _label_attributes(attributes), "confidence": _CONFIDENCE}
    arrays = {
        name: xr.DataArray(plane, coords, dims, name, by_name[name])
        for name, plane in planes.items()
    }
    for plane in arrays.values():
        if mapping in coords:  # where readers of CF and rioxarray look for it
            plane.encoding["grid_mapping"] = mapping
    result: xarray.DataArray | xarray.Dataset
    result = xr.Dataset(arrays) if len(arrays) > 1 else arrays["labels"]
    return result


def _has_crs(array: "xarray.DataArray", wkt: str) -> bool:
    """Return True if the grid mapping of an array has this CRS."""
    if grid_mapping(array) not in array.coords:
        return False
    try:
        return bool(CRS.from_user_input(crs_of(array)) == CRS.from_wkt(wkt))
    except CRSError:
        return False


_CONFIDENCE = {"long_name": "score of the best class, 1 to 255", "_FillValue": np.uint8(0)}


def _label_attributes(attributes: MapAttributes) -> dict[str, Any]:
    """Return the attributes of labels: those of the CF conventions for flags, and geoseg's own."""
    legend = attributes.legend
    return {
        "long_name": "land cover",
        "_FillValue": np.uint8(NODATA),
        "flag_values": np.array(legend.values, np.uint8),
        "flag_meanings": " ".join("_".join(name.split()) for name in legend.names),
        "flag_colors": " ".join(c.color for c in legend.classes),
        "class_names": list(legend.names),
        "geoseg_model": attributes.model_hash,
        "geoseg_version": __version__,
    }
