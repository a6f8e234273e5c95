"""Write QGIS layer styles: beside a raster, and inside a GeoPackage."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from xml.sax.saxutils import quoteattr

from geoseg.legend import LandCoverClass, Legend

FIXED_TIME = "2000-01-01T00:00:00.000Z"
"""Stands for every time in a GeoPackage, so that the same map is the same bytes."""


def raster_qml(legend: Legend) -> str:
    """Return the style of a label raster in the colours of a legend."""
    entries = "\n".join(
        f'        <paletteEntry value="{c.value}" color="{c.color}" alpha="255" '
        f'label="{_escape(c.name)}"/>'
        for c in legend.classes
    )
    return _RASTER_QML.format(entries=entries)


def polygon_qml(legend: Legend) -> str:
    """Return the style of polygons with a field ``class_id`` in the colours of a legend."""
    categories = "\n".join(
        f'      <category value="{c.value}" type="long" symbol="{i}" render="true" '
        f'label="{_escape(c.name)}"/>'
        for i, c in enumerate(legend.classes)
    )
    symbols = "\n".join(_fill_symbol(i, c) for i, c in enumerate(legend.classes))
    return _POLYGON_QML.format(categories=categories, symbols=symbols)


def form_qml(legend: Legend, fields: Sequence[str]) -> str:
    """Return the style of points that are interpreted: a form to choose their ``reference`` class.

    Args:
        legend: the classes to choose from.
        fields: names of all fields; ``reference`` is a list of the classes, ``stratum`` and
            ``inclusion_probability`` are hidden, the others are read-only.
    """
    # An interpreter must not see the class of the map.
    hidden = ("stratum", "inclusion_probability")
    markers = _MARKER.format(name=0, color="215,25,28"), _MARKER.format(name=1, color="26,150,65")
    return _form(legend, fields, "reference", hidden, markers)


def patch_form_qml(legend: Legend, fields: Sequence[str]) -> str:
    """Return the style of patches to label, with a form in which their ``class`` is chosen.

    Args:
        legend: the classes to choose from.
        fields: names of all fields; ``class`` is a list of the classes, ``suggested`` is hidden,
            the others are read-only.
    """
    outlines = (
        _OUTLINE.format(name=0, color="215,25,28"),
        _OUTLINE.format(name=1, color="26,150,65"),
    )
    return _form(legend, fields, "class", ("suggested",), outlines)


def _form(
    legend: Legend,
    fields: Sequence[str],
    choice: str,
    hidden: Sequence[str],
    symbols: tuple[str, str],
) -> str:
    """Return a style with a form, in which the field ``choice`` is a list of the classes.

    ``symbols`` are those of features whose class is still to be chosen, and of those with a class.
    """
    choices = "".join(
        f'<Option type="Map"><Option name={quoteattr(c.name)} value={quoteattr(c.name)} '
        'type="QString"/></Option>'
        for c in legend.classes
    )
    widgets = dict.fromkeys(hidden, _HIDDEN_WIDGET)
    widgets[choice] = (
        '<editWidget type="ValueMap"><config><Option type="Map">'
        f'<Option name="map" type="List">{choices}</Option></Option></config></editWidget>'
    )
    configured = "\n".join(
        f"    <field name={quoteattr(name)}>{widgets.get(name, _TEXT_WIDGET)}</field>"
        for name in fields
    )
    editable = "\n".join(
        f'    <field name={quoteattr(name)} editable="{int(name == choice)}"/>' for name in fields
    )
    return _FORM_QML.format(
        fields=configured, editable=editable, choice=choice, symbols="\n      ".join(symbols)
    )


def add_layer_style(path: str | Path, layer: str, qml: str, description: str) -> None:
    """Add a style to a GeoPackage without styles, as the default of a layer for QGIS.

    Args:
        path: of the GeoPackage.
        layer: name of the layer.
        qml: the style.
        description: of the style, one line.

    Raises:
        sqlite3.Error: if the file cannot be written.
    """
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(_CREATE_STYLES)
        database.execute(_INSERT_STYLE, (qml, description, FIXED_TIME, layer))
        database.execute(_REGISTER_STYLES, (FIXED_TIME,))


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def _fill_symbol(index: int, c: LandCoverClass) -> str:
    red, green, blue = c.rgb
    return (
        f'      <symbol type="fill" name="{index}" alpha="1" clip_to_extent="1">'
        '<layer class="SimpleFill" enabled="1" pass="0" locked="0"><Option type="Map">'
        f'<Option type="QString" name="color" value="{red},{green},{blue},255"/>'
        '<Option type="QString" name="outline_style" value="no"/>'
        '<Option type="QString" name="style" value="solid"/>'
        "</Option></layer></symbol>"
    )


_CREATE_STYLES = """
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

_INSERT_STYLE = """
INSERT INTO layer_styles (
  f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, styleQML, styleSLD,
  useAsDefault, description, owner, ui, update_time
)
SELECT '', '', table_name, column_name, 'geoseg', ?, '', 1, ?, '', NULL, ?
FROM gpkg_geometry_columns WHERE table_name = ?
"""

_REGISTER_STYLES = """
INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change)
VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?)
"""

_RASTER_QML = """<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.28" hasScaleBasedVisibilityFlag="0">
  <pipe>
    <rasterrenderer type="paletted" band="1" opacity="1" alphaBand="-1">
      <colorPalette>
{entries}
      </colorPalette>
    </rasterrenderer>
  </pipe>
</qgis>
"""

_POLYGON_QML = """<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.28" styleCategories="Symbology">
  <renderer-v2 type="categorizedSymbol" attr="class_id" enableorderby="0" forceraster="0">
    <categories>
{categories}
    </categories>
    <symbols>
{symbols}
    </symbols>
  </renderer-v2>
</qgis>
"""

_HIDDEN_WIDGET = '<editWidget type="Hidden"><config><Option/></config></editWidget>'
_TEXT_WIDGET = '<editWidget type="TextEdit"><config><Option/></config></editWidget>'
_MARKER = (
    '<symbol type="marker" name="{name}" alpha="1" clip_to_extent="1"><layer class="SimpleMarker" '
    'enabled="1" pass="0" locked="0"><Option type="Map">'
    '<Option type="QString" name="name" value="circle"/>'
    '<Option type="QString" name="color" value="255,255,255,0"/>'
    '<Option type="QString" name="outline_color" value="{color},255"/>'
    '<Option type="QString" name="outline_width" value="0.6"/>'
    '<Option type="QString" name="size" value="4"/></Option></layer></symbol>'
)
_OUTLINE = (
    '<symbol type="fill" name="{name}" alpha="1" clip_to_extent="1"><layer class="SimpleFill" '
    'enabled="1" pass="0" locked="0"><Option type="Map">'
    '<Option type="QString" name="style" value="no"/>'
    '<Option type="QString" name="outline_color" value="{color},255"/>'
    '<Option type="QString" name="outline_width" value="0.6"/></Option></layer></symbol>'
)
_FORM_QML = """<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22" styleCategories="Symbology|Fields|Forms">
  <renderer-v2 type="RuleRenderer" symbollevels="0" enableorderby="0" forceraster="0">
    <rules key="all">
      <rule key="open" symbol="0" label="to do"
        filter="&quot;{choice}&quot; IS NULL OR &quot;{choice}&quot; = ''"/>
      <rule key="done" symbol="1" label="done" filter="ELSE"/>
    </rules>
    <symbols>
      {symbols}
    </symbols>
  </renderer-v2>
  <fieldConfiguration>
{fields}
  </fieldConfiguration>
  <editable>
{editable}
  </editable>
  <editorlayout>generatedlayout</editorlayout>
</qgis>
"""
