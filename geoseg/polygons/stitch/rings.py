"""Join lines to the rings of polygons."""

from dataclasses import dataclass

import numpy as np

from geoseg.polygons.arrays import Bytes, Coords, Ints, PolygonArrays, concat_ranges, offsets_of
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
        counts = np.diff(self.offsets)[indices]
        vertices = concat_ranges(self.offsets[indices], counts)
        return OpenLines(
            self.component[indices], self.coords[vertices], self.fixed[vertices], offsets_of(counts)
        )

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
        n = outlines.n_closed
        return cls(
            outlines.values[n:], outlines.pixels[n:],
            outlines.confidence_sum[n:], outlines.confidence_min[n:],
        )  # fmt: skip


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
    line_order, counts, first_key, first_vertex = np.empty((4, len(lines)), np.int64)
    first_line = np.empty(len(lines) + 1, np.int64)
    n_rings = _find_rings(
        next_line, lines.offsets, lines.coords,
        line_order, first_line, counts, first_key, first_vertex,
    )  # fmt: skip
    first_line, counts, first_key = first_line[: n_rings + 1], counts[:n_rings], first_key[:n_rings]
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
def _find_rings(
    next_line: Ints, offsets: Ints, coords: Coords,
    line_order: Ints, first_line: Ints, counts: Ints, first_key: Ints, first_vertex: Ints,
) -> int:  # fmt: skip
    """Write lines ring by ring into ``line_order``; return the number of rings.

    Fill in where each ring starts in it, the vertex count of each ring, and its first vertex in
    raster order: row and column as one number, and its place in the ring.
    """
    done = np.zeros(next_line.size, np.bool_)
    n_rings = 0
    n_lines = 0
    for start in range(next_line.size):
        if done[start]:
            continue
        first_line[n_rings] = n_lines
        count = 0
        minimum = np.int64(9223372036854775807)
        line = start
        while not done[line]:
            done[line] = True
            line_order[n_lines] = line
            n_lines += 1
            for vertex in range(offsets[line], offsets[line + 1]):
                key = (np.int64(coords[vertex, 1]) << 32) | np.int64(coords[vertex, 0])
                if key < minimum:
                    minimum = key
                    first_vertex[n_rings] = count
                count += 1
            line = next_line[line]
        counts[n_rings] = count
        first_key[n_rings] = minimum
        n_rings += 1
    first_line[n_rings] = n_lines
    return n_rings


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
