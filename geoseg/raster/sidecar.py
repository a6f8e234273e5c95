"""Category names and attribute table in GDAL's PAM sidecar, for which rasterio has no call."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from geoseg.errors import LabelError
from geoseg.legend import Legend

# GDALRATFieldUsage and GDALRATFieldType (0 integer, 2 string) of each column, see gdal.h.
_COLUMNS = (
    ("Value", 0, 5),
    ("Class", 2, 2),
    ("Red", 0, 6),
    ("Green", 0, 7),
    ("Blue", 0, 8),
    ("Alpha", 0, 9),
    ("Count", 0, 1),
)


def pam_sidecar(legend: Legend, pixels: Sequence[int]) -> str:
    """Text of ``<raster>.aux.xml``: category names by value, and a thematic attribute table.

    Args:
        legend: the classes.
        pixels: number of pixels of each class.
    """
    by_value = {c.value: c.name for c in legend.classes}
    names = [by_value.get(value, "") for value in range(max(by_value) + 1)]
    categories = "\n".join(f"      <Category>{escape(name)}</Category>" for name in names)
    fields = "\n".join(
        f'      <FieldDefn index="{i}"><Name>{name}</Name><Type>{kind}</Type>'
        f"<Usage>{usage}</Usage></FieldDefn>"
        for i, (name, kind, usage) in enumerate(_COLUMNS)
    )
    rows = "\n".join(
        f'      <Row index="{i}">'
        + "".join(f"<F>{escape(str(v))}</F>" for v in (c.value, c.name, *c.rgb, 255, n))
        + "</Row>"
        for i, (c, n) in enumerate(zip(legend.classes, pixels, strict=True))
    )
    return f"""<PAMDataset>
  <PAMRasterBand band="1">
    <CategoryNames>
{categories}
    </CategoryNames>
    <GDALRasterAttributeTable tableType="thematic">
{fields}
{rows}
    </GDALRasterAttributeTable>
  </PAMRasterBand>
</PAMDataset>
"""


def read_categories(path: str | Path) -> dict[int, str]:
    """Category names of a raster's first band, from its ``<raster>.aux.xml``.

    Returns:
        Value to name, without empty names; empty where there is no local sidecar or none in it.

    Raises:
        LabelError: if the sidecar is damaged.
    """
    sidecar = Path(f"{path}.aux.xml")
    try:
        root = ET.fromstring(sidecar.read_bytes())  # noqa: S314 - no external entities
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, ET.ParseError) as error:
        raise LabelError(f"cannot read {sidecar} ({error}), delete it or write it again") from None
    names = root.iterfind("PAMRasterBand[@band='1']/CategoryNames/Category")
    texts = ((name.text or "").strip() for name in names)
    return {value: text for value, text in enumerate(texts) if text}
