"""Measure the shared borders of components, and absorb small components along the longest."""

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

import numpy as np

from geoseg.polygons.arrays import Bytes, Flags, Ints
from geoseg.polygons.jit import njit_cached
from geoseg.polygons.trace.components import Components, RunLengths, facing_runs


@dataclass(frozen=True, slots=True)
class SharedBorders:
    """Lengths of the borders between pairs of components, in pixel sides."""

    a: Ints
    """(n,) a component at each border."""
    b: Ints
    """(n,) the component on the other side."""
    length: Ints
    """(n,) length of the border (pixel sides)."""

    def renumbered(self, new_number: Callable[[Ints], Ints]) -> "SharedBorders":
        """Return the same borders with new numbers of the components."""
        return SharedBorders(new_number(self.a), new_number(self.b), self.length)


@dataclass(frozen=True, slots=True)
class ComponentSizes:
    """Label, weight and first pixel of components."""

    values: Bytes
    """(n,) label of each component."""
    weights: Ints
    """(n,) weight of each component: the sum over its pixels."""
    first_pixel: Ints
    """(n,) number of its first pixel in raster order; of equal weights the lower one is first."""

    def absorb_small(self, borders: SharedBorders, min_weight: int) -> Bytes:
        """Return the labels (n,) after each component below ``min_weight`` is absorbed.

        The lightest component is absorbed first, into the label with the longest border to it.
        Components without a border stay.
        """
        ends = np.concatenate([borders.a, borders.b])
        order = np.argsort(ends, kind="stable")
        offsets = np.searchsorted(ends[order], np.arange(self.values.size + 1))
        neighbours = np.concatenate([borders.b, borders.a])[order]
        length = np.concatenate([borders.length, borders.length])[order]
        values = self.values.copy()
        _absorb_small(
            values, self.weights.copy(), self.first_pixel, offsets, neighbours, length, min_weight
        )
        return values


def find_borders(runs: RunLengths, components: Components, small: Flags) -> SharedBorders:
    """Measure the borders between pairs of components of which one is ``small`` (n,)."""
    above, below, length = facing_runs(runs, same_label=False)
    # Neighbours in a row share one side.
    next_pixel = runs.first_pixel + (runs.end - runs.start)
    west = np.flatnonzero((next_pixel[:-1] == runs.first_pixel[1:]) & (runs.start[1:] > 0))
    component = components.component_of_run.astype(np.int64)
    a = component[np.concatenate([above, west])]
    b = component[np.concatenate([below, west + 1])]
    length = np.concatenate([length, np.ones(west.size, np.int64)])
    keep = small[a] | small[b]
    a, b, length = a[keep], b[keep], length[keep]
    stride = max(len(components), 1)
    keys, pair = np.unique(np.minimum(a, b) * stride + np.maximum(a, b), return_inverse=True)
    total = np.zeros(keys.size, np.int64)
    np.add.at(total, pair, length)
    return SharedBorders(keys // stride, keys % stride, total)


@njit_cached
def _absorb_small(  # noqa: C901, PLR0912, PLR0915 - one loop over a heap
    values: Bytes, weights: Ints, first_pixel: Ints, offsets: Ints, neighbours: Ints,
    length: Ints, min_weight: int,
) -> None:  # fmt: skip
    """Change ``values`` (n,) until no component that has a neighbour is below ``min_weight``.

    A heap gives the lightest component. Merged components form a group: a union-find tree
    (``parent``), with a linked list of its members (``next_member`` from the root, ``last_member``)
    because all their borders are those of the group.
    """
    parent = np.arange(values.size)
    next_member = np.full(values.size, -1)
    last_member = np.arange(values.size)
    heap = [(weights[k], first_pixel[k], k) for k in range(values.size) if weights[k] < min_weight]
    heapify(heap)
    while len(heap) > 0:
        weight, _, group = heappop(heap)
        if parent[group] != group or weights[group] != weight:
            continue  # merged since it was pushed
        border = np.zeros(256, np.int64)
        member = group
        while member >= 0:
            for k in range(offsets[member], offsets[member + 1]):
                root = neighbours[k]
                while parent[root] != root:
                    parent[root] = parent[parent[root]]
                    root = parent[root]
                if root != group:
                    border[values[root]] += length[k]
            member = next_member[member]
        best = np.argmax(border)  # of equal borders, the lowest label
        if border[best] == 0:
            continue  # an island in nodata
        values[group] = best
        # All neighbours of the new label belong to the group now.
        end = last_member[group]
        member = group
        large = -1
        while member >= 0:
            for k in range(offsets[member], offsets[member + 1]):
                root = neighbours[k]
                while parent[root] != root:
                    parent[root] = parent[parent[root]]
                    root = parent[root]
                if root == group or values[root] != best:
                    continue
                if weights[root] >= min_weight:
                    large = root
                    continue
                parent[root] = group
                weights[group] += weights[root]
                next_member[last_member[group]] = root
                last_member[group] = last_member[root]
            if member == end:
                break
            member = next_member[member]
        if large >= 0:
            # A large component is never absorbed, so the group needs no members any more.
            parent[group] = large
        elif weights[group] < min_weight:
            heappush(heap, (weights[group], first_pixel[group], group))
    for k in range(values.size):
        root = k
        while parent[root] != root:
            root = parent[root]
        values[k] = values[root]
