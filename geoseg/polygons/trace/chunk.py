"""Trace one chunk of labels: its components, and their outlines as far as the chunk reaches."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from geoseg.grid import Window
from geoseg.legend import NODATA
from geoseg.polygons.arrays import Bytes, Coords, Index, Ints, PolygonArrays
from geoseg.polygons.jit import njit_cached
from geoseg.polygons.trace.components import (
    component_sums,
    confidence_stats,
    encode_runs,
    label_components,
    seam_sides,
)
from geoseg.polygons.trace.corners import NONE, CornerGraph, link_corners


@dataclass(frozen=True, slots=True)
class ChunkOutlines:
    """What one chunk contributes to the polygons of the map.

    *Closed* components touch no seam. They come first, and their lines are rings, the shell before
    the holes. The lines of the other components are holes, and open lines from seam to seam.

    Raises:
        ValueError: if the arrays do not fit each other or the window.
    """

    window: Window
    """The chunk (px of the scene)."""
    n_closed: int
    """Number of closed components."""
    values: Bytes
    """(n,) label of each component."""
    pixels: Ints
    """(n,) number of pixels of each component."""
    confidence_sum: Ints
    """(n,) sum of the confidence of its pixels, 0 to 255 each; zeros where it is unknown."""
    confidence_min: Bytes
    """(n,) lowest confidence of its pixels; zeros where it is unknown."""
    coords: Coords
    """(m, 2) vertices as (col, row) of the scene (px); the first of a ring is not repeated."""
    fixed: Bytes
    """(m,) 1 where smoothing must not move the vertex, such as at a junction, else 0."""
    vertex_offsets: Ints
    """(lines + 1,) first vertex of each line."""
    line_offsets: Ints
    """(n + 1,) first line of each component."""
    next_line: Index
    """(lines,) the line after each line, itself for a ring; -2 - code at an open end."""
    start_code: Index
    """(lines,) seam code of the open end where each line starts, -1 where it follows a line."""
    ambiguous: Index
    """(k, 2) lines that swap their next lines if their components prove to be one."""
    top: Index
    """(width,) component at each pixel of the first row, -1 for nodata."""
    bottom: Index
    """(width,) component at each pixel of the last row, -1 for nodata."""
    left: Index
    """(height,) component at each pixel of the first column, -1 for nodata."""
    right: Index
    """(height,) component at each pixel of the last column, -1 for nodata."""

    def __post_init__(self) -> None:
        sides = (self.top.size, self.bottom.size, self.left.size, self.right.size)
        height, width = self.window.height, self.window.width
        if sides != (width, width, height, height):
            raise ValueError(f"the sides {sides} do not fit {self.window}")
        components = {self.values.size, self.pixels.size, self.confidence_sum.size}
        components |= {self.confidence_min.size, self.line_offsets.size - 1}
        if components != {self.values.size}:
            raise ValueError(f"{self.window}: the arrays of its components differ in length")
        lines = {self.vertex_offsets.size - 1, self.next_line.size, self.start_code.size}
        if lines != {int(self.line_offsets[-1])}:
            raise ValueError(f"{self.window}: the arrays of its lines differ in length")
        if self.coords.shape != (int(self.vertex_offsets[-1]), 2):
            raise ValueError(f"{self.window}: vertex_offsets do not fit coords")
        if self.fixed.size != self.coords.shape[0]:
            raise ValueError(f"{self.window}: fixed does not fit coords")

    def __len__(self) -> int:
        return int(self.values.size)

    def closed_polygons(self) -> PolygonArrays:
        """Return the polygons of the closed components."""
        lines = int(self.line_offsets[self.n_closed])
        end = int(self.vertex_offsets[lines])
        return PolygonArrays(
            self.values[: self.n_closed],
            self.pixels[: self.n_closed],
            self.confidence_sum[: self.n_closed],
            self.confidence_min[: self.n_closed],
            self.coords[:end],
            self.fixed[:end],
            self.vertex_offsets[: lines + 1],
            self.line_offsets[: self.n_closed + 1],
        )

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return all fields but the window by their names, for a part file."""
        return {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)[1:]}

    @classmethod
    def from_arrays(
        cls, window: Window, arrays: Mapping[str, npt.NDArray[np.generic]]
    ) -> "ChunkOutlines":
        """Invert `to_arrays`; arrays of other names are ignored.

        Raises:
            KeyError: if an array is missing.
            ValueError: if the arrays do not fit each other or the window.
        """
        by_field = {f.name: arrays[f.name] for f in fields(cls)[1:]}
        return cls(window, int(by_field.pop("n_closed")), **by_field)  # type: ignore[arg-type]


def trace_chunk(
    labels: Bytes,
    window: Window,
    map_shape: tuple[int, int],
    *,
    confidence: Bytes | None = None,
    nodata: int | None = NODATA,
) -> ChunkOutlines:
    """Trace the components of one chunk.

    Args:
        labels: (height, width) uint8 of the chunk.
        window: the chunk (px of the scene).
        map_shape: height and width of the map (px); its edge is no seam.
        confidence: (height, width) uint8, 0 to 255; None where it is unknown.
        nodata: the label that gets no polygon; None if every label gets one.

    Raises:
        ValueError: if the arrays are not uint8 of the window's size.
    """
    size = (window.height, window.width)
    for name, array in (("labels", labels), ("confidence", confidence)):
        if array is not None and (array.shape != size or array.dtype != np.uint8):
            raise ValueError(f"{name} {array.dtype} {array.shape} instead of uint8 {size}")
    seams = seam_sides(window, map_shape)
    runs = encode_runs(labels, nodata)
    components = label_components(runs)
    # Number the closed components first.
    is_open = components.touching_seams(seams)
    n_closed = int(np.count_nonzero(~is_open))
    number = np.where(is_open, n_closed + np.cumsum(is_open), np.cumsum(~is_open)) - 1
    number = number.astype(np.int32)
    order = np.argsort(number)
    total = np.zeros(len(components), np.int64)
    minimum = np.zeros(len(components), np.uint8)
    if confidence is not None:
        total, minimum = confidence_stats(runs, components, confidence)
    number_or_none = np.append(number, np.int32(NONE))
    top, bottom, left, right = (number_or_none[side] for side in components.sides)
    return ChunkOutlines(
        window,
        n_closed,
        components.values[order],
        component_sums(runs, components)[order],
        total[order],
        minimum[order],
        *_trace_lines(link_corners(runs, components, seams), number, window),
        top,
        bottom,
        left,
        right,
    )


def _trace_lines(
    corners: CornerGraph, number: Index, window: Window
) -> tuple[Coords, Bytes, Ints, Ints, Index, Index, Index]:
    """Write the linked corners as lines, component by component.

    Returns:
        The fields of `ChunkOutlines` from ``coords`` to ``ambiguous``.
    """
    n_vertices = corners.next_node.size - corners.entries.shape[0]
    capacity = n_vertices // 4 + corners.entries.shape[0] + corners.ambiguous.size + 1
    first, counts, component, next_line, start_code = (
        np.empty(capacity, np.int32) for _ in range(5)
    )
    ambiguous = np.empty(corners.ambiguous.shape, np.int32)
    n_lines = _follow_lines(
        corners.next_node, corners.component, corners.entries, corners.ambiguous, number,
        first, counts, component, next_line, start_code, ambiguous,
    )  # fmt: skip
    first, counts, component = first[:n_lines], counts[:n_lines], component[:n_lines]
    order = np.argsort(component, kind="stable")
    new_number = np.empty(n_lines, np.int32)
    new_number[order] = np.arange(n_lines, dtype=np.int32)
    next_line, start_code = next_line[:n_lines][order], start_code[:n_lines][order]
    has_next = next_line >= 0
    next_line[has_next] = new_number[next_line[has_next]]
    vertex_offsets = np.concatenate([[0], np.cumsum(counts[order], dtype=np.int64)])
    line_offsets = np.searchsorted(component[order], np.arange(number.size + 1))
    coords = np.empty((n_vertices, 2), np.int32)
    fixed = np.empty(n_vertices, np.uint8)
    _write_lines(
        corners.next_node, corners.x, corners.y, corners.junction, first[order], vertex_offsets,
        window.col, window.row, coords, fixed,
    )  # fmt: skip
    return (
        coords, fixed, vertex_offsets, line_offsets, next_line, start_code, new_number[ambiguous]
    )  # fmt: skip


@njit_cached
def _follow_lines(  # noqa: PLR0913 - arrays to fill
    next_node: Index, component_of_node: Index, entries: Index, pairs: Index, number: Index,
    first: Index, counts: Index, component: Index, next_line: Index, start_code: Index,
    ambiguous: Index,
) -> int:  # fmt: skip
    """Follow the links from each entry, from each ambiguous node, then around each ring.

    Fill ``first`` node, ``counts`` of vertices, ``component``, ``next_line`` and ``start_code`` of
    each line, and the lines (k, 2) that end at the nodes of each ambiguous pair; return the number
    of lines. Outlines are cut at ambiguous nodes, so that stitching can swap what follows.
    """
    n_nodes = next_node.size
    n_entries = entries.shape[0]
    n_starts = n_entries + 2 * pairs.shape[0]
    done = np.zeros(n_nodes, np.bool_)
    line_at = np.full(n_nodes, -1, np.int32)
    for k in range(pairs.shape[0]):
        for q in range(2):
            line_at[pairs[k, q]] = n_entries + 2 * k + q
    n_lines = 0
    for k in range(n_starts + n_nodes):
        code = -1
        if k < n_entries:
            node = entries[k, 0]
            code = entries[k, 1]
        elif k < n_starts:
            node = pairs[(k - n_entries) // 2, (k - n_entries) % 2]
        else:
            node = k - n_starts
            if done[node]:
                continue
        done[node] = True
        after = next_node[node]
        # The node of an entry is no vertex: the line starts at the next one.
        first[n_lines] = after if k < n_entries else node
        count = 0 if k < n_entries else 1
        while after >= 0 and not done[after] and line_at[after] < 0:
            done[after] = True
            count += 1
            after = next_node[after]
        counts[n_lines] = count
        component[n_lines] = number[component_of_node[node] - 1]
        start_code[n_lines] = code
        if after < 0:  # it leaves the chunk
            next_line[n_lines] = after
        elif line_at[after] < 0:  # back at its first node: a ring
            next_line[n_lines] = n_lines
        else:
            next_line[n_lines] = line_at[after]
            pair = line_at[after] - n_entries
            ambiguous[pair // 2, pair % 2] = n_lines
        n_lines += 1
    return n_lines


@njit_cached
def _write_lines(  # noqa: PLR0913 - arrays to read and to fill
    next_node: Index, x: Index, y: Index, junction: Bytes, first: Index, vertex_offsets: Ints,
    col: int, row: int, coords: Coords, fixed: Bytes,
) -> None:  # fmt: skip
    """Write the vertices of each line, in pixels of the scene."""
    for line in range(first.size):
        node = first[line]
        for vertex in range(vertex_offsets[line], vertex_offsets[line + 1]):
            coords[vertex, 0] = x[node] + col
            coords[vertex, 1] = y[node] + row
            fixed[vertex] = junction[node]
            node = next_node[node]
