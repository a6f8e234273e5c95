"""The legend of a map: value, name and colour of its classes, and its nodata value."""

import csv
import io
import re
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from numbers import Integral
from pathlib import Path
from reprlib import repr as short_repr
from typing import Any

from geoseg.errors import LabelError, check_type
from geoseg.palette import map_colors

NODATA = 255
"""Nodata value of geoseg's own labels."""

TOP_SCORE = 255
"""Value of a score of 1 in rasters of confidence and probabilities."""

_MAX_VALUE = 255
"""Largest label value; labels are bytes."""

_CONTROL = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def class_key(name: str) -> str:
    """Return a class name in the form in which names are compared.

    Case, spaces around it and the way in which Unicode composes accents do not count.

    >>> class_key(" Forêt") == class_key("fore\u0302t")
    True
    """
    return unicodedata.normalize("NFC", name).strip().casefold()


@dataclass(frozen=True, slots=True)
class LandCoverClass:
    """A land-cover class.

    Raises:
        LabelError: if the value is not a whole number in 0..255, the name is empty or contains
            control characters (which XML and CSV cannot), or the colour is not #rrggbb.
    """

    value: int
    """Value in the labels, 0..255."""
    name: str
    """Name, without spaces around it."""
    color: str
    """Colour as #rrggbb, in lower case."""

    def __post_init__(self) -> None:
        value: object = self.value
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise LabelError(f"class value {short_repr(value)} is not a whole number in 0..255")
        object.__setattr__(self, "value", int(value))
        if not 0 <= self.value <= _MAX_VALUE:
            raise LabelError(
                f"class value {short_repr(value)} is not in 0..255, renumber the classes"
            )
        check_type("class name", self.name, str)
        check_type("colour", self.color, str)
        if not self.name.strip():
            raise LabelError(f"class {self.value} has no name, give it one in the legend")
        if _CONTROL.search(self.name.strip()):
            raise LabelError(
                f"the name {self.name!r} of class {self.value} contains a line break or another "
                "control character, write it on one line"
            )
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", self.color):
            raise LabelError(
                f"colour {self.color!r} of class {self.name!r} is not of the form #rrggbb"
            )
        name = unicodedata.normalize("NFC", self.name.strip())
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "color", self.color.lower())

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green, blue, each 0..255."""
        return (int(self.color[1:3], 16), int(self.color[3:5], 16), int(self.color[5:7], 16))


@dataclass(frozen=True, slots=True)
class Legend:
    """The classes of a map in ascending order of value.

    A model's output channel ``i`` is ``classes[i]``; labels on disk hold ``classes[i].value``.

    Raises:
        LabelError: if there is no class, a class has the nodata value, or two classes have the
            same value or the same name (regardless of case).
    """

    classes: tuple[LandCoverClass, ...]
    nodata: int | None = NODATA
    """Nodata value; None where every value is a class."""

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
        for a, b in pairwise(ordered):
            if a.value == b.value:
                raise LabelError(f"two classes of the legend share the value {a.value}")
        for a, b in pairwise(sorted(ordered, key=lambda c: class_key(c.name))):
            if class_key(a.name) == class_key(b.name):
                raise LabelError(f"two classes of the legend share the name {b.name!r}")

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

    def same_classes(self, legend: "Legend") -> bool:
        """Return whether both legends have the same values and names (see `class_key`).

        Colours may differ.
        """
        own, others = ([(c.value, class_key(c.name)) for c in of.classes] for of in (self, legend))
        return own == others

    def value_of(self, name: str) -> int:
        """Return the value of the class ``name``, see `class_key`.

        Raises:
            LabelError: if there is no such class.
        """
        for c in self.classes:
            if class_key(c.name) == class_key(name):
                return c.value
        raise LabelError(f"{name!r} is not in the legend ({', '.join(self.names)}), add it there")

    def find(self, text: str) -> LandCoverClass | None:
        """Return the class with a name (see `class_key`), or else with a value; None if none."""
        name = class_key(text)
        value = int(name) if name.isdecimal() else None
        named = [c for c in self.classes if class_key(c.name) == name]
        return next(iter(named or [c for c in self.classes if c.value == value]), None)

    def subset(self, values: Collection[int]) -> "Legend":
        """Return the classes with these values, or all classes if none has."""
        classes = tuple(c for c in self.classes if c.value in values)
        return Legend(classes or self.classes, self.nodata)

    def to_dict(self) -> dict[str, Any]:
        """Return the classes as plain data, for JSON."""
        return {"classes": [asdict(c) for c in self.classes]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Legend":
        """Invert `to_dict`.

        Models and tile sets of early versions have the colours of the Dubai masks, and get the map
        colours.
        """
        legend = cls(
            tuple(LandCoverClass(c["value"], c["name"], c["color"]) for c in data["classes"])
        )
        return DUBAI if legend == DUBAI_MASKS else legend

    @classmethod
    def from_names(cls, names: list[str]) -> "Legend":
        """Return classes 0, 1, ... with these names and the colours of `map_colors`."""
        return cls(tuple(map(LandCoverClass, range(len(names)), names, map_colors(names))))

    def to_csv(self) -> str:
        """Return the legend as CSV text: value,name,color."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["value", "name", "color"])
        rows.writerows([c.value, c.name, c.color] for c in self.classes)
        return text.getvalue()


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
"""The six classes of the Dubai aerial imagery, in the colours of its masks."""

DUBAI = Legend.from_names(list(DUBAI_MASKS.names))
"""The Dubai legend: the same classes in map colours, for tile sets, models and maps."""


def read_legend(path: str | Path, *, nodata: int | None = NODATA) -> Legend:
    """Read a legend: CSV (value,name,color), QGIS style (.qml) or QGIS colour map (.txt, .clr).

    Args:
        path: of the file.
        nodata: nodata value; None if every value is a class.

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
    """Return a legend as it is, or `read_legend` of a path; None stays None.

    Raises:
        LabelError: if the file cannot be read as a legend.
    """
    return read_legend(legend, nodata=nodata) if isinstance(legend, str | Path) else legend


def _read_csv(text: str) -> list[LandCoverClass]:
    lines = io.StringIO(text, newline="")  # keeps line breaks in quotes, which a name must not have
    rows = csv.DictReader(lines, skipinitialspace=True, restval="")
    return [LandCoverClass(int(r["value"]), r["name"], r["color"].strip()) for r in rows]


def _read_qml(text: str) -> list[LandCoverClass]:
    entries = ET.fromstring(text).iter("paletteEntry")  # noqa: S314 - no external entities
    cells = [
        (int(e.attrib["value"]), e.attrib.get("label", ""), e.attrib["color"]) for e in entries
    ]
    return [LandCoverClass(v, label or str(v), color) for v, label, color in cells if v < NODATA]


def _read_color_map(text: str) -> list[LandCoverClass]:
    classes = []
    for line in text.splitlines():
        cells = re.split(r"[,\s]+", line.strip(), maxsplit=4)
        if len(cells) < 4 or not cells[0].isdigit() or int(cells[0]) >= NODATA:
            continue
        color = "#{:02x}{:02x}{:02x}".format(*(int(c) for c in cells[1:4]))
        name = re.sub(r"^\d+([,\s]+|$)", "", "".join(cells[4:]))  # without alpha, if there is any
        classes.append(LandCoverClass(int(cells[0]), name or cells[0], color))
    return classes


_READERS = {".csv": _read_csv, ".qml": _read_qml, ".txt": _read_color_map, ".clr": _read_color_map}
