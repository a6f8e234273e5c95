"""Find the corners of the outlines of a chunk in one sweep, and link them.

Each pixel side between two components is run along twice: once by each component, with itself on
the left hand. At a vertex the *turning rule* decides where an outline goes on: right if that keeps
its component on the left, else straight on, else left. So an outline keeps the same outside pixels
on its right, and where a component meets itself at a point, its outline touches itself and does not
cross. Shells run counter-clockwise on a north-up map, holes clockwise.

A *seam* is a side of the chunk beyond which the map goes on. Where an outline crosses a seam it
has an *open end*, named by a *seam code*: ``side * stride + position``, with the side (`TOP`,
`BOTTOM`, `LEFT`, `RIGHT`), the position of the vertex along it (px of the chunk) and a stride of
``max(height, width) + 1``. An outline that leaves the chunk stores ``-2 - code`` in place of the
next node; -1 (`NONE`) means nothing.

An *ambiguous pair* is a vertex where two components of equal label meet only at a point, and both
touch a seam: they may prove to be one component elsewhere. Then the two outlines swap their next
lines, by the same turning rule.

See docs/explanation/polygons.md for figures.
"""

from dataclasses import dataclass

import numpy as np

from geoseg.polygons.arrays import Bytes, Flags, Index, Ints
from geoseg.polygons.jit import njit_cached
from geoseg.polygons.trace.components import Components, RunLengths, Sides

TOP, BOTTOM, LEFT, RIGHT = range(4)
NONE = -1
"""No component, no line, no code."""


@dataclass(frozen=True, slots=True)
class CornerGraph:
    """The vertices of outlines as linked nodes, in raster order; one node for each outline."""

    x: Index
    """(n,) column (px of the chunk)."""
    y: Index
    """(n,) row (px of the chunk)."""
    next_node: Index
    """(n,) the node after each node, or -2 - code where the outline leaves the chunk."""
    component: Index
    """(n,) component on the left hand, from 1."""
    junction: Bytes
    """(n,) 1 where three or more pixel sides between components meet, else 0."""
    entries: Index
    """(k, 2) node and code of each outline that enters the chunk; such a node is no vertex."""
    ambiguous: Index
    """(p, 2) nodes of each ambiguous pair."""


def link_corners(runs: RunLengths, components: Components, seams: Sides) -> CornerGraph:
    """Find and link the corners of the ``components`` that the ``runs`` of a chunk make up."""
    height, width = runs.shape
    # With the numbers of the sweep, where components count from 1 and 0 is nodata.
    touches_seam = np.concatenate([[False], components.touching_seams(seams)])
    capacity = 3 * runs.start.size + 4 * (height + width) + 64
    while True:
        x, y, next_node, component = (np.empty(capacity, np.int32) for _ in range(4))
        junction = np.empty(capacity, np.uint8)
        entries = np.empty((4 * (height + width + 2), 2), np.int32)
        ambiguous = np.empty((capacity // 2 + 1, 2), np.int32)
        n_nodes, n_entries, n_pairs = _sweep_rows(
            runs.row_offsets, runs.start, runs.end, components.component_of_run,
            components.values, touches_seam,
            *components.sides, np.array(seams),
            x, y, next_node, component, junction, entries, ambiguous,
        )  # fmt: skip
        if n_nodes >= 0:
            break
        capacity *= 2
    return CornerGraph(
        x[:n_nodes], y[:n_nodes], next_node[:n_nodes], component[:n_nodes], junction[:n_nodes],
        entries[:n_entries], ambiguous[:n_pairs],
    )  # fmt: skip


@njit_cached
def _sweep_rows(  # noqa: C901, PLR0912, PLR0913, PLR0915 - one loop, unrolled for speed
    row_offsets: Ints, start: Index, end: Index, component_of_run: Index, values: Bytes,
    touches_seam: Flags,
    top: Index, bottom: Index, left: Index, right: Index, seams: Flags,
    x: Index, y: Index, next_node: Index, component: Index, junction: Bytes,
    entries: Index, ambiguous: Index,
) -> tuple[int, int, int]:  # fmt: skip
    """Fill the last seven arrays; return the number of nodes, entries and pairs.

    Return -1 for the nodes where the arrays are too small. Components count from 1; 0 is nodata
    and what lies outside of the map.

    The sweep visits the vertices between row i - 1 and row i from left to right. An outline that
    goes right or down leads to a vertex that the sweep has not reached, so its last node waits
    there: ``from_west`` for the next vertex of this line, ``from_north[j]`` for the next of column
    j. An outline that goes left or up leads to a vertex that the sweep has passed, so the node
    waits for it there: ``to_west`` at the last vertex of this line, ``to_north[j]`` at the last of
    column j. A value of -2 - code stands for a seam.

    Vertices on a seam belong to no chunk: the sweep leaves them out, and stitching adds them.
    """
    height, width = left.size, top.size
    stride = max(height, width) + 1
    seam_top, seam_bottom, seam_left, seam_right = seams[0], seams[1], seams[2], seams[3]
    from_north = np.full(width + 1, -1, np.int32)
    to_north = np.full(width + 1, -1, np.int32)
    n = 0
    n_entries = 0
    n_pairs = 0
    first_col = 1 if seam_left else 0
    last_col = width - 1 if seam_right else width
    if seam_top:
        # Outlines cross the top seam where its pixels change component.
        for j in range(first_col, last_col + 1):
            on_left = top[j - 1] + 1 if j > 0 else 0
            on_right = top[j] + 1 if j < width else 0
            if on_left != on_right:
                if on_right != 0:  # it enters, going down, with its component to the east
                    component[n] = on_right
                    from_north[j] = n
                    entries[n_entries, 0] = n
                    entries[n_entries, 1] = 0 * stride + j
                    n += 1
                    n_entries += 1
                if on_left != 0:  # it will leave, going up
                    to_north[j] = -2 - (0 * stride + j)
    for i in range(1 if seam_top else 0, height if seam_bottom else height + 1):
        above = row_offsets[i - 1] if i > 0 else 0
        above_end = row_offsets[i] if i > 0 else 0
        below = row_offsets[i] if i < height else 0
        below_end = row_offsets[i + 1] if i < height else 0
        if n + 8 * (above_end - above + below_end - below) + 2 * width + 8 > x.size:
            return -1, 0, 0
        from_west = -1
        to_west = -1
        if seam_left:
            on_top = left[i - 1] + 1 if i > 0 else 0
            on_bottom = left[i] + 1 if i < height else 0
            if on_top != on_bottom:
                if on_top != 0:  # it enters, going right, with its component to the north
                    component[n] = on_top
                    from_west = n
                    entries[n_entries, 0] = n
                    entries[n_entries, 1] = 2 * stride + i
                    n += 1
                    n_entries += 1
                if on_bottom != 0:  # it will leave, going left
                    to_west = -2 - (2 * stride + i)
        # Components at the top and bottom right of the vertex; the left ones are the last right.
        tr = 0
        br = 0
        in_above = False
        in_below = False
        while above < above_end or below < below_end:
            # Step to the next column j in which a run of either row starts or ends.
            j = width + 1
            if above < above_end:
                j = end[above] if in_above else start[above]
            if below < below_end:
                j = min(j, end[below] if in_below else start[below])
            tl = tr
            bl = br
            if above < above_end and (end[above] if in_above else start[above]) == j:
                if in_above:
                    above += 1
                    in_above = above < above_end and start[above] == j
                else:
                    in_above = True
                tr = component_of_run[above] + 1 if in_above else 0
            if below < below_end and (end[below] if in_below else start[below]) == j:
                if in_below:
                    below += 1
                    in_below = below < below_end and start[below] == j
                else:
                    in_below = True
                br = component_of_run[below] + 1 if in_below else 0
            # A straight vertical side has no vertex here; seams are left to stitching.
            if (tl == bl and tr == br) or j < first_col or j > last_col:
                continue
            sides = int(tl != tr) + int(tl != bl) + int(bl != br) + int(tr != br)
            old_from_north = from_north[j]
            old_to_north = to_north[j]
            old_from_west = from_west
            old_to_west = to_west
            first_node = n
            # Four outlines can arrive. Each case tries right, straight on and left, in this order:
            # the pixel that would be on the left hand then must be of the same component.
            if tl != tr and tr != 0:  # coming from the north, with tr on the left hand
                next_node[old_from_north] = n
                if bl == tr:  # right, to the west
                    next_node[n] = old_to_west
                elif br == tr:  # straight on, to the south
                    from_north[j] = n
                else:  # left, to the east
                    from_west = n
                component[n] = tr
                n += 1
            node_from_west = n
            if tl != bl and tl != 0:  # coming from the west, with tl on the left hand
                next_node[old_from_west] = n
                if br == tl:  # right, to the south
                    from_north[j] = n
                elif tr == tl:  # straight on, to the east
                    from_west = n
                else:  # left, to the north
                    next_node[n] = old_to_north
                component[n] = tl
                n += 1
            node_from_south = n
            if bl != br and bl != 0:  # coming from the south, with bl on the left hand
                to_north[j] = n
                if tr == bl:  # right, to the east
                    from_west = n
                elif tl == bl:  # straight on, to the north
                    next_node[n] = old_to_north
                else:  # left, to the west
                    next_node[n] = old_to_west
                component[n] = bl
                n += 1
            if tr != br and br != 0:  # coming from the east, with br on the left hand
                to_west = n
                if tl == br:  # right, to the north
                    next_node[n] = old_to_north
                elif bl == br:  # straight on, to the west
                    next_node[n] = old_to_west
                else:  # left, to the south
                    from_north[j] = n
                component[n] = br
                n += 1
            for k in range(first_node, n):
                x[k] = j
                y[k] = i
                junction[k] = 1 if sides > 2 else 0
            if sides == 4:
                # Both outlines turned left. As one component, both would turn right.
                if (
                    tl != br
                    and touches_seam[tl]
                    and touches_seam[br]
                    and values[tl - 1] == values[br - 1]
                ):
                    ambiguous[n_pairs, 0] = node_from_west
                    ambiguous[n_pairs, 1] = n - 1
                    n_pairs += 1
                if (
                    tr != bl
                    and touches_seam[tr]
                    and touches_seam[bl]
                    and values[tr - 1] == values[bl - 1]
                ):
                    ambiguous[n_pairs, 0] = first_node
                    ambiguous[n_pairs, 1] = node_from_south
                    n_pairs += 1
        if seam_right:
            on_top = right[i - 1] + 1 if i > 0 else 0
            on_bottom = right[i] + 1 if i < height else 0
            if on_top != on_bottom:
                if on_top != 0:  # it leaves, going right
                    next_node[from_west] = -2 - (3 * stride + i)
                if on_bottom != 0:  # it enters, going left
                    component[n] = on_bottom
                    next_node[n] = to_west
                    entries[n_entries, 0] = n
                    entries[n_entries, 1] = 3 * stride + i
                    n += 1
                    n_entries += 1
    if seam_bottom:
        for j in range(first_col, last_col + 1):
            on_left = bottom[j - 1] + 1 if j > 0 else 0
            on_right = bottom[j] + 1 if j < width else 0
            if on_left != on_right:
                if on_right != 0:  # it leaves, going down
                    next_node[from_north[j]] = -2 - (1 * stride + j)
                if on_left != 0:  # it enters, going up
                    component[n] = on_left
                    next_node[n] = to_north[j]
                    entries[n_entries, 0] = n
                    entries[n_entries, 1] = 1 * stride + j
                    n += 1
                    n_entries += 1
    return n, n_entries, n_pairs
