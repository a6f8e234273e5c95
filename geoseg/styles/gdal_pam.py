"""Write and read class names in the PAM sidecar of GDAL, which rasterio cannot."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from geoseg.errors import LabelError
from geoseg.legend import Legend

_NAME, _VALUE = 2, 5
# GDALRATFieldUsage and GDALRATFieldType (0 integer, 2 string) of each column, see gdal.h.
_COLUMNS = (
    ("Value", 0, _VALUE),
    ("Class", 2, _NAME),
    ("Red", 0, 6),
    ("Green", 0, 7),
    ("Blue", 0, 8),
    ("Alpha", 0, 9),
    ("Count", 0, 1),
)


def pam_sidecar(legend: Legend, pixels: Sequence[int]) -> str:
    """Return the text of ``<raster>.aux.xml``: category names and a thematic attribute table.

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
    """Read the class names of a raster's first band from ``<raster>.aux.xml``, or else from a VRT.

    These are the category names, or else the names in the attribute table.

    Returns:
        Value to name, without empty names; empty if there is no local sidecar or no name in it.

    Raises:
        LabelError: if the sidecar is damaged.
    """
    names = _names_in(Path(f"{path}.aux.xml"), "PAMRasterBand")
    if not names and Path(path).suffix.lower() == ".vrt":
        return _names_in(Path(path), "VRTRasterBand")
    return names


def _names_in(file: Path, element: str) -> dict[int, str]:
    """Read the class names in a file from an element of the first band."""
    try:
        root = ET.fromstring(file.read_bytes())  # noqa: S314 - no external entities
        band = root.find(f"{element}[@band='1']")
        if band is None:
            return {}
        names = [(name.text or "").strip() for name in band.iterfind("CategoryNames/Category")]
        table = band.find("GDALRasterAttributeTable")
        by_value = dict(enumerate(names)) if names or table is None else _table_names(table)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, OverflowError, LookupError, ET.ParseError) as error:
        raise LabelError(f"cannot read {file} ({error}), delete it or write it again") from None
    return {value: text for value, text in by_value.items() if text}


def _table_names(table: ET.Element) -> dict[int, str]:
    usages = [int(field.findtext("Usage") or -1) for field in table.iterfind("FieldDefn")]
    if _VALUE not in usages or _NAME not in usages:
        return {}
    value, name = usages.index(_VALUE), usages.index(_NAME)
    rows = [[cell.text or "" for cell in row.iterfind("F")] for row in table.iterfind("Row")]
    return {int(float(row[value])): row[name].strip() for row in rows if len(row) == len(usages)}
