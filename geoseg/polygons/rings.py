"""Rings of whole-pixel vertices, many at once, as flat arrays.

A ring is closed (the first vertex is repeated), runs along pixel sides, and keeps its polygon on
one side: the signed area of a shell is positive, that of a hole negative, in the plane of
``(x, y) = (col, row)``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Coords = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Shapes:
    """Polygons with their values, in the layout of ``shapely.from_ragged_array``."""

    values: npt.NDArray[np.uint8]
    """(n,) label of each polygon."""
    pixels: Ints
    """(n,) pixels in each polygon."""
    confidence_sum: Ints
    """(n,) sum over the pixels of their confidence, 0..255 each."""
    coords: Coords
    """(m, 2) vertices as (col, row) of the scene (px), rings closed."""
    ring_offsets: Ints
    """(rings + 1,) first vertex of each ring."""
    polygon_offsets: Ints
    """(n + 1,) first ring of each polygon, its shell; its holes follow."""

    def __len__(self) -> int:
        return int(self.values.size)

    def take(self, index: Ints) -> "Shapes":
        """The polygons at ``index`` (k,), in that order."""
        rings, polygon_offsets = take_ragged(self.polygon_offsets, index)
        vertices, ring_offsets = take_ragged(self.ring_offsets, rings)
        return Shapes(
            self.values[index],
            self.pixels[index],
            self.confidence_sum[index],
            self.coords[vertices],
            ring_offsets,
            polygon_offsets,
        )

    @classmethod
    def concatenate(cls, many: "Sequence[Shapes]") -> "Shapes":
        """All polygons of ``many`` (at least one), in order."""
        return cls(
            np.concatenate([s.values for s in many]),
            np.concatenate([s.pixels for s in many]),
            np.concatenate([s.confidence_sum for s in many]),
            np.concatenate([s.coords for s in many]),
            offsets_of(np.concatenate([np.diff(s.ring_offsets) for s in many])),
            offsets_of(np.concatenate([np.diff(s.polygon_offsets) for s in many])),
        )

    @classmethod
    def empty(cls) -> "Shapes":
        """No polygon."""
        none = np.zeros(0, np.int64)
        first = np.zeros(1, np.int64)
        return cls(none.astype(np.uint8), none, none, np.zeros((0, 2), np.int32), first, first)


def offsets_of(counts: Ints) -> Ints:
    """Offsets (n + 1,) of consecutive groups with ``counts`` (n,) members."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def ranges(first: Ints, counts: Ints) -> Ints:
    """``first[0], first[0] + 1, ...`` (``counts[0]`` of them), then those of ``first[1]``, ..."""
    offsets = offsets_of(counts)
    return np.arange(offsets[-1]) + np.repeat(first - offsets[:-1], counts)


def take_ragged(offsets: Ints, index: Ints) -> tuple[Ints, Ints]:
    """Members of the groups at ``index`` (k,), and the offsets (k + 1,) of these groups."""
    counts = offsets[index + 1] - offsets[index]
    return ranges(offsets[index], counts), offsets_of(counts)


def pack(major: npt.NDArray[np.integer], minor: npt.NDArray[np.integer]) -> Ints:
    """One key (int64) for each pair, ordered by ``major``, then ``minor`` (0..2**31 - 1 each)."""
    return (major.astype(np.int64) << 32) | minor.astype(np.int64)


def member(keys: Ints, sorted_keys: Ints) -> Flags:
    """Which of ``keys`` are among ``sorted_keys``."""
    if not sorted_keys.size:
        return np.zeros(keys.shape, np.bool_)
    place = np.minimum(np.searchsorted(sorted_keys, keys), sorted_keys.size - 1)
    return np.asarray(sorted_keys[place] == keys)


def segment_starts(ring_offsets: Ints) -> Flags:
    """Which vertices (m,) of closed rings begin a segment: all but the last of each ring."""
    starts = np.ones(int(ring_offsets[-1]), np.bool_)
    starts[ring_offsets[1:] - 1] = False
    return starts


def doubled_areas(coords: Coords, ring_offsets: Ints) -> Ints:
    """Twice the signed area (px²) of each closed ring: exact, positive for shells."""
    if ring_offsets.size == 1:
        return np.zeros(0, np.int64)
    x, y = coords[:, 0].astype(np.int64), coords[:, 1].astype(np.int64)
    cross = np.zeros(x.size, np.int64)
    cross[:-1] = x[:-1] * y[1:] - x[1:] * y[:-1]
    cross[ring_offsets[1:] - 1] = 0
    return np.asarray(np.add.reduceat(cross, ring_offsets[:-1]), np.int64)


def oriented(coords: Coords, ring_offsets: Ints, shells: Flags) -> Coords:
    """The same closed rings, each run through so that ``shells`` have a positive area."""
    turn = (doubled_areas(coords, ring_offsets) > 0) != shells
    counts = np.diff(ring_offsets)
    vertex = np.arange(coords.shape[0])
    mirror = np.repeat(ring_offsets[:-1] + ring_offsets[1:] - 1, counts) - vertex
    return coords[np.where(np.repeat(turn, counts), mirror, vertex)]


def insert_nodes(coords: Coords, ring_offsets: Ints, nodes: Ints) -> tuple[Coords, Ints]:
    """Closed rings with a vertex at each node that lies strictly inside one of their sides.

    Args:
        coords: (m, 2) vertices as (col, row) (px).
        ring_offsets: (rings + 1,) first vertex of each ring.
        nodes: (k,) sorted ``pack(row, col)`` of the nodes.

    Returns:
        The new vertices and ring offsets.
    """
    if not nodes.size or not coords.size:
        return coords, ring_offsets
    segment = np.flatnonzero(segment_starts(ring_offsets))
    low = np.minimum(coords[segment], coords[segment + 1])
    high = np.maximum(coords[segment], coords[segment + 1])
    transposed = np.sort(pack(nodes & 0xFFFFFFFF, nodes >> 32))
    added = np.zeros(coords.shape[0], np.int64)
    found = []
    for along, keys in ((0, nodes), (1, transposed)):
        flat = np.flatnonzero(low[:, 1 - along] == high[:, 1 - along])
        fixed = low[flat, 1 - along]
        first = np.searchsorted(keys, pack(fixed, low[flat, along]), side="right")
        end = np.searchsorted(keys, pack(fixed, high[flat, along]), side="left")
        hit = np.flatnonzero(end > first)
        found.append((along, keys, segment[flat[hit]], first[hit], end[hit] - first[hit]))
        added[segment[flat[hit]]] = end[hit] - first[hit]
    shift = offsets_of(added)
    out = np.empty((coords.shape[0] + int(shift[-1]), 2), np.int32)
    out[np.arange(coords.shape[0]) + shift[:-1]] = coords
    for along, keys, at, first, counts in found:
        backwards = np.repeat(coords[at, along] > coords[at + 1, along], counts)
        step = ranges(np.zeros_like(counts), counts)
        step = np.where(backwards, np.repeat(counts, counts) - 1 - step, step)
        place = ranges(at + shift[at] + 1, counts)
        out[place, along] = keys[np.repeat(first, counts) + step] & 0xFFFFFFFF
        out[place, 1 - along] = np.repeat(coords[at, 1 - along], counts)
    return out, ring_offsets + shift[ring_offsets]


def meeting(
    upper: tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]],
    lower: tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]],
) -> Flags:
    """Where three labels meet on a straight side, from the four labels around each vertex.

    Args:
        upper: labels at the upper left and upper right of each vertex, of one shape.
        lower: labels at the lower left and lower right.

    Returns:
        Flags of that shape: exactly one pair of neighbours is equal, the other two labels differ
        from it and from each other.
    """
    equal = (upper[0] == upper[1]).astype(np.int8)
    for one, other in ((lower[0], lower[1]), (upper[0], lower[0]), (upper[1], lower[1])):
        equal += one == other
    return np.asarray(equal == 1)
