"""Route outlines across the seams between chunks.

No chunk has the vertices on its seams, because the turning rule needs the four pixels around a
vertex. Stitching finds these vertices and adds a *link* for each outline that passes one: a line
of one vertex, or of none where the outline goes straight on.
"""

from dataclasses import dataclass

import numpy as np

from geoseg.polygons.arrays import Bytes, Coords, Flags, Ints
from geoseg.polygons.trace.corners import NONE

NORTH, WEST, SOUTH, EAST = range(4)


@dataclass(frozen=True, slots=True)
class SeamVertices:
    """Vertices on seams, the components around them, and the open ends of the chunks at them."""

    x: Ints
    """(n,) column (px)."""
    y: Ints
    """(n,) row (px)."""
    around: Ints
    """(n, 4) component at the upper left, upper right, lower left and lower right; -1 for nodata
    and outside of the map."""
    ending: Ints
    """(n, 4) line that ends here, coming from the north, west, south, east; -1 for none."""
    starting: Ints
    """(n, 4) line that starts here, going north, west, south, east; -1 for none."""

    @classmethod
    def empty(cls) -> "SeamVertices":
        """Return zero vertices."""
        none = np.zeros(0, np.int64)
        return cls(none, none, *(none.reshape(0, 4),) * 3)


@dataclass(frozen=True, slots=True)
class SeamLinks:
    """Lines of one vertex, or none, that lead outlines through seam vertices."""

    component: Ints
    """(lines,) the component on the left hand."""
    coords: Coords
    """(m, 2) their vertices as (col, row) of the scene (px)."""
    fixed: Bytes
    """(m,) 1 where smoothing must not move the vertex, else 0."""
    counts: Ints
    """(lines,) number of vertices, 0 where an outline goes straight on."""
    arriving: Ints
    """(n, 4) line for an outline coming from the north, west, south, east; -1 for none."""
    leaving: Ints
    """(n, 4) line for an outline going north, west, south, east; -1 for none."""
    touching: Flags
    """(n, 2) whether two components meet only here: upper left and lower right; upper right and
    lower left."""


def route_across_seam(vertices: SeamVertices, first_line: int, *, keep_straight: bool) -> SeamLinks:
    """Lead outlines through seam vertices by the turning rule of `link_corners`.

    Args:
        vertices: n vertices on seams.
        first_line: number of the first new line.
        keep_straight: keep a vertex where an outline goes straight on, and fix all vertices.
    """
    tl, tr, bl, br = vertices.around.T
    # For an outline from the north, west, south and east: the component on its right hand, its own
    # on its left hand, and those that would be on its left hand after a turn right and straight
    # on; then the directions right, straight on and left.
    rules = (
        (tl, tr, bl, br, (WEST, SOUTH, EAST)),
        (bl, tl, br, tr, (SOUTH, EAST, NORTH)),
        (br, bl, tr, tl, (EAST, NORTH, WEST)),
        (tr, br, tl, bl, (NORTH, WEST, SOUTH)),
    )
    exists = np.stack([(right != own) & (own != NONE) for right, own, *_ in rules], axis=1)
    direction = np.stack(
        [
            np.where(if_right == own, ways[0], np.where(if_straight == own, ways[1], ways[2]))
            for _, own, if_right, if_straight, ways in rules
        ],
        axis=1,
    )
    component = np.stack([own for _, own, *_ in rules], axis=1)
    sides = np.sum([rule[0] != rule[1] for rule in rules], axis=0)
    straight = (direction == np.array([SOUTH, EAST, NORTH, WEST])) & (sides == 2)[:, None]
    number = np.where(exists, first_line + np.cumsum(exists).reshape(exists.shape) - 1, NONE)
    leaving = np.full(exists.shape, NONE)
    vertex, origin = np.nonzero(exists)
    leaving[vertex, direction[vertex, origin]] = number[vertex, origin]
    counts = (~straight | keep_straight)[exists].astype(np.int64)
    shown = vertex[counts > 0]
    fixed = (sides[shown] > 2) | keep_straight
    return SeamLinks(
        component[exists],
        np.column_stack([vertices.x[shown], vertices.y[shown]]).astype(np.int32),
        fixed.astype(np.uint8),
        counts,
        number,
        leaving,
        np.column_stack(
            [(tl != br) & (tl != NONE) & (br != NONE), (tr != bl) & (tr != NONE) & (bl != NONE)]
        )
        & (sides == 4)[:, None],
    )
