"""Join lines to the rings of polygons."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from geoseg.polygons.arrays import Bytes, Coords, Ints, PolygonArrays, offsets_of
from geoseg.polygons.jit import njit_cached
from geoseg.polygons.trace.chunk import ChunkOutlines


@dataclass(frozen=True, slots=True)
class OpenLines:
    """Lines of the outlines of open components."""

    component: Ints
    """(n,) the component of each line."""
    coords: Coords
    """(m, 2) vertices as (col, row) of the scene (px)."""
    fixed: Bytes
    """(m,) 1 where smoothing must not move the vertex, else 0."""
    offsets: Ints
    """(n + 1,) first vertex of each line."""

    def __len__(self) -> int:
        return int(self.component.size)

    def select(self, indices: Ints) -> "OpenLines":
        """Return the lines at ``indices`` (k,), ascending and without repeats."""
        if indices.size == len(self):
            return self
        offsets = offsets_of(np.diff(self.offsets)[indices])
        coords = np.empty((int(offsets[-1]), 2), np.int32)
        fixed = np.empty(coords.shape[0], np.uint8)
        _copy_lines(indices, self.offsets, self.coords, self.fixed, offsets, coords, fixed)
        return OpenLines(self.component[indices], coords, fixed, offsets)

    def renumbered(self, new_number: Ints) -> "OpenLines":
        """Return the same lines with new numbers of their components."""
        return replace(self, component=new_number[self.component])

    @classmethod
    def from_chunk(cls, outlines: ChunkOutlines, first_component: int) -> "OpenLines":
        """Return the lines of the open components of a chunk, numbered from ``first_component``."""
        line = int(outlines.line_offsets[outlines.n_closed])
        vertex = int(outlines.vertex_offsets[line])
        counts = np.diff(outlines.line_offsets[outlines.n_closed :])
        return cls(
            np.repeat(np.arange(first_component, first_component + counts.size), counts),
            outlines.coords[vertex:],
            outlines.fixed[vertex:],
            outlines.vertex_offsets[line:] - vertex,
        )

    @classmethod
    def concatenate(cls, batches: "Sequence[OpenLines]") -> "OpenLines":
        """Return the lines of all ``batches``, in order."""
        if not batches:
            none = np.zeros(0, np.int64)
            return cls(none, np.zeros((0, 2), np.int32), none.astype(np.uint8), offsets_of(none))
        return cls(
            np.concatenate([lines.component for lines in batches]),
            np.concatenate([lines.coords for lines in batches]),
            np.concatenate([lines.fixed for lines in batches]),
            offsets_of(np.concatenate([np.diff(lines.offsets) for lines in batches])),
        )


@dataclass(frozen=True, slots=True)
class ComponentStats:
    """Statistics of the pixels of components, as in `PolygonArrays`."""

    values: Bytes
    """(n,) label of each component."""
    pixels: Ints
    """(n,) number of pixels."""
    confidence_sum: Ints
    """(n,) sum of the confidence."""
    confidence_min: Bytes
    """(n,) lowest confidence."""

    def merge(self, group: Ints) -> "ComponentStats":
        """Return one component for each group 0, 1, ..., from the group of each component (n,)."""
        count = int(group.max()) + 1 if group.size else 0
        values, minimum = np.zeros(count, np.uint8), np.full(count, 255, np.uint8)
        pixels, total = np.zeros((2, count), np.int64)
        values[group] = self.values
        np.add.at(pixels, group, self.pixels)
        np.add.at(total, group, self.confidence_sum)
        np.minimum.at(minimum, group, self.confidence_min)
        return ComponentStats(values, pixels, total, minimum)

    @classmethod
    def from_chunk(cls, outlines: ChunkOutlines) -> "ComponentStats":
        """Return the open components of a chunk."""
        open_ = slice(outlines.n_closed, None)
        return cls(
            outlines.values[open_],
            outlines.pixels[open_],
            outlines.confidence_sum[open_],
            outlines.confidence_min[open_],
        )

    @classmethod
    def concatenate(cls, batches: list["ComponentStats"]) -> "ComponentStats":
        """Return the components of all ``batches``, in order."""
        return cls(
            np.concatenate([c.values for c in batches]),
            np.concatenate([c.pixels for c in batches]),
            np.concatenate([c.confidence_sum for c in batches]),
            np.concatenate([c.confidence_min for c in batches]),
        )

    def select(self, indices: Ints) -> "ComponentStats":
        """Return the components at ``indices`` (k,)."""
        return ComponentStats(
            self.values[indices],
            self.pixels[indices],
            self.confidence_sum[indices],
            self.confidence_min[indices],
        )


def assemble_rings(
    lines: OpenLines, next_line: Ints, components: ComponentStats, *, exact: bool
) -> PolygonArrays:
    """Join lines to polygons.

    Args:
        lines: all lines of the components.
        next_line: (lines,) the line after each line.
        components: n components; each becomes a polygon.
        exact: whether the area of a polygon must equal the number of its pixels.

    Raises:
        ValueError: if the lines do not make such polygons.
    """
    mismatch = ValueError(
        "the outlines of two chunks do not fit together, they must be of one map and one run"
    )
    if (next_line < 0).any():
        raise mismatch
    line_order = np.empty(len(lines), np.int64)
    first_line = np.empty(len(lines) + 1, np.int64)
    n_rings = _find_cycles(next_line, line_order, first_line)
    first_line = first_line[: n_rings + 1]
    counts, first_key, first_vertex = (np.empty(n_rings, np.int64) for _ in range(3))
    _find_ring_starts(
        line_order, first_line, lines.offsets, lines.coords, counts, first_key, first_vertex
    )
    component = lines.component[line_order[first_line[:-1]]]
    # Of the rings of a polygon, the shell has the first vertex in raster order.
    ring_order = np.lexsort((first_key, component))
    polygon_offsets = np.searchsorted(component[ring_order], np.arange(components.values.size + 1))
    ring_offsets = offsets_of(counts[ring_order])
    coords = np.empty((int(ring_offsets[-1]), 2), np.int32)
    fixed = np.empty(coords.shape[0], np.uint8)
    doubled_area = np.zeros(components.values.size, np.int64)
    _write_rings(
        ring_order, line_order, first_line, first_vertex, component, lines.offsets, lines.coords,
        lines.fixed, ring_offsets, coords, fixed, doubled_area,
    )  # fmt: skip
    all_have_rings = np.diff(polygon_offsets).min(initial=1) > 0
    if not all_have_rings or (exact and (doubled_area != 2 * components.pixels).any()):
        raise mismatch
    return PolygonArrays(
        components.values,
        components.pixels,
        components.confidence_sum,
        components.confidence_min,
        coords,
        fixed,
        ring_offsets,
        polygon_offsets,
    )


@njit_cached
def _find_cycles(next_line: Ints, line_order: Ints, first_line: Ints) -> int:
    """Write lines ring by ring, and where each ring starts; return the number of rings."""
    done = np.zeros(next_line.size, np.bool_)
    n_rings = 0
    count = 0
    for start in range(next_line.size):
        if done[start]:
            continue
        first_line[n_rings] = count
        n_rings += 1
        line = start
        while not done[line]:
            done[line] = True
            line_order[count] = line
            count += 1
            line = next_line[line]
    first_line[n_rings] = count
    return n_rings


@njit_cached
def _find_ring_starts(
    line_order: Ints, first_line: Ints, offsets: Ints, coords: Coords,
    counts: Ints, first_key: Ints, first_vertex: Ints,
) -> None:  # fmt: skip
    """Find the vertex count of each ring, and its first vertex in raster order.

    ``first_key`` is the row and column of that vertex as one number, ``first_vertex`` its place
    in the ring.
    """
    for ring in range(counts.size):
        count = 0
        minimum = np.int64(9223372036854775807)
        for line in line_order[first_line[ring] : first_line[ring + 1]]:
            for vertex in range(offsets[line], offsets[line + 1]):
                key = (np.int64(coords[vertex, 1]) << 32) | np.int64(coords[vertex, 0])
                if key < minimum:
                    minimum = key
                    first_vertex[ring] = count
                count += 1
        counts[ring] = count
        first_key[ring] = minimum


@njit_cached
def _write_rings(  # noqa: PLR0913 - arrays to read and to fill
    ring_order: Ints, line_order: Ints, first_line: Ints, first_vertex: Ints, component: Ints,
    offsets: Ints, coords: Coords, fixed: Bytes, ring_offsets: Ints,
    ring_coords: Coords, ring_fixed: Bytes, doubled_area: Ints,
) -> None:  # fmt: skip
    """Write rings from their first vertex on; add up twice the area of each polygon (px)."""
    for n in range(ring_order.size):
        ring = ring_order[n]
        begin = ring_offsets[n]
        count = ring_offsets[n + 1] - begin
        place = count - first_vertex[ring]
        for line in line_order[first_line[ring] : first_line[ring + 1]]:
            for vertex in range(offsets[line], offsets[line + 1]):
                if place == count:
                    place = 0
                ring_coords[begin + place, 0] = coords[vertex, 0]
                ring_coords[begin + place, 1] = coords[vertex, 1]
                ring_fixed[begin + place] = fixed[vertex]
                place += 1
        area = np.int64(0)
        previous = begin + count - 1
        for current in range(begin, begin + count):
            area += np.int64(ring_coords[current, 0]) * np.int64(ring_coords[previous, 1])
            area -= np.int64(ring_coords[previous, 0]) * np.int64(ring_coords[current, 1])
            previous = current
        doubled_area[component[ring]] += area


@njit_cached
def _copy_lines(
    indices: Ints, offsets: Ints, coords: Coords, fixed: Bytes,
    new_offsets: Ints, new_coords: Coords, new_fixed: Bytes,
) -> None:  # fmt: skip
    for n in range(indices.size):
        place = new_offsets[n]
        for vertex in range(offsets[indices[n]], offsets[indices[n] + 1]):
            new_coords[place, 0] = coords[vertex, 0]
            new_coords[place, 1] = coords[vertex, 1]
            new_fixed[place] = fixed[vertex]
            place += 1
