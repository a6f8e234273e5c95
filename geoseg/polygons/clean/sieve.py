"""Small areas given to their neighbours, over a whole map in bounded memory.

Each area smaller than a limit takes the class along the longest part of its border, the smallest
first, until none is left but islands in nodata. Areas that cannot reach another chunk are settled
chunk by chunk; only the others wait for the whole map.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoseg.grid import Window
from geoseg.polygons.arrays import concat_ranges
from geoseg.polygons.clean.absorb import ComponentSizes, SharedBorders, find_borders
from geoseg.polygons.trace.components import (
    Bytes,
    Components,
    Flags,
    Ints,
    RunLengths,
    component_sums,
    encode_runs,
    label_components,
    union_pairs,
)

_VALUES = 256


@dataclass(frozen=True, slots=True)
class SieveThreshold:
    """What is too small.

    Raises:
        ValueError: if it is not positive.
    """

    weights: Ints
    """(height,) what a pixel counts in each row of the map."""
    least: int
    """What an area must count in all to stay."""

    def __post_init__(self) -> None:
        if self.least < 1 or (self.weights.size and self.weights.min() < 0):
            raise ValueError(f"the limit {self.least} is not positive")

    @classmethod
    def of(cls, cells: npt.NDArray[np.float64], area: float) -> "SieveThreshold":
        """Areas below ``area``, from the area of a cell in each row (height,), in one unit.

        Whole numbers, so that the sum over an area does not depend on its order.
        """
        largest = cells.max()
        if (cells == largest).all():
            return cls(np.ones(cells.size, np.int64), max(1, int(np.ceil(area / largest))))
        weights = np.round(cells / largest * 2**20).astype(np.int64)
        return cls(weights, max(1, int(np.ceil(area / largest * 2**20))))


def sieve(
    read: Callable[[Window], Bytes],
    cells: Sequence[Window],
    limit: SieveThreshold,
    nodata: int | None,
    each: Callable[..., Iterable["_WindowComponents"]] = map,
) -> Callable[[Window, Bytes], Bytes]:
    """Find the small areas of a map, and what becomes of them.

    Law: the result does not depend on the cells. No valid pixel becomes nodata.

    Args:
        read: labels (height, width) uint8 of a cell.
        cells: a grid of cells over the map, row-major.
        limit: what is too small.
        nodata: the label that stays and is no neighbour, or None.
        each: a map that keeps the order, and may work ahead.

    Returns:
        A function from a cell and its labels to its labels without small areas.
    """

    def look(cell: Window) -> _WindowComponents:
        return _WindowComponents.of(cell, read(cell), cells[-1], limit, nodata)

    settled: dict[Window, Bytes] = {}
    rest = _Unresolved(cells[-1].col_end)
    for cell, share in zip(cells, each(look, cells), strict=True):
        settled[cell] = share.values
        rest.add(cell, share)
    for cell, areas, values in rest.settled(limit.least):
        settled[cell][areas] = values

    def cleaned(cell: Window, labels: Bytes) -> Bytes:
        runs = encode_runs(np.ascontiguousarray(labels), nodata)
        areas = label_components(runs)
        values = settled[cell][areas.of_run]
        changed = np.flatnonzero(values != runs.values)
        out = np.array(labels)
        length = (runs.end - runs.start)[changed]
        out.reshape(-1)[concat_ranges(runs.first[changed], length)] = np.repeat(
            values[changed], length
        )
        return out

    return cleaned


@dataclass(frozen=True, slots=True)
class _WindowComponents:
    """What one cell knows: the labels that it could settle, and the areas that it could not."""

    values: Bytes
    """(areas,) label of each area of the cell, settled where that was possible."""
    areas: Ints
    """(n,) the areas that wait."""
    sizes: ComponentSizes
    """Of these."""
    borders: SharedBorders
    """Between places: 0 to 255 stand for what is large enough, by label; then come the areas."""
    top: Ints
    """(width,) place of the area at each pixel of the first row, -1 for none."""
    bottom: Ints
    """(width,) the same along the last row."""
    left: Ints
    """(height,) the same along the first column."""
    right: Ints
    """(height,) the same along the last column."""

    @classmethod
    def of(
        cls, cell: Window, labels: Bytes, last: Window, limit: SieveThreshold, nodata: int | None
    ) -> "_WindowComponents":
        """Look at the labels (height, width) of a cell; ``last`` is the last cell of the map."""
        runs = encode_runs(np.ascontiguousarray(labels), nodata)
        areas = label_components(runs)
        loose = areas.beyond(
            (cell.row > 0, cell.row_end < last.row_end, cell.col > 0, cell.col_end < last.col_end)
        )
        weights = component_sums(runs, areas, limit.weights[cell.row : cell.row_end])
        sizes = ComponentSizes(areas.values, weights, _first_pixels(runs, areas, cell))
        small = weights < limit.least
        borders = find_borders(runs, areas, small)
        waiting = _connected(borders, small, small & loose)
        local = ~(waiting[borders.one] | waiting[borders.other])
        values = sizes.settled(borders.take(local), limit.least)
        values[waiting] = areas.values[waiting]
        left = np.flatnonzero(waiting | loose)
        place = areas.values.astype(np.int64)
        place[left] = _VALUES + np.arange(left.size)
        with_none = np.append(place, -1)
        sides = (with_none[s] for s in (areas.top, areas.bottom, areas.left, areas.right))
        rest = borders.take(~local).of(lambda area: place[area])
        return cls(values, left, sizes.take(left), rest, *sides)


class _Unresolved:
    """The areas of all cells that wait for the whole map."""

    def __init__(self, width: int) -> None:
        large = np.full(_VALUES, np.iinfo(np.int64).max)
        self._sizes = [
            ComponentSizes(np.arange(_VALUES, dtype=np.uint8), large, np.arange(_VALUES))
        ]
        self._count = _VALUES
        self._borders: list[SharedBorders] = []
        self._cells: list[tuple[Window, Ints, int]] = []
        self._above = np.full(width, -1)
        self._before = np.zeros(0, np.int64)
        self._facing: list[tuple[Ints, Ints]] = []

    def add(self, cell: Window, share: _WindowComponents) -> None:
        """Take the next cell, row-major."""
        count = self._count

        def numbered(place: Ints) -> Ints:
            return np.where(place < _VALUES, place, place - _VALUES + count)

        self._sizes.append(share.sizes)
        self._borders.append(share.borders.of(numbered))
        cols = slice(cell.col, cell.col_end)
        if cell.row:
            self._facing.append((self._above[cols].copy(), numbered(share.top)))
        if cell.col:
            self._facing.append((self._before, numbered(share.left)))
        self._above[cols] = numbered(share.bottom)
        self._before = numbered(share.right)
        self._cells.append((cell, share.areas, count))
        self._count += share.areas.size

    def settled(self, least: int) -> Iterator[tuple[Window, Ints, Bytes]]:
        """Cells with the areas that waited there and their new labels."""
        values = np.concatenate([s.values for s in self._sizes])
        root = np.arange(values.size)
        for one, other in self._facing:
            same = (one >= 0) & (other >= 0) & (values[one] == values[other])
            union_pairs(one[same], other[same], root)
        weights = np.zeros(values.size, np.int64)
        np.add.at(
            weights, root, np.minimum(np.concatenate([s.weights for s in self._sizes]), least)
        )
        first = np.concatenate([s.first for s in self._sizes])
        np.minimum.at(first, root, first.copy())
        for one, other in self._facing:
            differ = (one >= 0) & (other >= 0) & (values[one] != values[other])
            length = np.ones(np.count_nonzero(differ), np.int64)
            self._borders.append(SharedBorders(one[differ], other[differ], length))
        borders = SharedBorders(
            root[np.concatenate([b.one for b in self._borders])],
            root[np.concatenate([b.other for b in self._borders])],
            np.concatenate([b.length for b in self._borders]),
        )
        weights[root != np.arange(root.size)] = least
        new = ComponentSizes(values, weights, first).settled(borders, least)[root]
        for cell, areas, begin in self._cells:
            yield cell, areas, new[begin : begin + areas.size]


def _first_pixels(runs: RunLengths, areas: Components, cell: Window) -> Ints:
    """(areas,) row and column of the first pixel of each area in the map, as one number."""
    first = np.empty(len(areas), np.int64)
    # Of several values for one place the last one stays: that of the first run.
    first[areas.of_run[::-1]] = runs.first[::-1]
    row, col = np.divmod(first, runs.shape[1])
    return np.asarray(((row + cell.row) << 32) | (col + cell.col))


def _connected(borders: SharedBorders, small: Flags, begin: Flags) -> Flags:
    """Which small areas (areas,) small ones connect to where it begins."""
    both = small[borders.one] & small[borders.other]
    root = np.arange(small.size)
    union_pairs(borders.one[both], borders.other[both], root)
    reached = np.zeros(small.size, np.bool_)
    reached[root[begin]] = True
    return np.asarray(reached[root] & small)
