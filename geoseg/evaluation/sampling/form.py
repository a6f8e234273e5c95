"""Points in a GeoPackage that QGIS opens with a form for the reference class."""

from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pandas as pd
import pyogrio

from geoseg.legend import Legend

_GEOMETRY = "geom"


def write_form(path: Path, points: Any, layer: str, legend: Legend) -> None:  # noqa: ANN401
    """Write points and the style of their layer, which QGIS reads from the same file.

    Args:
        path: GeoPackage to write.
        points: a GeoDataFrame with the field ``reference``.
        layer: name of the layer.
        legend: the classes that the form lists.

    Raises:
        OSError, RuntimeError, ValueError: from pyogrio, if the file cannot be written.
    """
    style = pd.DataFrame(
        {
            "f_table_catalog": "",
            "f_table_schema": "",
            "f_table_name": layer,
            "f_geometry_column": _GEOMETRY,
            "styleName": "geoseg",
            "styleQML": _qml([c for c in points.columns if c != "geometry"], legend),
            "styleSLD": "",
            "useAsDefault": True,
            "description": "Reference classes to be filled in",
            "owner": "",
            "update_time": "2000-01-01T00:00:00.000Z",  # QGIS takes the latest style
        },
        index=[0],
    )
    pyogrio.write_dataframe(points, path, layer=layer, layer_options={"GEOMETRY_NAME": _GEOMETRY})
    pyogrio.write_dataframe(style, path, layer="layer_styles")


def _qml(fields: list[str], legend: Legend) -> str:
    """Return a QGIS style: classes to choose for ``reference``, other fields hidden or fixed."""
    choices = "".join(
        f'<Option type="Map"><Option name={quoteattr(c.name)} value={quoteattr(c.name)} '
        'type="QString"/></Option>'
        for c in legend.classes
    )
    widgets = {
        "reference": (
            '<editWidget type="ValueMap"><config><Option type="Map">'
            f'<Option name="map" type="List">{choices}</Option></Option></config></editWidget>'
        ),
        # The interpreter of a point must not see the class of the map.
        "stratum": _HIDDEN,
        "inclusion_probability": _HIDDEN,
    }
    field_widgets = "\n".join(
        f"    <field name={quoteattr(name)}>{widgets.get(name, _TEXT)}</field>" for name in fields
    )
    editable = "\n".join(
        f'    <field name={quoteattr(name)} editable="{int(name == "reference")}"/>'
        for name in fields
    )
    return _FORM_QML.format(fields=field_widgets, editable=editable)


_HIDDEN = '<editWidget type="Hidden"><config><Option/></config></editWidget>'
_TEXT = '<editWidget type="TextEdit"><config><Option/></config></editWidget>'
_MARKER = (
    '<symbol type="marker" name="{name}" alpha="1" clip_to_extent="1"><layer class="SimpleMarker" '
    'enabled="1" pass="0" locked="0"><Option type="Map">'
    '<Option type="QString" name="name" value="circle"/>'
    '<Option type="QString" name="color" value="255,255,255,0"/>'
    '<Option type="QString" name="outline_color" value="{color},255"/>'
    '<Option type="QString" name="outline_width" value="0.6"/>'
    '<Option type="QString" name="size" value="4"/></Option></layer></symbol>'
)
_FORM_QML = (
    """<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22" styleCategories="Symbology|Fields|Forms">
  <renderer-v2 type="RuleRenderer" symbollevels="0" enableorderby="0" forceraster="0">
    <rules key="all">
      <rule key="open" symbol="0" label="to do"
        filter="&quot;reference&quot; IS NULL OR &quot;reference&quot; = ''"/>
      <rule key="done" symbol="1" label="done" filter="ELSE"/>
    </rules>
    <symbols>
      """
    + _MARKER.format(name=0, color="215,25,28")
    + "\n      "
    + _MARKER.format(name=1, color="26,150,65")
    + """
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
)
