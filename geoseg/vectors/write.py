"""Write a GeoPackage to be filled in with QGIS."""

import sqlite3
from pathlib import Path
from typing import Any

from geoseg.files import atomic_file
from geoseg.styles.qgis import add_layer_style


def write_geopackage(
    path: Path,
    frame: Any,  # noqa: ANN401 - a GeoDataFrame, whose package is slow to import
    layer: str,
    style: str,
    description: str,
) -> None:
    """Write a layer with its style for QGIS.

    Args:
        path: GeoPackage to write; an existing one is replaced.
        frame: a GeoDataFrame, the rows of the layer.
        layer: name of the layer.
        style: QML.
        description: of the style, one line.

    Raises:
        OutputError: if the file cannot be written.
    """
    import pyogrio  # which loads GeoPandas

    # RuntimeError and ValueError are what pyogrio raises.
    errors = (OSError, RuntimeError, ValueError, sqlite3.Error)
    with atomic_file(path, errors=errors) as temporary:
        pyogrio.write_dataframe(
            frame, temporary, layer=layer, layer_options={"GEOMETRY_NAME": "geom"}
        )
        add_layer_style(temporary, layer, style, description)
