"""Write points to a GeoPackage that QGIS opens with a form for their reference class."""

from pathlib import Path
from typing import Any

import pyogrio

from geoseg.legend import Legend
from geoseg.styles.qgis import add_layer_style, form_qml


def write_form(path: Path, points: Any, layer: str, legend: Legend) -> None:  # noqa: ANN401
    """Write points, with the form as the default style of their layer.

    Args:
        path: of the GeoPackage.
        points: a GeoDataFrame with the field ``reference``.
        layer: name of the layer.
        legend: the classes that the form offers.

    Raises:
        OSError, RuntimeError, ValueError: of pyogrio, if the file cannot be written.
        sqlite3.Error: if the style cannot be written.
    """
    pyogrio.write_dataframe(points, path, layer=layer, layer_options={"GEOMETRY_NAME": "geom"})
    style = form_qml(legend, [name for name in points.columns if name != "geometry"])
    add_layer_style(path, layer, style, "Reference classes to be filled in")
