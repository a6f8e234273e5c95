"""One sweep over the vertices of a chunk: the corners of its areas, linked to outlines.

Each side of a pixel between two areas is run along twice: by each area with itself on the left
hand. At a vertex an outline turns right if that keeps it along its area, else goes straight on,
else turns left: so it keeps facing the same outside pixel, and where an area meets itself at a
point, the outline touches there instead of crossing itself. Outlines of an area as a whole
(shells) run counter-clockwise on a north-up map, those of its holes clockwise.

What leaves the chunk is a loose end: its code says at which side, and where. So does a place
where two areas of equal label meet at a point, which may turn out to be one area elsewhere.
"""

from dataclasses import dataclass

import numpy as np

from geoseg.polygons.jit import njit_cached
from geoseg.polygons.trace.components import (
    Bytes,
    Components,
    Flags,
    Index,
    Ints,
    RunLengths,
    Sides,
)

TOP, BOTTOM, LEFT, RIGHT = range(4)
NONE = -1
"""No code, no line."""


@dataclass(frozen=True, slots=True)
class CornerGraph:
    """The vertices of outlines as linked nodes, in raster order."""

    x: Index
    """(n,) column (px of the chunk)."""
    y: Index
    """(n,) row."""
    next: Index
    """(n,) the node that follows, or `code_end` of a loose end."""
    area: Index
    """(n,) the area on the left hand, counted from 1."""
    pinned: Bytes
    """(n,) 1 where three or more sides meet, else 0."""
    begins: Index
    """(loose, 2) node and code of what comes in: the node is no vertex."""
    doubtful: Index
    """(k, 2) nodes of two areas of equal label that meet at a point."""


def seam_code(side: int, position: int, stride: int) -> int:
    """Of a loose end at a vertex of a chunk's side, counted from its first row or column."""
    return side * stride + position


def link_corners(runs: RunLengths, areas: Components, seams: Sides) -> CornerGraph:
    """Corners and links of the areas of a chunk.

    Args:
        runs: of the chunk.
        areas: of these runs.
        seams: whether the map goes on beyond the top, bottom, left and right side.
    """
    height, width = runs.shape
    loose = np.zeros(len(areas) + 1, np.bool_)
    for side, is_seam in zip(
        (areas.top, areas.bottom, areas.left, areas.right), seams, strict=True
    ):
        if is_seam:
            loose[side + 1] = True
    loose[0] = False
    room = 3 * runs.start.size + 4 * (height + width) + 64
    while True:
        x, y, following, area = (np.empty(room, np.int32) for _ in range(4))
        pinned = np.empty(room, np.uint8)
        begins = np.empty((4 * (height + width + 2), 2), np.int32)
        doubtful = np.empty((room // 2 + 1, 2), np.int32)
        nodes, loose_ends, pairs = _sweep_rows(
            runs.offsets, runs.start, runs.end, areas.of_run, areas.values, loose,
            areas.top, areas.bottom, areas.left, areas.right, np.array(seams),
            x, y, following, area, pinned, begins, doubtful,
        )  # fmt: skip
        if nodes >= 0:
            break
        room *= 2
    return CornerGraph(
        x[:nodes], y[:nodes], following[:nodes], area[:nodes], pinned[:nodes],
        begins[:loose_ends], doubtful[:pairs],
    )  # fmt: skip


@njit_cached
def _sweep_rows(  # noqa: C901, PLR0912, PLR0913, PLR0915 - one loop, unrolled for speed
    offsets: Ints, start: Index, end: Index, of_run: Index, values: Bytes, loose: Flags,
    top: Index, bottom: Index, left: Index, right: Index, seams: Flags,
    x: Index, y: Index, following: Index, owner: Index, pinned: Bytes,
    begins: Index, doubtful: Index,
) -> tuple[int, int, int]:  # fmt: skip
    """Fill the arrays; return how many nodes, loose ends and pairs, or -1 where there is no room.

    Areas count from 1 here, 0 is outside. ``south`` holds for each column the node from which an
    outline has gone down, ``north`` the node at which one coming up will arrive; ``east`` and
    ``west`` the same along the row.
    """
    height, width = left.size, top.size
    stride = max(height, width) + 1
    seam_top, seam_bottom, seam_left, seam_right = seams[0], seams[1], seams[2], seams[3]
    south = np.full(width + 1, -1, np.int32)
    north = np.full(width + 1, -1, np.int32)
    n = 0
    m = 0
    pairs = 0
    first_col = 1 if seam_left else 0
    last_col = width - 1 if seam_right else width
    if seam_top:
        for j in range(first_col, last_col + 1):
            one = top[j - 1] + 1 if j > 0 else 0
            other = top[j] + 1 if j < width else 0
            if one != other:
                if other != 0:
                    owner[n] = other
                    south[j] = n
                    begins[m, 0] = n
                    begins[m, 1] = 0 * stride + j
                    n += 1
                    m += 1
                if one != 0:
                    north[j] = -2 - (0 * stride + j)
    for i in range(1 if seam_top else 0, height if seam_bottom else height + 1):
        u = offsets[i - 1] if i > 0 else 0
        u_end = offsets[i] if i > 0 else 0
        d = offsets[i] if i < height else 0
        d_end = offsets[i + 1] if i < height else 0
        if n + 8 * (u_end - u + d_end - d) + 2 * width + 8 > x.size:
            return -1, 0, 0
        east = -1
        west = -1
        if seam_left:
            one = left[i - 1] + 1 if i > 0 else 0
            other = left[i] + 1 if i < height else 0
            if one != other:
                if one != 0:
                    owner[n] = one
                    east = n
                    begins[m, 0] = n
                    begins[m, 1] = 2 * stride + i
                    n += 1
                    m += 1
                if other != 0:
                    west = -2 - (2 * stride + i)
        tr = 0
        br = 0
        in_upper = False
        in_lower = False
        while u < u_end or d < d_end:
            j = width + 1
            if u < u_end:
                j = end[u] if in_upper else start[u]
            if d < d_end:
                j = min(j, end[d] if in_lower else start[d])
            tl = tr
            bl = br
            if u < u_end and (end[u] if in_upper else start[u]) == j:
                if in_upper:
                    u += 1
                    in_upper = u < u_end and start[u] == j
                else:
                    in_upper = True
                tr = of_run[u] + 1 if in_upper else 0
            if d < d_end and (end[d] if in_lower else start[d]) == j:
                if in_lower:
                    d += 1
                    in_lower = d < d_end and start[d] == j
                else:
                    in_lower = True
                br = of_run[d] + 1 if in_lower else 0
            if (tl == bl and tr == br) or j < first_col or j > last_col:
                continue
            sides = int(tl != tr) + int(tl != bl) + int(bl != br) + int(tr != br)
            pin = 1 if sides > 2 else 0
            old_south = south[j]
            old_north = north[j]
            old_east = east
            old_west = west
            begun = n
            if tl != tr and tr != 0:  # from the north
                following[old_south] = n
                if bl == tr:
                    following[n] = old_west
                elif br == tr:
                    south[j] = n
                else:
                    east = n
                owner[n] = tr
                n += 1
            from_west = n
            if tl != bl and tl != 0:  # from the west
                following[old_east] = n
                if br == tl:
                    south[j] = n
                elif tr == tl:
                    east = n
                else:
                    following[n] = old_north
                owner[n] = tl
                n += 1
            from_south = n
            if bl != br and bl != 0:  # from the south
                north[j] = n
                if tr == bl:
                    east = n
                elif tl == bl:
                    following[n] = old_north
                else:
                    following[n] = old_west
                owner[n] = bl
                n += 1
            if tr != br and br != 0:  # from the east
                west = n
                if tl == br:
                    following[n] = old_north
                elif bl == br:
                    following[n] = old_west
                else:
                    south[j] = n
                owner[n] = br
                n += 1
            for k in range(begun, n):
                x[k] = j
                y[k] = i
                pinned[k] = pin
            if sides == 4:
                if tl != br and loose[tl] and loose[br] and values[tl - 1] == values[br - 1]:
                    doubtful[pairs, 0] = from_west
                    doubtful[pairs, 1] = n - 1
                    pairs += 1
                if tr != bl and loose[tr] and loose[bl] and values[tr - 1] == values[bl - 1]:
                    doubtful[pairs, 0] = begun
                    doubtful[pairs, 1] = from_south
                    pairs += 1
        if seam_right:
            one = right[i - 1] + 1 if i > 0 else 0
            other = right[i] + 1 if i < height else 0
            if one != other:
                if one != 0:
                    following[east] = -2 - (3 * stride + i)
                if other != 0:
                    owner[n] = other
                    following[n] = west
                    begins[m, 0] = n
                    begins[m, 1] = 3 * stride + i
                    n += 1
                    m += 1
    if seam_bottom:
        for j in range(first_col, last_col + 1):
            one = bottom[j - 1] + 1 if j > 0 else 0
            other = bottom[j] + 1 if j < width else 0
            if one != other:
                if other != 0:
                    following[south[j]] = -2 - (1 * stride + j)
                if one != 0:
                    owner[n] = one
                    following[n] = north[j]
                    begins[m, 0] = n
                    begins[m, 1] = 1 * stride + j
                    n += 1
                    m += 1
    return n, m, pairs
