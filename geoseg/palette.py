"""Map colours for class names: water is blue, trees are dark green, buildings are red.

The hues are those of common land-cover maps (ESA WorldCover 2021, NLCD): blue for water, teal for
wetland, dark green for trees, light green for grass, yellow for crops, red for built-up land,
beige for bare land and nearly white for snow. A search for the shades maximised the smallest colour
difference, also for people with protanopia, deuteranopia and tritanopia (simulated after Machado et
al. 2009): the first colours of all groups differ by a CIEDE2000 of at least 9.
"""

import colorsys
import re
from collections.abc import Collection, Iterator, Sequence
from itertools import chain, count

_BARE_COLORS = "#d6b976", "#f3e6c4", "#a58a55"
_REST_COLORS = "#b8b8b8", "#d9d9d9"


_GROUPS = {
    "wetland marsh swamp bog fen mangrove peat peatland mire": ("#007c89", "#4fd0d0"),
    "water waterbody lake river sea ocean pond reservoir lagoon canal stream": (
        "#0a50cd", "#5aaaf5", "#06246e",
    ),
    "snow ice glacier firn": ("#f2fbff", "#cfe4f2"),
    "road street highway path pavement paved asphalt rail railway runway parking": (
        "#636363", "#3a3a3a", "#8e8e8e",
    ),
    "building built builtup house roof urban city town settlement developed residential "
    "industrial commercial impervious artificial": ("#c30006", "#f0736a", "#780000"),
    "bare barren sparse": _BARE_COLORS,
    "grass grassland meadow pasture lawn turf savanna savannah steppe rangeland herbaceous": (
        "#cff7ac", "#9fe05a",
    ),
    "crop cropland farm farmland agriculture agricultural arable cultivated field plantation "
    "orchard vineyard": ("#e6ee00", "#a8a800"),
    "shrub shrubland scrub scrubland bush bushland heath heathland": ("#bf6c0a", "#7d4a12"),
    "tree forest wood woodland jungle deciduous evergreen coniferous conifer broadleaf": (
        "#156b39", "#0a3d20", "#7c8a1c",
    ),
    "vegetation vegetated plant green greenery": ("#429e59", "#86d08e"),
    "land soil sand rock beach dune desert ground earth gravel dirt": _BARE_COLORS,
    "unlabelled unlabeled unclassified unknown undefined background other clutter": _REST_COLORS,
}  # fmt: skip
"""Words of each group (lower case, singular) and its colours (#rrggbb), the second and third for
further classes. A name belongs to the first group with one of its words, as in "woody wetland"."""

_NEGATIONS = frozenset({"no", "non", "not", "without"})
"""Words of names such as "not building", which mean the rest of the map."""

_QUALITATIVE = (
    "#e41a1c", "#4daf4a", "#377eb8", "#ff7f00", "#984ea3", "#ffff33", "#a65628", "#f781bf",
    "#66c2a5", "#fc8d62", "#8da0cb", "#e78ac3", "#a6d854", "#ffd92f", "#e5c494", "#b3b3b3",
)  # fmt: skip
"""ColorBrewer Set1 and Set2, where no name belongs to a group."""

_UNGROUPED = ("#c073ff", "#590046", "#f249b7", "#e2bfff", "#ff8c19", "#4500a6", "#59341b")
"""Colours of names without a group, if other names have one. Most are purple or pink, because no
group has these hues. They come from the same search."""

_GOLDEN_ANGLE = 137.508
"""Degrees; hues at multiples of it are far apart."""


def map_colors(names: Sequence[str]) -> list[str]:
    """Return a colour (#rrggbb) for each class name; all colours differ.

    A name with a word of a group, such as "Water" or "bare soil", gets a colour of the group,
    regardless of case and plural. Other names get qualitative colours in a fixed order.
    """
    colors: dict[int, str] = {}
    for number, name in enumerate(names):
        free = (c for c in _group_colors(name) if c not in colors.values())
        if color := next(free, None):
            colors[number] = color
    spare = chain(_UNGROUPED if colors else (), _QUALITATIVE, _hues())
    unused = (color for color in spare if color not in colors.values())
    for number in range(len(names)):
        if number not in colors:
            colors[number] = next(unused)
    return [colors[number] for number in range(len(names))]


def spare_color(name: str, used: Collection[str]) -> str:
    """Return a colour (#rrggbb) for one more class name that is none of the colours in use."""
    candidates = chain(_group_colors(name), _UNGROUPED, _QUALITATIVE, _hues())
    return next(color for color in candidates if color not in used)


def _group_colors(name: str) -> tuple[str, ...]:
    words = set(re.findall(r"[^\W\d_]+", name.casefold()))
    if words & _NEGATIONS:
        return _REST_COLORS
    words |= {word.removesuffix(end) for word in words for end in ("s", "es")}
    return next((colors for group, colors in _GROUPS.items() if words & {*group.split()}), ())


def _hues() -> Iterator[str]:
    """Yield colours of evenly spaced hues without end."""
    for number in count(1):
        hue = number * _GOLDEN_ANGLE % 360 / 360
        rgb = colorsys.hsv_to_rgb(hue, (0.85, 0.5)[number % 2], (0.9, 0.6, 0.75)[number % 3])
        yield "#{:02x}{:02x}{:02x}".format(*(round(255 * part) for part in rgb))
