"""The frontier: what is still open below the finished rows of chunks, and the next row of chunks.

Stitching works row by row of chunks. Components and lines of the row get numbers after those that
the finished rows carried over, so that both are one set of components and lines.
"""

from dataclasses import dataclass

import numpy as np

from geoseg.polygons.arrays import Flags, Index, Ints, concat_fields
from geoseg.polygons.stitch.rings import ComponentStats, OpenLines
from geoseg.polygons.stitch.seams import EAST, NORTH, SOUTH, WEST, SeamVertices
from geoseg.polygons.trace.chunk import ChunkOutlines
from geoseg.polygons.trace.components import union_pairs
from geoseg.polygons.trace.corners import BOTTOM, LEFT, NONE, RIGHT, TOP


@dataclass(frozen=True, slots=True)
class OpenState:
    """What the finished rows of chunks carry over to the next row.

    Components and lines have numbers of their own; those of lines go through all batches.
    """

    components: ComponentStats
    batches: list[OpenLines]
    """Not concatenated: a polygon that spans the map would be copied for each row."""
    next_line: Ints
    """(lines,) the line after each line, -1 where it is not known yet."""
    ambiguous: Ints
    """(k, 2) lines that swap their next lines if their components prove to be one."""
    bottom: Ints
    """(width,) component at each pixel of the last row of pixels, -1 for nodata."""
    ends: Ints
    """(2, width + 1) the line that ends at each vertex below, going down, and the line that starts
    there, going up; -1 for none."""

    @classmethod
    def empty(cls, width: int) -> "OpenState":
        """Return the state above the first row of a map."""
        none = np.zeros(0, np.int64)
        no_bytes = np.zeros(0, np.uint8)
        components = ComponentStats(no_bytes, none, none, no_bytes)
        bottom, ends = np.full(width, NONE), np.full((2, width + 1), NONE)
        return cls(components, [], none, none.reshape(0, 2), bottom, ends)


class RowFrontier:
    """A row of chunks, its open components and lines numbered after those carried over."""

    def __init__(self, row: list[ChunkOutlines], carried: OpenState, width: int) -> None:
        """Number the components and lines.

        Args:
            row: the chunks from left to right.
            carried: by the rows above.
            width: columns of the map (px).
        """
        self.row, self.width, self.carried = row, width, carried
        self.top = row[0].window.row
        self.height = row[0].window.height
        counts = [len(chunk) - chunk.n_closed for chunk in row]
        # The lines of closed components come first in a chunk and need no stitching.
        skipped = [int(chunk.line_offsets[chunk.n_closed]) for chunk in row]
        next_lines = [c.next_line[n:].astype(np.int64) for c, n in zip(row, skipped, strict=True)]
        first_component = carried.components.values.size + np.cumsum([0, *counts])
        first_line = carried.next_line.size + np.cumsum([0, *(len(n) for n in next_lines)])
        self.first_component: list[int] = first_component.tolist()
        self.first_line: list[int] = first_line.tolist()
        self.components = concat_fields(
            [carried.components, *(ComponentStats.from_chunk(chunk) for chunk in row)]
        )
        lines, next_line, ambiguous = [], [], []
        self._codes: list[tuple[Ints | Index, Ints | Index]] = []
        for n, chunk in enumerate(row):
            shift = self.first_line[n] - skipped[n]
            lines.append(OpenLines.from_chunk(chunk, self.first_component[n]))
            next_line.append(np.where(next_lines[n] >= 0, next_lines[n] + shift, NONE))
            ambiguous.append(chunk.ambiguous.astype(np.int64) + shift)
            self._codes.append((-2 - next_lines[n], chunk.start_code[skipped[n] :]))
        self.lines = concat_fields(lines)
        self.next_line = np.concatenate(next_line)
        self.ambiguous = np.concatenate(ambiguous)

    def side(self, side: int, chunk: int) -> Ints:
        """Return the open component at each pixel of a chunk's side, -1 for none."""
        outlines = self.row[chunk]
        numbers = (outlines.top, outlines.bottom, outlines.left, outlines.right)[side]
        numbers = numbers.astype(np.int64)
        shift = self.first_component[chunk] - outlines.n_closed
        return np.where(numbers >= outlines.n_closed, numbers + shift, NONE)

    def row_side(self, side: int) -> Ints:
        """Return `side` along the `TOP` or `BOTTOM` of all chunks (width,)."""
        return np.concatenate([self.side(side, c) for c in range(len(self.row))])

    def open_ends(self, side: int, chunk: int) -> Ints:
        """Return the lines that end and those that start (2, n) at the vertices of a side."""
        window = self.row[chunk].window
        length = (window.width if side in (TOP, BOTTOM) else window.height) + 1
        stride = max(window.height, window.width) + 1
        ends = np.full((2, length), NONE)
        for n, codes in enumerate(self._codes[chunk]):
            at_side = np.flatnonzero((codes >= side * stride) & (codes < (side + 1) * stride))
            ends[n, codes[at_side] - side * stride] = at_side + self.first_line[chunk]
        return ends

    def row_open_ends(self, side: int) -> Ints:
        """Return `open_ends` (2, width + 1) along the `TOP` or `BOTTOM` of all chunks."""
        ends = np.full((2, self.width + 1), NONE)
        for chunk, outlines in enumerate(self.row):
            cols = slice(outlines.window.col, outlines.window.col_end + 1)
            ends[:, cols] = np.maximum(ends[:, cols], self.open_ends(side, chunk))
        return ends

    def unite_components(self) -> Ints:
        """Return the first component (n,) of the polygon of each, as far as the rows tell."""
        facing = [(self.side(RIGHT, c), self.side(LEFT, c + 1)) for c in range(len(self.row) - 1)]
        if self.top:
            facing.append((self.carried.bottom, self.row_side(TOP)))
        root = np.arange(self.components.values.size)
        for a, b in facing:
            both = (a >= 0) & (b >= 0)
            a, b = a[both], b[both]
            equal = self.components.values[a] == self.components.values[b]
            union_pairs(a[equal], b[equal], root)
        return root

    def seam_vertices(
        self, root: Ints, map_height: int
    ) -> tuple[SeamVertices, list[tuple[Ints, int]], list[tuple[int, int]]]:
        """Find the vertices on the seam above this row and on those inside of it.

        Args:
            root: of `unite_components`.
            map_height: rows of the map (px).

        Returns:
            The vertices; for each seam its vertices from west to east or north to south, with
            `EAST` or `SOUTH`; and column and last vertex of each vertical seam that has vertices.
        """
        batches: list[SeamVertices] = []
        seams: list[tuple[Ints, int]] = []
        top_vertex_at: dict[int, int] = {}
        count = 0
        if self.top:
            batches.append(self._top_seam(root))
            count = batches[0].x.size
            top_vertex_at = {x: n for n, x in enumerate(batches[0].x.tolist())}
            seams.append((np.arange(count), EAST))
        last_vertices = []
        for chunk in range(len(self.row) - 1):
            seam = self._right_seam(chunk, root, map_height)
            col = self.row[chunk].window.col_end
            along = np.arange(count, count + seam.x.size)
            if col in top_vertex_at:
                along = np.insert(along, 0, top_vertex_at[col])
            seams.append((along, SOUTH))
            if along.size:
                last_vertices.append((col, int(along[-1])))
            batches.append(seam)
            count += seam.x.size
        return concat_fields(batches or [SeamVertices.empty()]), seams, last_vertices

    def _top_seam(self, root: Ints) -> SeamVertices:
        around, is_vertex = _around_seam(root, self.carried.bottom, self.row_side(TOP))
        x = np.flatnonzero(is_vertex)
        ends = {NORTH: self.carried.ends, SOUTH: self.row_open_ends(TOP)}
        return SeamVertices(
            x, np.full_like(x, self.top), around[x][:, [0, 2, 1, 3]], *_ends_at(x, ends)
        )

    def _right_seam(self, chunk: int, root: Ints, map_height: int) -> SeamVertices:
        around, is_vertex = _around_seam(root, self.side(RIGHT, chunk), self.side(LEFT, chunk + 1))
        # The ends belong to the horizontal seams, but for those on the edge of the map.
        is_vertex[0] &= self.top == 0
        is_vertex[-1] &= self.top + self.height == map_height
        y = np.flatnonzero(is_vertex)
        ends = {WEST: self.open_ends(RIGHT, chunk), EAST: self.open_ends(LEFT, chunk + 1)}
        col = self.row[chunk].window.col_end
        return SeamVertices(np.full_like(y, col), y + self.top, around[y], *_ends_at(y, ends))


def _around_seam(root: Ints, near: Ints, far: Ints) -> tuple[Ints, Flags]:
    """Return the polygons around all points of a seam, and which points are vertices.

    Args:
        root: of `RowFrontier.unite_components`.
        near: (n,) components along the upper or left side of the seam.
        far: (n,) components along the other side.

    Returns:
        (n + 1, 4) near and far before the point, near and far after it; and (n + 1,) flags.
    """
    near, far = (np.pad(renumber(root, side), 1, constant_values=NONE) for side in (near, far))
    around = np.column_stack([near[:-1], far[:-1], near[1:], far[1:]])
    return around, (near[:-1] != near[1:]) | (far[:-1] != far[1:])


def _ends_at(points: Ints, ends: dict[int, Ints]) -> Ints:
    """Return ``ending`` and ``starting`` (2, n, 4) of `SeamVertices` from those by direction."""
    ends_at = np.full((2, points.size, 4), NONE)
    for direction, along in ends.items():
        ends_at[:, :, direction] = along[:, points]
    return ends_at


def renumber(new_number: Ints, numbers: Ints) -> Ints:
    """Return the new number of each of ``numbers``, where -1 stays -1."""
    return np.append(new_number, NONE)[numbers]
