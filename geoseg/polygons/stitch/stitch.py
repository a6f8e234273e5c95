"""Stitch the outlines of all chunks to the polygons of the map.

A polygon is yielded as soon as the chunks read so far contain all of it. So memory follows the
polygons that reach into chunks still to come, not the map.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from geoseg.polygons.arrays import (
    Bytes,
    Flags,
    Ints,
    PolygonArrays,
    concat_fields,
    offsets_of,
    select_fields,
)
from geoseg.polygons.stitch.frontier import OpenState, RowFrontier, renumber
from geoseg.polygons.stitch.rings import OpenLines, assemble_rings
from geoseg.polygons.stitch.seams import (
    EAST,
    NORTH,
    SOUTH,
    WEST,
    SeamLinks,
    SeamVertices,
    route_across_seam,
)
from geoseg.polygons.trace.chunk import ChunkOutlines
from geoseg.polygons.trace.corners import BOTTOM, NONE


def stitch_chunks(
    chunks: Iterable[ChunkOutlines], height: int, width: int, *, keep_seams: bool = False
) -> Iterator[PolygonArrays]:
    """Stitch the outlines of chunks to the polygons of the map.

    Args:
        chunks: outlines of a grid of chunks over the map, row-major.
        height: rows of the map (px).
        width: columns of the map (px).
        keep_seams: whether polygons keep a vertex where their outline crosses a seam, as
            simplified outlines need.

    Yields:
        Polygons as they become complete: the closed ones of each chunk, and after each row of
        chunks those that it completes.

    Raises:
        ValueError: if the chunks are not a row-major grid over the map, or do not fit together.
    """
    carried = OpenState.empty(width)
    row: list[ChunkOutlines] = []
    next_row = next_col = 0
    for outlines in chunks:
        window = outlines.window
        same_height = not row or window.height == row[0].window.height
        in_place = (window.row, window.col) == (next_row, next_col) and window.col_end <= width
        if not (in_place and same_height):
            raise ValueError(f"{window} is not the next chunk at {next_row, next_col} of the map")
        if outlines.n_closed:
            yield outlines.closed_polygons()
        row.append(outlines)
        next_col = window.col_end
        if next_col < width:
            continue
        next_row, next_col = window.row_end, 0
        polygons, carried = _close_row(row, carried, (height, width), keep_seams=keep_seams)
        if len(polygons):
            yield polygons
        row = []
    if (next_row, next_col) != (height, 0):
        raise ValueError(
            f"the chunks end at {next_row, next_col}, before the map {height} x {width}"
        )


def _close_row(
    row: list[ChunkOutlines], carried: OpenState, map_shape: tuple[int, int], *, keep_seams: bool
) -> tuple[PolygonArrays, OpenState]:
    """Return the polygons that a row of chunks completes, and what stays open below it."""
    frontier = RowFrontier(row, carried, map_shape[1])
    root = frontier.unite_components()
    vertices, seams, last_vertices = frontier.seam_vertices(root, map_shape[0])
    next_line = np.concatenate([carried.next_line, frontier.next_line])
    links = route_across_seam(vertices, next_line.size, keep_straight=keep_seams)
    link_lines = OpenLines(links.component, links.coords, links.fixed, offsets_of(links.counts))
    next_line = np.append(next_line, np.full(links.component.size, NONE))
    _link_lines(vertices, links, seams, next_line)
    ambiguous_links = _ambiguous_links(vertices, links, frontier.components.values)
    ends = frontier.row_open_ends(BOTTOM)
    for col, vertex in last_vertices:
        ends[:, col] = links.leaving[vertex, SOUTH], links.arriving[vertex, SOUTH]
    state = OpenState(
        frontier.components,
        [*carried.batches, frontier.lines, link_lines],
        next_line,
        np.concatenate([carried.ambiguous, frontier.ambiguous, *ambiguous_links]),
        renumber(root, frontier.row_side(BOTTOM)),
        ends,
    )
    is_last = row[0].window.row_end == map_shape[0]
    return _split_state(state, root, is_last=is_last, exact=not keep_seams)


def _link_lines(
    vertices: SeamVertices, links: SeamLinks, seams: list[tuple[Ints, int]], next_line: Ints
) -> None:
    """Set the next line of lines that end on seams, and of the links there."""
    for direction in range(4):
        ending, starting = vertices.ending[:, direction], vertices.starting[:, direction]
        next_line[ending[ending >= 0]] = links.arriving[ending >= 0, direction]
        next_line[links.leaving[starting >= 0, direction]] = starting[starting >= 0]
    for along, direction in seams:
        opposite = (direction + 2) % 4
        for origin, target, towards, back in (
            (along[:-1], along[1:], direction, opposite),
            (along[1:], along[:-1], opposite, direction),
        ):
            line = links.leaving[origin, towards]
            next_line[line[line >= 0]] = links.arriving[target, back][line >= 0]


def _ambiguous_links(vertices: SeamVertices, links: SeamLinks, values: Bytes) -> Iterator[Ints]:
    """Yield the links (k, 2) of ambiguous pairs on seams, for each of the two diagonals."""
    for diagonal, corners, directions in ((0, [0, 3], [WEST, EAST]), (1, [1, 2], [NORTH, SOUTH])):
        a, b = vertices.around[:, corners].T
        is_pair = links.touching[:, diagonal] & (values[a] == values[b])
        yield links.arriving[is_pair][:, directions]


def _split_state(
    state: OpenState, root: Ints, *, is_last: bool, exact: bool
) -> tuple[PolygonArrays, OpenState]:
    """Separate the polygons that are complete from those that reach down."""
    stays = np.zeros(root.size, np.bool_)
    if not is_last:
        stays[state.bottom[state.bottom >= 0]] = True
    stays = stays[root]
    component = np.concatenate([batch.component for batch in state.batches])
    line_stays = stays[component]

    # Complete and open components are numbered anew, each from 0; so are their lines.
    is_root = root == np.arange(root.size)
    number = np.where(stays, np.cumsum(stays & is_root), np.cumsum(~stays & is_root)) - 1
    group = number[root]
    line_number = np.where(line_stays, np.cumsum(line_stays), np.cumsum(~line_stays)) - 1
    next_line = _resolve_ambiguous(state, root, component, line_stays)
    completed = np.flatnonzero(~stays)
    polygons = assemble_rings(
        concat_fields(_select_lines(state.batches, ~line_stays, group)),
        renumber(line_number, next_line[~line_stays]),
        select_fields(state.components, completed).merge(group[completed]),
        exact=exact,
    )
    waiting = state.ambiguous[line_stays[state.ambiguous].all(axis=1)]
    return polygons, replace(
        state,
        components=select_fields(state.components, stays).merge(group[stays]),
        batches=[b for b in _select_lines(state.batches, line_stays, group) if len(b)],
        next_line=renumber(line_number, next_line[line_stays]),
        ambiguous=line_number[waiting],
        bottom=renumber(group, state.bottom),
        ends=renumber(line_number, state.ends),
    )


def _resolve_ambiguous(state: OpenState, root: Ints, component: Ints, line_stays: Flags) -> Ints:
    """Swap the next lines of ambiguous pairs of one completed component, in place."""
    next_line = state.next_line
    a, b = state.ambiguous.T
    is_one = ~(line_stays[a] & line_stays[b]) & (root[component[a]] == root[component[b]])
    a, b = a[is_one], b[is_one]
    next_line[a], next_line[b] = next_line[b], next_line[a]
    return next_line


def _select_lines(batches: list[OpenLines], keep: Flags, new_component: Ints) -> list[OpenLines]:
    """Return the batches with only the lines in ``keep`` (n,), their components renumbered."""
    selected = []
    first = 0
    for batch in batches:
        indices = np.flatnonzero(keep[first : first + len(batch)])
        first += len(batch)
        lines = batch.select(indices)
        selected.append(replace(lines, component=new_component[lines.component]))
    return selected
