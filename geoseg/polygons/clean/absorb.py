"""Areas and their common borders; and small areas absorbed along the longest of these."""

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

import numpy as np
import numpy.typing as npt

from geoseg.polygons.jit import njit_cached
from geoseg.polygons.trace.components import Bytes, Components, Flags, Ints, RunLengths


@dataclass(frozen=True, slots=True)
class SharedBorders:
    """How long the common borders of areas are, in sides of pixels."""

    one: Ints
    """(n,) an area at each border."""
    other: Ints
    """(n,) the area beyond."""
    length: Ints
    """(n,)"""

    def take(self, index: Flags) -> "SharedBorders":
        """The borders in ``index`` (n,)."""
        return SharedBorders(self.one[index], self.other[index], self.length[index])

    def of(self, place: Callable[[Ints], Ints]) -> "SharedBorders":
        """The same borders, of areas that are numbered otherwise."""
        return SharedBorders(place(self.one), place(self.other), self.length)


@dataclass(frozen=True, slots=True)
class ComponentSizes:
    """Areas by their label, size and place."""

    values: Bytes
    """(n,) label of each area."""
    weights: Ints
    """(n,) what each counts."""
    first: Ints
    """(n,) where its first pixel is, in raster order: of equal weights the first comes first."""

    def take(self, index: Ints) -> "ComponentSizes":
        """The areas at ``index`` (k,), in that order."""
        return ComponentSizes(self.values[index], self.weights[index], self.first[index])

    def settled(self, borders: SharedBorders, least: int) -> Bytes:
        """(n,) the labels of these areas when none is too small."""
        ends = np.concatenate([borders.one, borders.other])
        order = np.argsort(ends, kind="stable")
        offsets = np.searchsorted(ends[order], np.arange(self.values.size + 1))
        neighbours = np.concatenate([borders.other, borders.one])[order]
        length = np.concatenate([borders.length, borders.length])[order]
        values = self.values.copy()
        _absorb_small(values, self.weights.copy(), self.first, offsets, neighbours, length, least)
        return values


def find_borders(runs: RunLengths, areas: Components, small: Flags) -> SharedBorders:
    """Pairs of areas, at least one of them small, and the length of their border."""
    room = 4 * runs.start.size + 1
    one, other, length = (np.empty(room, np.int64) for _ in range(3))
    found = _shared_borders(
        runs.offsets, runs.start, runs.end, areas.of_run, small, one, other, length
    )  # fmt: skip
    one, other, length = one[:found], other[:found], length[:found]
    count = max(len(areas), 1)
    keys, place = np.unique(
        np.minimum(one, other) * count + np.maximum(one, other), return_inverse=True
    )
    total = np.zeros(keys.size, np.int64)
    np.add.at(total, place, length)
    return SharedBorders(keys // count, keys % count, total)


@njit_cached
def _shared_borders(
    offsets: Ints, start: npt.NDArray[np.int32], end: npt.NDArray[np.int32],
    of_run: npt.NDArray[np.int32], small: Flags, one: Ints, other: Ints, length: Ints,
) -> int:  # fmt: skip
    found = 0
    for row in range(offsets.size - 1):
        for i in range(offsets[row], offsets[row + 1] - 1):
            if end[i] == start[i + 1] and (small[of_run[i]] or small[of_run[i + 1]]):
                one[found] = of_run[i]
                other[found] = of_run[i + 1]
                length[found] = 1
                found += 1
        if row == 0:
            continue
        i, i_end = offsets[row - 1], offsets[row]
        j, j_end = offsets[row], offsets[row + 1]
        while i < i_end and j < j_end:
            shared = min(end[i], end[j]) - max(start[i], start[j])
            if shared > 0 and of_run[i] != of_run[j] and (small[of_run[i]] or small[of_run[j]]):
                one[found] = of_run[i]
                other[found] = of_run[j]
                length[found] = shared
                found += 1
            if end[i] < end[j]:
                i += 1
            else:
                j += 1
    return found


@njit_cached
def _absorb_small(  # noqa: C901, PLR0912, PLR0915 - one loop over a heap
    values: Bytes,
    weights: Ints,
    first: Ints,
    offsets: Ints,
    neighbours: Ints,
    length: Ints,
    least: int,
) -> None:
    """Change ``values`` (n,) until no area that has a neighbour counts less than ``least``."""
    parent = np.arange(values.size)
    after = np.full(values.size, -1)
    tail = np.arange(values.size)
    heap = [(weights[k], first[k], k) for k in range(values.size) if weights[k] < least]
    heapify(heap)
    while len(heap) > 0:
        weight, _, area = heappop(heap)
        if parent[area] != area or weights[area] != weight:
            continue
        border = np.zeros(256, np.int64)
        member = area
        while member >= 0:
            for k in range(offsets[member], offsets[member + 1]):
                root = neighbours[k]
                while parent[root] != root:
                    parent[root] = parent[parent[root]]
                    root = parent[root]
                if root != area:
                    border[values[root]] += length[k]
            member = after[member]
        best = np.argmax(border)
        if border[best] == 0:
            continue
        values[area] = best
        end = tail[area]
        member = area
        large = -1
        while member >= 0:
            for k in range(offsets[member], offsets[member + 1]):
                root = neighbours[k]
                while parent[root] != root:
                    parent[root] = parent[parent[root]]
                    root = parent[root]
                if root == area or values[root] != best:
                    continue
                if weights[root] >= least:
                    large = root
                    continue
                parent[root] = area
                weights[area] += weights[root]
                after[tail[area]] = root
                tail[area] = tail[root]
            if member == end:
                break
            member = after[member]
        if large >= 0:
            parent[area] = large
        elif weights[area] < least:
            heappush(heap, (weights[area], first[area], area))
    for k in range(values.size):
        root = k
        while parent[root] != root:
            root = parent[root]
        values[k] = values[root]
