"""Merge small components into their neighbours, over a whole map in bounded memory.

Each component below a threshold takes the label with the longest border to it, the lightest
component first, until only islands in nodata are small. A window settles the small components that
no chain of small components connects to another window. The others are *unresolved*: they wait
until all windows are read, and are then settled together.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from geoseg.grid import Window
from geoseg.polygons.arrays import Bytes, Flags, Ints, concat_fields, concat_ranges, select_fields
from geoseg.polygons.clean.absorb import ComponentSizes, SharedBorders, find_borders
from geoseg.polygons.trace.components import (
    Components,
    RunLengths,
    component_sums,
    encode_runs,
    label_components,
    seam_sides,
    union_pairs,
)

_LABELS = 256
"""Number of labels. Unresolved components are numbered after them; a number below stands for all
large components of a label."""


@dataclass(frozen=True, slots=True)
class SieveThreshold:
    """The weight below which a component is small.

    Raises:
        ValueError: if it is not positive.
    """

    weights: Ints
    """(height,) weight of a pixel in each row of the map."""
    min_weight: int
    """Smallest sum of weights with which a component stays."""

    def __post_init__(self) -> None:
        if self.min_weight < 1 or (self.weights.size and self.weights.min() < 0):
            raise ValueError(f"the threshold {self.min_weight} is not positive")


def sieve(
    read: Callable[[Window], Bytes],
    windows: Sequence[Window],
    threshold: SieveThreshold,
    nodata: int | None,
    map_fn: Callable[..., Iterable["_WindowComponents"]] = map,
) -> Callable[[Window], Bytes]:
    """Find the small components of a map, and the labels that they take.

    Law: the result does not depend on the windows. No valid pixel becomes nodata.

    Args:
        read: labels (height, width) uint8 of a window.
        windows: a grid of windows over the map, row-major.
        threshold: which components are small.
        nodata: the label that stays and is no neighbour; None for no such label.
        map_fn: how to map over the windows, in order.

    Returns:
        A function that reads labels as ``read`` does, but without small components.
    """

    def settle_window(window: Window) -> _WindowComponents:
        return _WindowComponents.settle(window, read(window), windows[-1], threshold, nodata)

    values: dict[Window, Bytes] = {}
    unresolved = _Unresolved(windows[-1].col_end)
    for window, components in zip(windows, map_fn(settle_window, windows), strict=True):
        values[window] = components.values
        unresolved.add(window, components)
    for window, indices, new_values in unresolved.settle(threshold.min_weight):
        values[window][indices] = new_values

    def read_clean(window: Window) -> Bytes:
        labels = read(window)
        runs = encode_runs(labels, nodata)
        new_values = values[window][label_components(runs).component_of_run]
        changed = np.flatnonzero(new_values != runs.values)
        length = (runs.end - runs.start)[changed]
        pixels = concat_ranges(runs.first_pixel[changed], length)
        cleaned = np.array(labels)
        cleaned.reshape(-1)[pixels] = np.repeat(new_values[changed], length)
        return cleaned

    return read_clean


@dataclass(frozen=True, slots=True)
class _WindowComponents:
    """The components of one window: new labels, and those that are unresolved.

    Borders and sides give a component by its *key*: its label if it is large or settled, 256 plus
    its place among the unresolved ones otherwise.
    """

    values: Bytes
    """(components,) label of each component, the new one where the window could settle it."""
    unresolved: Ints
    """(n,) the unresolved components, and the large ones that touch another window."""
    sizes: ComponentSizes
    """Of the n unresolved components."""
    borders: SharedBorders
    """Of these, by key."""
    sides: list[Ints]
    """`Components.sides` by key, -1 for none."""

    @classmethod
    def settle(
        cls,
        window: Window,
        labels: Bytes,
        last: Window,
        threshold: SieveThreshold,
        nodata: int | None,
    ) -> "_WindowComponents":
        """Settle the components of a window (height, width); ``last`` is the map's last window."""
        runs = encode_runs(labels, nodata)
        components = label_components(runs)
        touches_seam = components.touching_seams(seam_sides(window, (last.row_end, last.col_end)))
        row_weights = threshold.weights[window.row : window.row_end]
        weights = component_sums(runs, components, row_weights)
        sizes = ComponentSizes(components.values, weights, _first_pixels(runs, components, window))
        small = weights < threshold.min_weight
        borders = find_borders(runs, components, small)
        waiting = _reached_through_small(borders, small, small & touches_seam)
        is_local = ~(waiting[borders.a] | waiting[borders.b])
        values = sizes.absorb_small(select_fields(borders, is_local), threshold.min_weight)
        values[waiting] = components.values[waiting]
        unresolved = np.flatnonzero(waiting | touches_seam)
        key = components.values.astype(np.int64)
        key[unresolved] = _LABELS + np.arange(unresolved.size)
        key_or_none = np.append(key, -1)
        return cls(
            values,
            unresolved,
            select_fields(sizes, unresolved),
            select_fields(borders, ~is_local).renumbered(lambda component: key[component]),
            [key_or_none[side] for side in components.sides],
        )


class _Unresolved:
    """The unresolved components of all windows."""

    def __init__(self, width: int) -> None:
        large = np.full(_LABELS, np.iinfo(np.int64).max)
        of_label = ComponentSizes(np.arange(_LABELS, dtype=np.uint8), large, np.arange(_LABELS))
        self._sizes = [of_label]
        self._count = _LABELS
        self._borders: list[SharedBorders] = []
        self._windows: list[tuple[Window, Ints, int]] = []
        self._bottom_above = np.full(width, -1)
        self._right_before = np.zeros(0, np.int64)
        self._facing: list[tuple[Ints, Ints]] = []

    def add(self, window: Window, components: _WindowComponents) -> None:
        """Add the next window, row-major."""
        first = self._count

        def numbered(key: Ints) -> Ints:
            return np.where(key < _LABELS, key, key - _LABELS + first)

        self._sizes.append(components.sizes)
        self._borders.append(components.borders.renumbered(numbered))
        top, bottom, left, right = map(numbered, components.sides)
        cols = slice(window.col, window.col_end)
        if window.row:
            self._facing.append((self._bottom_above[cols].copy(), top))
        if window.col:
            self._facing.append((self._right_before, left))
        self._bottom_above[cols] = bottom
        self._right_before = right
        self._windows.append((window, components.unresolved, first))
        self._count += components.unresolved.size

    def settle(self, min_weight: int) -> Iterator[tuple[Window, Ints, Bytes]]:
        """Yield windows with their unresolved components and the new labels of these."""
        sizes = concat_fields(self._sizes)
        values = sizes.values
        root = np.arange(values.size)
        for a, b in self._facing:
            equal = (a >= 0) & (b >= 0) & (values[a] == values[b])
            union_pairs(a[equal], b[equal], root)
        weights = np.zeros(values.size, np.int64)
        # Clipped, so that the sum does not overflow.
        np.add.at(weights, root, np.minimum(sizes.weights, min_weight))
        first_pixel = sizes.first_pixel.copy()
        np.minimum.at(first_pixel, root, sizes.first_pixel)
        for a, b in self._facing:
            is_border = (a >= 0) & (b >= 0) & (values[a] != values[b])
            length = np.ones(np.count_nonzero(is_border), np.int64)
            self._borders.append(SharedBorders(a[is_border], b[is_border], length))
        borders = concat_fields(self._borders).renumbered(lambda n: root[n])
        # Only the first component of each united group is settled, for all of the group.
        weights[root != np.arange(root.size)] = min_weight
        united = ComponentSizes(values, weights, first_pixel)
        new_values = united.absorb_small(borders, min_weight)[root]
        for window, components, first in self._windows:
            yield window, components, new_values[first : first + components.size]


def _first_pixels(runs: RunLengths, components: Components, window: Window) -> Ints:
    """Return (n,) row and column in the map of each component's first pixel, as one number."""
    first = np.empty(len(components), np.int64)
    # Of several values for one place the last one stays: that of the first run.
    first[components.component_of_run[::-1]] = runs.first_pixel[::-1]
    row, col = np.divmod(first, runs.shape[1])
    return np.asarray(((row + window.row) << 32) | (col + window.col))


def _reached_through_small(borders: SharedBorders, small: Flags, start: Flags) -> Flags:
    """Return which small components (n,) a chain of small components connects to ``start`` (n,)."""
    both = small[borders.a] & small[borders.b]
    root = np.arange(small.size)
    union_pairs(borders.a[both], borders.b[both], root)
    reached = np.zeros(small.size, np.bool_)
    reached[root[start]] = True
    return np.asarray(reached[root] & small)
