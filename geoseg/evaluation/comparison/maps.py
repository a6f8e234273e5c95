"""Two maps on one grid, in the values of one legend."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import EvaluateError, redact
from geoseg.evaluation.comparison.settings import CompareSettings
from geoseg.labels import (
    IgnoreSpec,
    LabelSource,
    RecodedLabels,
    open_map,
    open_on_grid,
    was_warped,
    without_ignored,
)
from geoseg.legend import NODATA, LandCoverClass, Legend, as_legend, class_key
from geoseg.palette import spare_color
from geoseg.raster import Scene


@dataclass(frozen=True, slots=True, eq=False)
class MapPair:
    """Two maps of one place."""

    path_a: str
    path_b: str
    scene: Scene
    """The grid of map A."""
    a: LabelSource
    """Labels of map A in the values of ``legend``."""
    b: LabelSource
    """Labels of map B on the grid of A, in the values of ``legend``."""
    legend: Legend
    """The classes of both maps that are not ignored; those of A have the values of A."""
    all_classes: Legend
    """``legend`` with the ignored classes."""
    notes: tuple[str, ...]
    """How the maps were matched, as sentences without a full stop."""
    ignored_elsewhere: tuple[str, ...] = ()
    """Names to be ignored that are no class of a map, in lower case; the reference has them."""

    @property
    def names(self) -> tuple[str, str]:
        """File names of the maps, with their folders if both have the same name."""
        paths = Path(redact(self.path_a)), Path(redact(self.path_b))
        if paths[0].name != paths[1].name:
            return paths[0].name, paths[1].name
        first, second = ("/".join(path.parts[-2:]) for path in paths)
        return first, second


def open_maps(a: str, b: str, settings: CompareSettings, *, has_reference: bool) -> MapPair:
    """Open two maps; B is warped onto the grid of A (nearest pixel) if it has another grid.

    Classes are matched by name, or by value if the maps have no class name in common. A class that
    only B has gets a value that A does not use.

    Args:
        a: path of map A.
        b: path of map B.
        settings: legends, and the classes to be ignored.
        has_reference: whether there is a reference; then its own classes may be ignored too.

    Raises:
        EvaluateError: if the maps have no class in common, or more than 255 classes together.
        LabelError: if a map is not a class raster, has no classes, or a class to be ignored is
            unknown.
        SceneError: if a map cannot be opened, or B cannot be warped.
    """
    ignore = settings.ignore
    scene, labels_a = open_map(a, as_legend(settings.legend_a), ignore)
    labels_b = open_on_grid(b, scene, labels_a.legend, as_legend(settings.legend_b), ignore)
    spec = IgnoreSpec.parse(ignore)
    if not has_reference:
        spec.check_names({f"map {a}": labels_a.legend, f"map {b}": labels_b.legend})
    legend, table, notes = _common_legend(labels_a.legend, labels_b.legend, a, b)
    if was_warped(labels_b):
        notes.append(
            "B is on another grid than A: each pixel of A was compared with the nearest pixel of B"
        )
    recoded = RecodedLabels(labels_b, legend, table)
    return MapPair(
        a, b, scene, labels_a, recoded, without_ignored(legend, ignore), legend, tuple(notes),
        tuple(spec.unknown_names(labels_a.legend, labels_b.legend)),
    )  # fmt: skip


def _common_legend(
    a: Legend, b: Legend, path_a: str, path_b: str
) -> tuple[Legend, NDArray[np.uint8], list[str]]:
    """Return the classes of both maps, the value in them (256,) of each value of B, and notes."""
    notes = list[str]()
    by_name = {class_key(c.name): c.value for c in a.classes}
    matched = {c.value: by_name.get(class_key(c.name)) for c in b.classes}
    if not any(value is not None for value in matched.values()):
        matched = {value: value if value in a.values else None for value in b.values}
        if not any(value is not None for value in matched.values()):
            raise EvaluateError(
                f"maps {path_a} ({', '.join(a.names)}) and {path_b} ({', '.join(b.names)}) have no "
                "class in common, give legends with the same names (--legend-a, --legend-b)"
            )
        notes.append("The maps have no class name in common, so classes are matched by their value")
    only_b = [c for c in b.classes if matched[c.value] is None]
    only_a = [c.name for c in a.classes if c.value not in matched.values()]
    for names, own_map, other_map in ((only_a, "A", "B"), ([c.name for c in only_b], "B", "A")):
        if names:
            notes.append(f"Classes of {own_map} that {other_map} does not have: {', '.join(names)}")
    free = [value for value in range(NODATA) if value not in a.values]
    if len(only_b) > len(free):
        raise EvaluateError(
            f"maps {path_a} and {path_b} have {len(a) + len(only_b)} classes together, but 255 is "
            "the maximum, merge classes or ignore some (--ignore)"
        )
    # A class that only B has keeps its value if A does not use this value.
    own = {c.value for c in only_b} & set(free)
    rest = iter([value for value in free if value not in own])
    classes = [*a.classes]
    for c in only_b:
        matched[c.value] = value = c.value if c.value in own else next(rest)
        used = {known.color for known in classes}
        color = spare_color(c.name, used) if c.color in used else c.color
        classes.append(replace(c, value=value, color=color))
    table = np.full(NODATA + 1, NODATA, np.uint8)
    for value, common in matched.items():
        table[value] = NODATA if common is None else common
    return Legend(_with_own_names(classes)), table, notes


def _with_own_names(classes: list[LandCoverClass]) -> tuple[LandCoverClass, ...]:
    """Return the classes with unique names: a repeated name gets its class value in brackets."""
    names, result = set[str](), []
    for c in classes:
        name = f"{c.name} ({c.value})" if class_key(c.name) in names else c.name
        names.add(class_key(name))
        result.append(replace(c, name=name))
    return tuple(result)
