"""Lines that lead on to each other, to polygons."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from geoseg.polygons.arrays import Coords, PolygonArrays, offsets_of
from geoseg.polygons.jit import njit_cached
from geoseg.polygons.trace.chunk import ChunkOutlines
from geoseg.polygons.trace.components import Bytes, Ints


@dataclass(frozen=True, slots=True)
class OpenLines:
    """Parts of the outlines of unfinished areas."""

    owner: Ints
    """(n,) the area of each line."""
    coords: Coords
    """(m, 2) vertices as (col, row) of the scene (px)."""
    pinned: Bytes
    """(m,) 1 where three or more sides meet, else 0."""
    offsets: Ints
    """(n + 1,) first vertex of each line."""

    def __len__(self) -> int:
        return int(self.owner.size)

    def take(self, index: Ints) -> "OpenLines":
        """The lines at ``index`` (k,), in that order."""
        if index.size == len(self):
            return self
        offsets = offsets_of(np.diff(self.offsets)[index])
        coords = np.empty((int(offsets[-1]), 2), np.int32)
        pinned = np.empty(coords.shape[0], np.uint8)
        _copy_rings(index, self.offsets, self.coords, self.pinned, offsets, coords, pinned)
        return OpenLines(self.owner[index], coords, pinned, offsets)

    def of(self, group: Ints) -> "OpenLines":
        """The same lines, of other areas."""
        return replace(self, owner=group[self.owner])

    @classmethod
    def unfinished(cls, pieces: ChunkOutlines, first: int) -> "OpenLines":
        """Lines of the areas that reach other chunks; these count from ``first``."""
        line = int(pieces.line_offsets[pieces.whole])
        vertex = int(pieces.vertex_offsets[line])
        counts = np.diff(pieces.line_offsets[pieces.whole :])
        return cls(
            np.repeat(np.arange(first, first + counts.size), counts),
            pieces.coords[vertex:],
            pieces.pinned[vertex:],
            pieces.vertex_offsets[line:] - vertex,
        )

    @classmethod
    def single(cls, owner: Ints, coords: Coords, pinned: Bytes, counts: Ints) -> "OpenLines":
        """Lines with ``counts`` (n,) vertices each."""
        return cls(owner, coords, pinned, offsets_of(counts))

    @classmethod
    def concatenate(cls, many: "Sequence[OpenLines]") -> "OpenLines":
        """All lines of ``many``, in order."""
        if not many:
            none = np.zeros(0, np.int64)
            return cls(none, np.zeros((0, 2), np.int32), none.astype(np.uint8), offsets_of(none))
        return cls(
            np.concatenate([lines.owner for lines in many]),
            np.concatenate([lines.coords for lines in many]),
            np.concatenate([lines.pinned for lines in many]),
            offsets_of(np.concatenate([np.diff(lines.offsets) for lines in many])),
        )


@dataclass(frozen=True, slots=True)
class ComponentStats:
    """What is known of areas, as in `PolygonArrays`."""

    values: Bytes
    """(n,)"""
    pixels: Ints
    """(n,)"""
    confidence_sum: Ints
    """(n,)"""
    confidence_min: Bytes
    """(n,)"""

    def united(self, group: Ints) -> "ComponentStats":
        """One area for each group 0, 1, ..., from the group of each area (n,)."""
        count = int(group.max()) + 1 if group.size else 0
        values, least = np.zeros(count, np.uint8), np.full(count, 255, np.uint8)
        pixels, total = np.zeros((2, count), np.int64)
        values[group] = self.values
        np.add.at(pixels, group, self.pixels)
        np.add.at(total, group, self.confidence_sum)
        np.minimum.at(least, group, self.confidence_min)
        return ComponentStats(values, pixels, total, least)

    @classmethod
    def unfinished(cls, pieces: ChunkOutlines) -> "ComponentStats":
        """Those of a chunk that reach other chunks."""
        rest = slice(pieces.whole, None)
        return cls(
            pieces.values[rest],
            pieces.pixels[rest],
            pieces.confidence_sum[rest],
            pieces.confidence_min[rest],
        )

    @classmethod
    def concatenate(cls, many: list["ComponentStats"]) -> "ComponentStats":
        """All areas of ``many``, in order."""
        return cls(
            np.concatenate([a.values for a in many]),
            np.concatenate([a.pixels for a in many]),
            np.concatenate([a.confidence_sum for a in many]),
            np.concatenate([a.confidence_min for a in many]),
        )

    def take(self, index: Ints) -> "ComponentStats":
        """The areas at ``index`` (k,), in that order."""
        return ComponentStats(
            self.values[index],
            self.pixels[index],
            self.confidence_sum[index],
            self.confidence_min[index],
        )


def assemble_rings(
    lines: OpenLines,
    follows: Ints,
    areas: ComponentStats,
    *,
    exact: bool,
) -> PolygonArrays:
    """Polygons of areas 0, 1, ... from all lines of each.

    Args:
        lines: of these areas.
        follows: (lines,) the line after each line.
        areas: these n areas.
        exact: whether the polygons must have the area of their pixels.

    Raises:
        ValueError: if the lines do not make such polygons.
    """
    broken = ValueError("the pieces of two chunks do not fit together, are they of one map?")
    if (follows < 0).any():
        raise broken
    order = np.empty(len(lines), np.int64)
    first = np.empty(len(lines) + 1, np.int64)
    rings = _cycles(follows, order, first)
    first = first[: rings + 1]
    counts = np.empty(rings, np.int64)
    start = np.empty(rings, np.int64)
    begin = np.empty(rings, np.int64)
    _ring_starts(order, first, lines.offsets, lines.coords, counts, start, begin)
    owner = lines.owner[order[first[:-1]]]
    # Of all rings of a polygon, its shell holds the first vertex in raster order.
    by_polygon = np.lexsort((start, owner))
    polygon_offsets = np.searchsorted(owner[by_polygon], np.arange(areas.values.size + 1))
    ring_offsets = offsets_of(counts[by_polygon])
    coords = np.empty((int(ring_offsets[-1]), 2), np.int32)
    pinned = np.empty(coords.shape[0], np.uint8)
    doubled = np.zeros(areas.values.size, np.int64)
    _write_rings(
        by_polygon, order, first, begin, owner, lines.offsets, lines.coords, lines.pinned,
        ring_offsets, coords, pinned, doubled,
    )  # fmt: skip
    shells = np.diff(polygon_offsets).min(initial=1) > 0
    if not shells or (exact and (doubled != 2 * areas.pixels).any()):
        raise broken
    return PolygonArrays(
        areas.values,
        areas.pixels,
        areas.confidence_sum,
        areas.confidence_min,
        coords,
        pinned,
        ring_offsets,
        polygon_offsets,
    )


@njit_cached
def _cycles(follows: Ints, order: Ints, first: Ints) -> int:
    """Lines ring by ring into ``order``, and where each ring begins; return how many rings."""
    done = np.zeros(follows.size, np.bool_)
    rings = 0
    count = 0
    for line in range(follows.size):
        if done[line]:
            continue
        first[rings] = count
        rings += 1
        here = line
        while not done[here]:
            done[here] = True
            order[count] = here
            count += 1
            here = follows[here]
    first[rings] = count
    return rings


@njit_cached
def _ring_starts(
    order: Ints, first: Ints, offsets: Ints, coords: Coords, counts: Ints, start: Ints, begin: Ints
) -> None:
    """Of each ring how many vertices it has, the key of the first in raster order, its place."""
    for ring in range(counts.size):
        count = 0
        least = np.int64(9223372036854775807)
        for line in order[first[ring] : first[ring + 1]]:
            for vertex in range(offsets[line], offsets[line + 1]):
                key = (np.int64(coords[vertex, 1]) << 32) | np.int64(coords[vertex, 0])
                if key < least:
                    least = key
                    begin[ring] = count
                count += 1
        counts[ring] = count
        start[ring] = least


@njit_cached
def _write_rings(  # noqa: PLR0913 - arrays to read and to fill
    rings: Ints, order: Ints, first: Ints, begin: Ints, owner: Ints,
    offsets: Ints, coords: Coords, pinned: Bytes, ring_offsets: Ints,
    ring_coords: Coords, ring_pinned: Bytes, doubled: Ints,
) -> None:  # fmt: skip
    """Write rings from their first vertex in raster order on; add up twice the polygons' areas."""
    for n in range(rings.size):
        ring = rings[n]
        low = ring_offsets[n]
        count = ring_offsets[n + 1] - low
        place = count - begin[ring]
        for line in order[first[ring] : first[ring + 1]]:
            for vertex in range(offsets[line], offsets[line + 1]):
                if place == count:
                    place = 0
                ring_coords[low + place, 0] = coords[vertex, 0]
                ring_coords[low + place, 1] = coords[vertex, 1]
                ring_pinned[low + place] = pinned[vertex]
                place += 1
        area = np.int64(0)
        before = low + count - 1
        for here in range(low, low + count):
            area += np.int64(ring_coords[here, 0]) * np.int64(ring_coords[before, 1])
            area -= np.int64(ring_coords[before, 0]) * np.int64(ring_coords[here, 1])
            before = here
        doubled[owner[ring]] += area


@njit_cached
def _copy_rings(
    index: Ints, offsets: Ints, coords: Coords, pinned: Bytes,
    new_offsets: Ints, new_coords: Coords, new_pinned: Bytes,
) -> None:  # fmt: skip
    for n in range(index.size):
        begin = offsets[index[n]]
        end = offsets[index[n] + 1]
        place = new_offsets[n]
        for vertex in range(begin, end):
            new_coords[place, 0] = coords[vertex, 0]
            new_coords[place, 1] = coords[vertex, 1]
            new_pinned[place] = pinned[vertex]
            place += 1
