"""Pieces on the two sides of seams to whole polygons: exact, in whole pixels, in linear memory.

The sides that two pieces of one polygon share are dropped, what remains of their rings is linked
again where it was cut, and vertices that only the seam made are removed. No point-in-polygon
test and no floating point: a united polygon has one ring of positive area, its shell.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoseg.polygons.rings import (
    Coords,
    Flags,
    Ints,
    Shapes,
    doubled_areas,
    insert_nodes,
    member,
    offsets_of,
    pack,
    ranges,
    segment_starts,
    take_ragged,
)

_HASH = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))


@dataclass(frozen=True, slots=True)
class Seams:
    """The lines between chunks, and what is known about the labels along them."""

    rows: Ints
    """Rows of the horizontal seams (px), ascending."""
    cols: Ints
    """Columns of the vertical seams (px), ascending."""
    changes: Ints
    """Sorted ``pack(row, col)`` of seam vertices where the label changes along either side."""
    nodes: Ints
    """Sorted ``pack(row, col)`` of seam vertices where three labels meet on a straight side."""

    def touch(self, coords: Coords) -> Flags:
        """Which vertices (m, 2) lie on a seam."""
        return np.isin(coords[:, 1], self.rows) | np.isin(coords[:, 0], self.cols)


@dataclass(frozen=True, slots=True)
class _Edges:
    """Sides of rings, in ring order."""

    start: Coords
    """(e, 2) (col, row)."""
    end: Coords
    """(e, 2) (col, row)."""
    heading: npt.NDArray[np.int8]
    """(e,) 0 to 3: +col, +row, -col, -row; one more is a turn towards the polygon."""
    group: Ints
    """(e,) the polygon to be."""
    first: Ints
    """(rings,) first edge of each ring."""


def join(shapes: Shapes, group: Ints, seams: Seams) -> Shapes:
    """Unite the pieces of each group.

    Args:
        shapes: pieces as they were cut, with all pieces of each group.
        group: (n,) index of the first piece of each piece's group.
        seams: the seams between the pieces.

    Returns:
        One polygon for each group, in the order of the first pieces.

    Raises:
        ValueError: if the pieces of a group do not make one polygon.
    """
    edges = _edges(shapes, group, seams)
    order, ring_counts, ring_group = _link(edges, seams)
    coords, ring_offsets = _close(edges, order, ring_counts, seams)
    doubled = doubled_areas(coords, ring_offsets)
    by_group = np.lexsort((doubled < 0, ring_group))
    vertices, ring_offsets = take_ragged(ring_offsets, by_group)
    groups, rings_of = np.unique(ring_group, return_counts=True)
    place = np.searchsorted(groups, group)
    pixels, confidence_sum = np.zeros((2, groups.size), np.int64)
    np.add.at(pixels, place, shapes.pixels)
    np.add.at(confidence_sum, place, shapes.confidence_sum)
    united = Shapes(
        shapes.values[groups],
        pixels,
        confidence_sum,
        coords[vertices],
        ring_offsets,
        offsets_of(rings_of),
    )
    _check(united, doubled[by_group])
    return united


def _check(united: Shapes, doubled: Ints) -> None:
    """Raise ValueError unless each polygon has one shell and the area of its pixels."""
    if not len(united):
        return
    first = united.polygon_offsets[:-1]
    shells = np.add.reduceat((doubled > 0).astype(np.int64), first)
    if (shells != 1).any() or (np.add.reduceat(doubled, first) != 2 * united.pixels).any():
        raise ValueError("the pieces of two chunks do not fit together, are they of one scene?")


def _edges(shapes: Shapes, group: Ints, seams: Seams) -> _Edges:
    coords, ring_offsets = insert_nodes(shapes.coords, shapes.ring_offsets, seams.changes)
    begins = np.flatnonzero(segment_starts(ring_offsets))
    start, end = coords[begins], coords[begins + 1]
    step = np.sign(end - start)
    heading = np.where(step[:, 0] != 0, 1 - step[:, 0], 2 - step[:, 1]).astype(np.int8)
    ring_group = np.repeat(group, np.diff(shapes.polygon_offsets))
    rings = np.arange(ring_offsets.size - 1)
    return _Edges(
        start,
        end,
        heading,
        np.repeat(ring_group, np.diff(ring_offsets) - 1),
        ring_offsets[:-1] - rings,
    )


def _shared(edges: _Edges, seams: Seams) -> Flags:
    """Which edges (e,) have the same polygon on their other side."""
    level = edges.start[:, 1] == edges.end[:, 1]
    on_row = level & np.isin(edges.start[:, 1], seams.rows)
    on_col = ~level & np.isin(edges.start[:, 0], seams.cols)
    seam = np.flatnonzero(on_row | on_col)
    low = np.minimum(edges.start[seam], edges.end[seam])
    # Both sides of a seam are cut at the same changes, so a shared edge occurs twice.
    order = np.lexsort((edges.group[seam], level[seam], pack(low[:, 1], low[:, 0])))
    seam, low = seam[order], low[order]
    twin = (
        (low[1:] == low[:-1]).all(axis=1)
        & (level[seam[1:]] == level[seam[:-1]])
        & (edges.group[seam[1:]] == edges.group[seam[:-1]])
    )
    shared = np.zeros(level.size, np.bool_)
    shared[seam[1:][twin]] = True
    shared[seam[:-1][twin]] = True
    return shared


def _link(edges: _Edges, seams: Seams) -> tuple[Ints, Ints, Ints]:
    """Edges in the order of the new rings, the edges in each ring, and its group.

    Chains are runs of edges that surely follow each other in a new ring as in the old one. Where
    a polygon meets itself at a point, it keeps facing the same outside pixel: this keeps its
    rings simple, with holes that touch in points.
    """
    cut = seams.touch(edges.start) | _met_twice(edges)
    cut[edges.first] = True
    head = np.flatnonzero(cut)
    after = np.append(head[1:], cut.size)
    kept = ~_shared(edges, seams)[head]
    head, count = head[kept], (after - head)[kept]
    tail = head + count - 1
    group = edges.group[head]
    away = (edges.heading[tail] + 3) % 4
    arriving = np.lexsort((away, pack(edges.end[tail, 1], edges.end[tail, 0]), group))
    leaving = np.lexsort(
        (edges.heading[head], pack(edges.start[head, 1], edges.start[head, 0]), group)
    )
    follower = np.empty(head.size, np.int64)
    follower[arriving] = leaving
    order, first = _cycles(follower.tolist())
    ring_counts = np.add.reduceat(count[order], first) if head.size else count
    return ranges(head[order], count[order]), ring_counts, group[order[first]]


def _met_twice(edges: _Edges) -> Flags:
    """Which edges (e,) may begin at a vertex that their polygon meets twice."""
    # A hash that collides only costs a needless cut of a chain.
    key = pack(edges.start[:, 1], edges.start[:, 0]).view(np.uint64) * _HASH[0]
    key += edges.group.view(np.uint64) * _HASH[1]
    ordered = np.sort(key)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    return member(key.view(np.int64), np.sort(twice.view(np.int64)))


def _cycles(follower: list[int]) -> tuple[Ints, Ints]:
    """Items of a permutation cycle by cycle, and where each cycle begins in that order."""
    done = bytearray(len(follower))
    order: list[int] = []
    first: list[int] = []
    for item in range(len(follower)):
        if done[item]:
            continue
        first.append(len(order))
        at = item
        while not done[at]:
            done[at] = 1
            order.append(at)
            at = follower[at]
    return np.array(order, np.int64), np.array(first, np.int64)


def _close(edges: _Edges, order: Ints, ring_counts: Ints, seams: Seams) -> tuple[Coords, Ints]:
    """Closed rings, without the vertices on straight sides that only the seams made."""
    vertex, heading = edges.start[order], edges.heading[order]
    offsets = offsets_of(ring_counts)
    before = np.arange(-1, order.size - 1)
    before[offsets[:-1]] = offsets[1:] - 1
    straight = heading == heading[before]
    node = member(pack(vertex[:, 1], vertex[:, 0]), seams.nodes)
    keep = ~(straight & seams.touch(vertex) & ~node)
    kept_before = offsets_of(keep.astype(np.int64))[offsets]
    closed_offsets = kept_before + np.arange(offsets.size)
    coords = np.empty((int(closed_offsets[-1]), 2), np.int32)
    coords[segment_starts(closed_offsets)] = vertex[keep]
    coords[closed_offsets[1:] - 1] = coords[closed_offsets[:-1]]
    return coords, closed_offsets
