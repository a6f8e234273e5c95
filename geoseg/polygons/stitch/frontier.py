"""A row of chunks below those that are finished: its areas, lines and seams under one numbering."""

from dataclasses import dataclass

import numpy as np

from geoseg.polygons.stitch.rings import ComponentStats, OpenLines
from geoseg.polygons.stitch.seams import EAST, NORTH, SOUTH, WEST, SeamVertices
from geoseg.polygons.trace.chunk import ChunkOutlines
from geoseg.polygons.trace.components import Ints, union_pairs
from geoseg.polygons.trace.corners import BOTTOM, LEFT, NONE, RIGHT, TOP

Chain = tuple[Ints, Ints, int, int]
"""Vertices, those that follow them along a seam, the way there and the way back."""


@dataclass(frozen=True, slots=True)
class OpenState:
    """What the finished rows of chunks leave for those to come.

    Areas and lines have numbers of their own; those of lines go through all blocks.
    """

    areas: ComponentStats
    blocks: list[OpenLines]
    """Kept apart: a polygon that spans the map would otherwise be copied with each row."""
    follows: Ints
    """(lines,) the line after each line, -1 where it is still to come."""
    doubtful: Ints
    """(k, 2) lines that change followers if their areas turn out to be one."""
    above: Ints
    """(width,) area at each pixel of the last row of pixels, -1 for nodata."""
    ends: Ints
    """(width + 1,) line that ends there at each vertex, going down; -1 for none."""
    begins: Ints
    """(width + 1,) line that begins there at each vertex, going up; -1 for none."""


class RowFrontier:
    """A row of chunks, with its unfinished areas and lines numbered after those held."""

    def __init__(self, row: list[ChunkOutlines], held: OpenState, width: int) -> None:
        self.row = row
        self.width = width
        self.top = row[0].window.row
        self.height = row[0].window.height
        self.held = held
        counts = [len(p) - p.whole for p in row]
        self.first_area = (held.areas.values.size + np.cumsum([0, *counts])).tolist()
        self.first_line = (
            held.follows.size
            + np.cumsum([0, *(p.follows.size - int(p.line_offsets[p.whole]) for p in row)])
        ).tolist()
        self.areas = ComponentStats(
            np.concatenate([held.areas.values, *(p.values[p.whole :] for p in row)]),
            np.concatenate([held.areas.pixels, *(p.pixels[p.whole :] for p in row)]),
            np.concatenate(
                [held.areas.confidence_sum, *(p.confidence_sum[p.whole :] for p in row)]
            ),
            np.concatenate(
                [held.areas.confidence_min, *(p.confidence_min[p.whole :] for p in row)]
            ),
        )
        self.lines = OpenLines.concatenate(
            [OpenLines.unfinished(p, first) for p, first in zip(row, self.first_area, strict=False)]
        )
        numbered = zip(row, self.first_line, strict=False)
        shifts = [(p, first - int(p.line_offsets[p.whole])) for p, first in numbered]
        self.follows = np.concatenate(
            [
                np.where(f >= 0, f + shift, NONE)
                for p, shift in shifts
                for f in [p.follows[p.line_offsets[p.whole] :].astype(np.int64)]
            ]
        )
        self.doubtful = np.concatenate([p.doubtful.astype(np.int64) + s for p, s in shifts])
        self.ends = [p.follows[p.line_offsets[p.whole] :] for p in row]
        self.begins = [p.begins[p.line_offsets[p.whole] :] for p in row]

    def areas_along(self, side: int, chunk: int) -> Ints:
        """Number of the unfinished area at each pixel of a chunk's side, -1 for none."""
        pieces = self.row[chunk]
        areas = (pieces.top, pieces.bottom, pieces.left, pieces.right)[side].astype(np.int64)
        unfinished = areas >= pieces.whole
        return np.where(unfinished, areas - pieces.whole + self.first_area[chunk], NONE)

    def side(self, side: int) -> Ints:
        """The areas along the top or the bottom of all chunks (width,)."""
        return np.concatenate([self.areas_along(side, c) for c in range(len(self.row))])

    def loose_at(self, side: int, chunk: int) -> tuple[Ints, Ints]:
        """Line that ends, and line that begins, at each vertex of a chunk's side; -1 for none."""
        window = self.row[chunk].window
        length = (window.width if side in (TOP, BOTTOM) else window.height) + 1
        stride = max(window.height, window.width) + 1
        found = []
        for codes in (-2 - self.ends[chunk], self.begins[chunk]):
            line = np.full(length, NONE)
            at = np.flatnonzero((codes >= side * stride) & (codes < (side + 1) * stride))
            line[codes[at] - side * stride] = at + self.first_line[chunk]
            found.append(line)
        return found[0], found[1]

    def loose(self, side: int) -> tuple[Ints, Ints]:
        """The same along the top or the bottom of all chunks (width + 1,)."""
        ends, begins = np.full((2, self.width + 1), NONE)
        for chunk, pieces in enumerate(self.row):
            cols = slice(pieces.window.col, pieces.window.col_end + 1)
            for line, found in zip((ends, begins), self.loose_at(side, chunk), strict=True):
                line[cols] = np.maximum(line[cols], found)
        return ends, begins

    def united(self) -> Ints:
        """The first area of each area's polygon, as far as known (areas,)."""
        facing = [
            (self.areas_along(RIGHT, c), self.areas_along(LEFT, c + 1))
            for c in range(len(self.row) - 1)
        ]
        if self.top:
            facing.append((self.held.above, self.side(TOP)))
        parent = np.arange(self.areas.values.size)
        for one, other in facing:
            both = (one >= 0) & (other >= 0)
            one, other = one[both], other[both]
            equal = self.areas.values[one] == self.areas.values[other]
            union_pairs(one[equal], other[equal], parent)
        return parent

    def vertices(
        self, root: Ints, size: tuple[int, int]
    ) -> tuple[SeamVertices, list[Chain], list[tuple[int, int]]]:
        """The vertices on the seams above and inside of this row.

        Returns:
            The vertices; the chains of them along seams; and for each vertical seam with any its
            column and its last vertex.
        """
        found: list[SeamVertices] = []
        chains: list[Chain] = []
        crossing: dict[int, int] = {}
        count = 0
        if self.top:
            found.append(self._along_top(root))
            count = found[0].x.size
            crossing = {x: n for n, x in enumerate(found[0].x.tolist())}
            along = np.arange(count)
            chains.append((along[:-1], along[1:], EAST, WEST))
        bottoms = []
        for chunk in range(len(self.row) - 1):
            seam = self._along_right(chunk, root, size[0])
            col = self.row[chunk].window.col_end
            along = np.arange(count, count + seam.x.size)
            if col in crossing:
                along = np.insert(along, 0, crossing[col])
            chains.append((along[:-1], along[1:], SOUTH, NORTH))
            if along.size:
                bottoms.append((col, int(along[-1])))
            found.append(seam)
            count += seam.x.size
        if not found:
            none = np.zeros(0, np.int64)
            found.append(SeamVertices(none, none, *(none.reshape(0, 4),) * 3))
        return SeamVertices.concatenate(found), chains, bottoms

    def _along_top(self, root: Ints) -> SeamVertices:
        upper, lower = (
            np.pad(renumbered(root, side), 1, constant_values=NONE)
            for side in (self.held.above, self.side(TOP))
        )
        around = np.column_stack([upper[:-1], upper[1:], lower[:-1], lower[1:]])
        at = np.flatnonzero((upper[:-1] != upper[1:]) | (lower[:-1] != lower[1:]))
        ends, begins = self.loose(TOP)
        return SeamVertices(
            at,
            np.full_like(at, self.top),
            around[at],
            _seam_ways(at.size, (NORTH, self.held.ends[at]), (SOUTH, ends[at])),
            _seam_ways(at.size, (NORTH, self.held.begins[at]), (SOUTH, begins[at])),
        )

    def _along_right(self, chunk: int, root: Ints, height: int) -> SeamVertices:
        one, other = (
            np.pad(renumbered(root, side), 1, constant_values=NONE)
            for side in (self.areas_along(RIGHT, chunk), self.areas_along(LEFT, chunk + 1))
        )
        around = np.column_stack([one[:-1], other[:-1], one[1:], other[1:]])
        busy = (one[:-1] != one[1:]) | (other[:-1] != other[1:])
        busy[0] &= self.top == 0
        busy[-1] &= self.top + self.height == height
        at = np.flatnonzero(busy)
        ends, begins = self.loose_at(RIGHT, chunk)
        ends_beyond, begins_beyond = self.loose_at(LEFT, chunk + 1)
        return SeamVertices(
            np.full_like(at, self.row[chunk].window.col_end),
            at + self.top,
            around[at],
            _seam_ways(at.size, (WEST, ends[at]), (EAST, ends_beyond[at])),
            _seam_ways(at.size, (WEST, begins[at]), (EAST, begins_beyond[at])),
        )


def _seam_ways(count: int, *given: tuple[int, Ints]) -> Ints:
    """(count, 4) lines by way, -1 where none are given."""
    lines = np.full((count, 4), NONE)
    for way, line in given:
        lines[:, way] = line
    return lines


def renumbered(number: Ints, areas: Ints) -> Ints:
    """New numbers of areas, where -1 stays."""
    return np.append(number, NONE)[areas]
