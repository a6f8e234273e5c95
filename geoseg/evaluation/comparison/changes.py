"""The changes between two maps: pairs of classes, and a value of change.tif for each."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from geoseg.legend import DUBAI_MASKS, NODATA, LandCoverClass, Legend, class_key

MAX_CHANGES = 254
"""Number of values of change.tif, 1 to 254."""
MERGED_NAMES = _ALL_UNCHANGED, _REST = "unchanged", "other change"
"""Names of the values of change.tif with several pairs of classes."""
_REST_COLOR = "#1a1a1a"
_FROM_SHARE, _WHITE_SHARE = 0.3, 0.72
"""Share of the old class in the colour of a change, share of white in that of no change."""

Number = TypeVar("Number", np.int64, np.float64)

Pair = tuple[int, int]
"""Values of a class in map A and in map B."""


@dataclass(frozen=True, slots=True)
class Change:
    """A value of change.tif."""

    value: int
    name: str
    """Such as "forest to crop" or "forest unchanged"."""
    color: str
    pairs: tuple[Pair, ...]
    """Class values in A and B; several if there are more than 254 pairs."""

    @property
    def is_change(self) -> bool:
        """Whether the class differs."""
        return self.pairs[0][0] != self.pairs[0][1]


@dataclass(frozen=True, slots=True, eq=False)
class ChangeTable:
    """All pairs of classes that occur, each with a value of change.tif."""

    changes: tuple[Change, ...]
    """In order of value; unchanged classes too."""
    codes: NDArray[np.uint8]
    """(256, 256) value of change.tif by class value in A and B, 255 for pairs that do not occur
    and for nodata."""
    rest: int
    """Number of pairs of different classes in "other change", at least 2; 0 if there is none."""

    def sums(self, by_pair: NDArray[Number]) -> NDArray[Number]:
        """Add up numbers (256, 256) of pairs of class values; return a sum for each change."""
        sums = [by_pair[tuple(np.transpose(change.pairs))].sum() for change in self.changes]
        return np.array(sums, by_pair.dtype)

    def legend(self, *, changed_only: bool) -> Legend:
        """Return the legend of change.tif, without unchanged classes if ``changed_only``."""
        kept = (c for c in self.changes if c.is_change or not changed_only)
        return Legend(tuple(LandCoverClass(c.value, c.name, c.color) for c in kept))

    @property
    def is_merged(self) -> bool:
        """Whether there are more than 254 pairs, so that a value has several."""
        return any(len(c.pairs) > 1 for c in self.changes)

    @property
    def is_change(self) -> NDArray[np.bool_]:
        """(changes,) whether the class differs."""
        return np.array([c.is_change for c in self.changes])


def make_change_table(pixels: NDArray[np.int64], legend: Legend) -> ChangeTable:
    """Give a value to each pair of classes that occurs, in order of the classes of A, then of B.

    If there are more than 254 pairs, the most frequent changes have values of their own. The other
    changes together are "other change", and all unchanged classes together are "unchanged".

    Args:
        pixels: (256, 256) pixels by class value in A and B.
        legend: the classes.
    """
    groups, rest = _group_pairs([pair for pair in _all_pairs(legend) if pixels[pair]], pixels)
    changes, names, colors = [], set[str](), {c.color for c in DUBAI_MASKS.classes}
    codes = np.full((NODATA + 1, NODATA + 1), NODATA, np.uint8)
    for value, members in enumerate(groups, 1):
        name = _group_name(legend, members)
        name = f"{name} ({value})" if class_key(name) in names else name
        is_rest = bool(rest) and value == len(groups)
        color = _unused(_REST_COLOR if is_rest else _color(legend, members[0]), colors)
        names.add(class_key(name))
        colors.add(color)
        changes.append(Change(value, name, color, members))
        for pair in members:
            codes[pair] = value
    return ChangeTable(tuple(changes), codes, rest)


def _group_pairs(
    pairs: list[Pair], pixels: NDArray[np.int64]
) -> tuple[list[tuple[Pair, ...]], int]:
    """Return the pairs of each value of change.tif, and how many are in "other change"."""
    if len(pairs) <= MAX_CHANGES:
        return [(pair,) for pair in pairs], 0
    same = tuple(pair for pair in pairs if pair[0] == pair[1])
    changed = [pair for pair in pairs if pair[0] != pair[1]]
    values_left = MAX_CHANGES - bool(same)
    if len(changed) > values_left:
        values_left -= 1
    frequent = set(sorted(changed, key=lambda pair: -int(pixels[pair]))[:values_left])
    rest = tuple(pair for pair in changed if pair not in frequent)
    groups = [same, *((pair,) for pair in changed if pair in frequent), rest]
    return [group for group in groups if group], len(rest)


def _group_name(legend: Legend, pairs: tuple[Pair, ...]) -> str:
    if len(pairs) == 1:
        return pair_name(legend, pairs[0])
    return _ALL_UNCHANGED if pairs[0][0] == pairs[0][1] else _REST


def pair_name(legend: Legend, pair: Pair) -> str:
    """Return the name of a change, such as "forest to crop" or "forest unchanged"."""
    before, after = (legend.classes[legend.values.index(value)].name for value in pair)
    return f"{before} unchanged" if pair[0] == pair[1] else f"{before} to {after}"


def pairs_by_name(legend: Legend) -> dict[str, Pair]:
    """Return all pairs of classes by their names in lower case, also those that do not occur."""
    return {class_key(pair_name(legend, pair)): pair for pair in _all_pairs(legend)}


def _all_pairs(legend: Legend) -> list[Pair]:
    return [(before, after) for before in legend.values for after in legend.values]


def _color(legend: Legend, pair: Pair) -> str:
    """Return the colour of the new class mixed with the old one; a pale colour if unchanged."""
    before, after = (
        np.array(legend.classes[legend.values.index(value)].rgb, np.float64) for value in pair
    )
    if pair[0] == pair[1]:
        mixed = _WHITE_SHARE * 255 + (1 - _WHITE_SHARE) * after
    else:
        mixed = _FROM_SHARE * before + (1 - _FROM_SHARE) * after
    return "#{:02x}{:02x}{:02x}".format(*mixed.round().astype(int).tolist())


def _unused(color: str, used: set[str]) -> str:
    """Return the colour, or the next one that is not in use: each value has its own colour.

    The colours of the Dubai masks count as used, because a palette with one of them is read as that
    of a colour mask.
    """
    number = int(color[1:], 16)
    while f"#{number:06x}" in used:
        number = (number + 1) % (1 << 24)
    return f"#{number:06x}"
