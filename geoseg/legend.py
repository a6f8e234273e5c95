"""The classes of a map: value, name and colour, and the value that means no data."""

import csv
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from numbers import Integral
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

from geoseg.errors import LabelError, check_type
from geoseg.palette import map_colors

NODATA = 255
"""Value for "no data" in geoseg's own labels."""

_LARGEST = 255
"""Labels are bytes."""

_CONTROL = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class LandCoverClass:
    """One class.

    Raises:
        LabelError: if the value is not a whole number in 0..255, the name is not a text, is empty
            or holds control characters (which neither XML nor a line of CSV can), or the colour is
            not #RRGGBB.
    """

    value: int
    """Value in the labels, 0..255."""
    name: str
    """Without blanks around it."""
    color: str
    """#rrggbb, lower case."""

    def __post_init__(self) -> None:
        value: object = self.value
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise LabelError(f"class value {shortened(value)} is not a whole number in 0..255")
        object.__setattr__(self, "value", int(value))
        if not 0 <= self.value <= _LARGEST:
            raise LabelError(
                f"class value {shortened(value)} is not in 0..255, renumber the classes"
            )
        check_type("class name", self.name, str)
        check_type("colour", self.color, str)
        if not self.name.strip():
            raise LabelError(f"class {self.value} has no name, give it one in the legend")
        if _CONTROL.search(self.name.strip()):
            raise LabelError(
                f"the name {self.name!r} of class {self.value} holds a line break or another "
                "control character, write it on one line"
            )
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", self.color):
            raise LabelError(
                f"colour {self.color!r} of class {self.name!r} is not of the form #rrggbb"
            )
        object.__setattr__(self, "name", self.name.strip())
        object.__setattr__(self, "color", self.color.lower())

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green, blue, each 0..255."""
        return (int(self.color[1:3], 16), int(self.color[3:5], 16), int(self.color[5:7], 16))


@dataclass(frozen=True, slots=True)
class Legend:
    """The classes in ascending order of value.

    A model's output channel ``i`` is ``classes[i]``; labels on disk hold ``classes[i].value``.

    Raises:
        LabelError: if there is no class, one has the value for no data, or two share a value, or
            a name (but for its case).
    """

    classes: tuple[LandCoverClass, ...]
    nodata: int | None = NODATA
    """Value that means no data, and no class; None where every value is a class."""

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.classes, key=lambda c: c.value))
        object.__setattr__(self, "classes", ordered)
        if not ordered:
            raise LabelError("a legend needs at least one class")
        for c in ordered:
            if c.value == self.nodata:
                raise LabelError(
                    f"class {c.name!r} has the value {c.value}, which means no data, "
                    "renumber the classes"
                )
        for one, next_ in pairwise(ordered):
            if one.value == next_.value:
                raise LabelError(f"two classes of the legend share the value {one.value}")
        for one, next_ in pairwise(sorted(ordered, key=lambda c: c.name.casefold())):
            if one.name.casefold() == next_.name.casefold():
                raise LabelError(f"two classes of the legend share the name {next_.name!r}")

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def values(self) -> tuple[int, ...]:
        """Label values, ascending."""
        return tuple(c.value for c in self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Class names, in order of value."""
        return tuple(c.name for c in self.classes)

    def same_classes(self, other: "Legend") -> bool:
        """Whether both legends have the same values and names; colours may differ."""
        return self.values == other.values and self.names == other.names

    def value_of(self, name: str) -> int:
        """Value of the class called ``name`` (case and outer blanks do not count).

        Raises:
            LabelError: if there is no such class.
        """
        for c in self.classes:
            if c.name.casefold() == name.strip().casefold():
                return c.value
        raise LabelError(f"{name!r} is not in the legend ({', '.join(self.names)}), add it there")

    def only(self, values: Collection[int]) -> "Legend":
        """The classes with these values; all of them where none is among them."""
        chosen = tuple(c for c in self.classes if c.value in values)
        return Legend(chosen or self.classes, self.nodata)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {"classes": [asdict(c) for c in self.classes]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Legend":
        """The inverse of `to_dict`.

        Models and tile sets of early versions have the colours of the Dubai masks; they get the
        map colours of the same classes.
        """
        legend = cls(
            tuple(LandCoverClass(c["value"], c["name"], c["color"]) for c in data["classes"])
        )
        return DUBAI if legend == DUBAI_MASKS else legend

    @classmethod
    def from_names(cls, names: list[str]) -> "Legend":
        """Classes 0, 1, ... with these names, in the colours that `map_colors` gives them."""
        colors = map_colors(names)
        return cls(
            tuple(
                LandCoverClass(i, *pair) for i, pair in enumerate(zip(names, colors, strict=True))
            )
        )

    def to_csv(self) -> str:
        """The legend as CSV text: value,name,color."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["value", "name", "color"])
        rows.writerows([c.value, c.name, c.color] for c in self.classes)
        return text.getvalue()

    def to_qml(self) -> str:
        """A QGIS layer style for the label raster."""
        entries = "\n".join(
            f'        <paletteEntry value="{c.value}" color="{c.color}" alpha="255" '
            f'label="{_escape(c.name)}"/>'
            for c in self.classes
        )
        return _RASTER_QML.format(entries=entries)

    def to_polygon_qml(self) -> str:
        """A QGIS layer style for polygons with a `class_id` field."""
        categories = "\n".join(
            f'      <category value="{c.value}" type="long" symbol="{i}" render="true" '
            f'label="{_escape(c.name)}"/>'
            for i, c in enumerate(self.classes)
        )
        symbols = "\n".join(_fill_symbol(i, c) for i, c in enumerate(self.classes))
        return _POLYGON_QML.format(categories=categories, symbols=symbols)


DUBAI_MASKS = Legend(
    (
        LandCoverClass(0, "building", "#3c1098"),
        LandCoverClass(1, "land", "#8429f6"),
        LandCoverClass(2, "road", "#6ec1e4"),
        LandCoverClass(3, "vegetation", "#fedd3a"),
        LandCoverClass(4, "water", "#e2a929"),
        LandCoverClass(5, "unlabelled", "#9b9b9b"),
    )
)
"""The six classes of the Dubai aerial imagery in the colours of its masks, for reading these."""

DUBAI = Legend.from_names(list(DUBAI_MASKS.names))
"""The same classes in map colours, for tile sets, models and maps."""


def read_legend(path: str | Path, *, nodata: int | None = NODATA) -> Legend:
    """Read a legend: CSV (value,name,color), QGIS style (.qml) or QGIS colour map (.txt, .clr).

    Args:
        path: of the file.
        nodata: value that means no data, None for none.

    Raises:
        LabelError: if the file cannot be read as any of these.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise LabelError(f"legend {path} is neither .csv, .qml, .txt nor .clr")
    try:
        return Legend(tuple(reader(path.read_text(encoding="utf-8-sig"))), nodata)
    except FileNotFoundError:
        raise LabelError(f"legend {path} does not exist, check the path") from None
    except LabelError as error:
        raise LabelError(f"legend {path}: {error}") from None
    except (KeyError, ValueError, OSError, csv.Error, ET.ParseError) as error:
        reason = f"there is no {error}" if isinstance(error, KeyError) else error
        raise LabelError(
            f"legend {path} cannot be read ({reason}), "
            "expected a CSV with the columns value,name,color or a QGIS palette"
        ) from None


def as_legend(legend: Legend | str | Path | None, *, nodata: int | None = NODATA) -> Legend | None:
    """Return a legend as it is, or read the file of one; None stays None.

    Args:
        legend: a legend, or the path of a file.
        nodata: value that means no data in a file, None for none.

    Raises:
        LabelError: if the file cannot be read as a legend.
    """
    return read_legend(legend, nodata=nodata) if isinstance(legend, str | Path) else legend


def _read_csv(text: str) -> list[LandCoverClass]:
    lines = io.StringIO(text, newline="")  # keeps line breaks in quotes, which are then refused
    rows = csv.DictReader(lines, skipinitialspace=True, restval="")
    return [LandCoverClass(int(r["value"]), r["name"], r["color"].strip()) for r in rows]


def _read_qml(text: str) -> list[LandCoverClass]:
    entries = ET.fromstring(text).iter("paletteEntry")  # noqa: S314 - no external entities
    cells = [
        (int(e.attrib["value"]), e.attrib.get("label", ""), e.attrib["color"]) for e in entries
    ]
    return [LandCoverClass(v, label or str(v), color) for v, label, color in cells if v < NODATA]


def _read_color_map(text: str) -> list[LandCoverClass]:
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"[,\s]+", line.strip(), maxsplit=5)]
        if len(cells) < 4 or not cells[0].isdigit() or int(cells[0]) >= NODATA:
            continue
        color = "#{:02x}{:02x}{:02x}".format(*(int(c) for c in cells[1:4]))
        found.append(LandCoverClass(int(cells[0]), "".join(cells[5:]) or cells[0], color))
    return found


_READERS = {
    ".csv": _read_csv,
    ".qml": _read_qml,
    ".txt": _read_color_map,
    ".clr": _read_color_map,
}


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
