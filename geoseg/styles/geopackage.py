"""The legend inside a GeoPackage, where QGIS looks for the style of a layer."""

import sqlite3
from contextlib import closing
from pathlib import Path

from geoseg.legend import Legend

FIXED_TIME = "2000-01-01T00:00:00.000Z"
"""Stands for every time in a file, so that the same map is the same bytes."""

_CREATE = """
CREATE TABLE layer_styles (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  f_table_catalog TEXT(256),
  f_table_schema TEXT(256),
  f_table_name TEXT(256),
  f_geometry_column TEXT(256),
  styleName TEXT(30),
  styleQML TEXT,
  styleSLD TEXT,
  useAsDefault BOOLEAN,
  description TEXT(4000),
  owner TEXT(30),
  ui TEXT(30),
  update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now'))
)
"""

_INSERT = """
INSERT INTO layer_styles (
  f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, styleQML, styleSLD,
  useAsDefault, description, owner, ui, update_time
)
SELECT '', '', table_name, column_name, 'geoseg', ?, '', 1, 'Land cover', '', NULL, ?
FROM gpkg_geometry_columns WHERE table_name = ?
"""

_REGISTER = """
INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change)
VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?)
"""


def add_style(path: Path, layer: str, legend: Legend) -> None:
    """Make the legend's colours the default style of a layer of polygons with a `class_id`.

    Raises:
        sqlite3.Error: if the file cannot be written.
    """
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(_CREATE)
        database.execute(_INSERT, (legend.to_polygon_qml(), FIXED_TIME, layer))
        database.execute(_REGISTER, (FIXED_TIME,))
