"""A layer of a vector file of any size, read in parts: only the features that touch a rectangle."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.errors import VectorError, root_message
from geoseg.vectors.read import has_no_crs, list_layers

_INDEXED = frozenset({".gpkg", ".fgb"})
"""Suffixes of files with a spatial index, in lower case."""


@dataclass(frozen=True, slots=True)
class VectorLayer:
    """A layer with geometries of a file with a spatial index; it holds no open file."""

    path: str
    layer: str
    crs: str | None
    """WKT, None if the file has none."""
    fields: tuple[str, ...]
    """Names of the fields."""


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Features of a layer."""

    ids: NDArray[np.int64]
    """(n,) feature ids (FID)."""
    geometries: NDArray[Any]
    """(n,) shapely geometries in the CRS of the file."""
    values: dict[str, list[Any]]
    """Values (n) of each requested field that the layer has, by its name."""


def open_layer(path: str | Path, layer: str | None = None) -> VectorLayer:
    """Describe a layer of a GeoPackage or FlatGeobuf, without reading features.

    Args:
        path: the file.
        layer: name of a layer of the file; None for the first one with geometries.

    Raises:
        VectorError: if it is another kind of file, or cannot be read.
    """
    import pyogrio

    path = str(path)
    if Path(path).suffix.lower() not in _INDEXED:
        raise VectorError(
            f"{path} is neither a GeoPackage (.gpkg) nor a FlatGeobuf (.fgb), whose features can "
            "be found by their place, convert it with ogr2ogr"
        )
    layer = layer or list_layers(path)[0]
    info = pyogrio.read_info(path, layer=layer)
    crs = info["crs"]
    return VectorLayer(path, layer, None if has_no_crs(crs) else crs, tuple(info["fields"]))


def read_features(
    layer: VectorLayer,
    bounds: tuple[float, float, float, float],
    limit: int,
    fields: tuple[str, ...] = (),
) -> Features:
    """Read the features whose bounds touch a rectangle.

    Args:
        layer: the layer.
        bounds: left, bottom, right and top (CRS units of the file).
        limit: largest number of features to read.
        fields: names of fields to read, if the layer has them.

    Raises:
        VectorError: if the file cannot be read.
    """
    from pyogrio import raw

    names = [name for name in fields if name in layer.fields]
    try:
        meta, ids, geometries, values = raw.read(
            layer.path, layer=layer.layer, bbox=bounds, max_features=limit, columns=names,
            return_fids=True, force_2d=True,
        )  # fmt: skip
    except Exception as error:  # noqa: BLE001 - each driver raises its own
        raise VectorError(
            f"cannot read vector file {layer.path} ({root_message(error)}), check the file"
        ) from None
    columns = zip(meta["fields"], values, strict=True)
    read = {str(name): column.tolist() for name, column in columns}
    return Features(ids, shapely.from_wkb(geometries), read)
