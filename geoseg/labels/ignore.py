"""Labels that count as "not labelled": the classes, values and colours of ``--ignore``."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from geoseg.errors import LabelError, check_list, short_list
from geoseg.legend import Legend, class_key

_VALUE = re.compile(r"-?[0-9]+")
_COLOR = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class IgnoreSpec:
    """What to read as "not labelled".

    A text is the name of a class, if the legend has a class of this name. Otherwise a whole number
    is a class value, and #rrggbb is a colour. Case and outer blanks do not count.
    """

    texts: tuple[str, ...] = ()
    """Names, values and colours, in lower case and without outer blanks."""

    @classmethod
    def parse(cls, texts: Sequence[str]) -> "IgnoreSpec":
        """Read the texts of ``--ignore``.

        Raises:
            LabelError: if a text begins with # and is not of the form #rrggbb.
            GeosegError: if ``texts`` is one text in place of a list.
        """
        check_list("ignore", texts)
        spec = cls(tuple(class_key(text) for text in texts))
        for text in spec.texts:
            if text.startswith("#") and not _COLOR.fullmatch(text):
                raise LabelError(f"colour {text!r} to ignore must have the form #rrggbb")
        return spec

    def values_in(self, legend: Legend) -> frozenset[int]:
        """Values of the classes of a legend that are ignored."""
        return frozenset[int]().union(*(_matches(text, legend) for text in self.texts))

    def codes(self, legend: Legend, *, colors: bool) -> frozenset[int]:
        """Codes of the pixels of a raster that are ignored, with a class in the legend or not.

        Args:
            legend: the classes, in the colours of the raster.
            colors: whether codes are colours (see `to_code`) or class values.
        """
        ignored, pattern = self.values_in(legend), _COLOR if colors else _VALUE
        classes = [c for c in legend.classes if c.value in ignored]
        codes = {to_code(c.color) if colors else c.value for c in classes}
        texts = [text for text in self.unmatched_in(legend) if pattern.fullmatch(text)]
        return frozenset(codes.union(map(to_code, texts)))

    def unmatched_in(self, *legends: Legend) -> list[str]:
        """The texts that mean no class of any of these legends."""
        return [text for text in self.texts if not any(_matches(text, of) for of in legends)]

    def unknown_names(self, *legends: Legend) -> list[str]:
        """The texts that mean no class of these legends, and are neither a value nor a colour."""
        texts = self.unmatched_in(*legends)
        return [text for text in texts if not (_VALUE.fullmatch(text) or _COLOR.fullmatch(text))]

    def check_names(self, classes: Mapping[str, Legend | Collection[str]]) -> None:
        """Refuse a name to be ignored that is no class.

        Args:
            classes: by what has them, for the message, such as "map a.tif": a legend, or class
                names as `class_text` returns them.

        Raises:
            LabelError: if there is one.
        """
        legends = [known for known in classes.values() if isinstance(known, Legend)]
        names = {
            what: known.names if isinstance(known, Legend) else known
            for what, known in classes.items()
        }
        places = " nor of ".join(f"{what} ({short_list(of)})" for what, of in names.items())
        for name in self.unknown_names(*legends):
            if not any(name in of for of in names.values()):
                raise LabelError(
                    f"{name!r} is to be ignored, but is no class of {places}, correct it (--ignore)"
                )


def class_text(value: Any) -> str:  # noqa: ANN401 - a cell of any type
    """Return the class of a feature in the form of `IgnoreSpec.texts`: 3.0 is "3"."""
    whole = isinstance(value, Real) and float(value).is_integer()
    return class_key(str(int(value) if whole else value))


def _matches(text: str, legend: Legend) -> set[int]:
    """Values of the classes that a text means: one by name or value, perhaps several by colour."""
    known = legend.find(text)
    return {known.value} if known else {c.value for c in legend.classes if c.color == text}


def to_code(text: str) -> int:
    """Convert a decimal number, or #rrggbb to red * 65536 + green * 256 + blue."""
    return int(text[1:], 16) if text.startswith("#") else int(text)
