"""Pieces of all chunks, chunk by chunk, to the polygons of the map.

A polygon is yielded as soon as the chunks read so far hold all of it, so memory follows the
polygons that reach into chunks still to come, not the map.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from geoseg.polygons.arrays import PolygonArrays
from geoseg.polygons.stitch.frontier import Chain, OpenState, RowFrontier, renumbered
from geoseg.polygons.stitch.rings import ComponentStats, OpenLines, assemble_rings
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
from geoseg.polygons.trace.components import Bytes, Flags, Ints
from geoseg.polygons.trace.corners import BOTTOM, NONE


def stitch_chunks(
    parts: Iterable[ChunkOutlines], height: int, width: int, *, keep_seams: bool = False
) -> Iterator[PolygonArrays]:
    """Polygons of a whole map from the pieces of its chunks.

    Args:
        parts: pieces of a partition of the map into a grid of chunks, row-major.
        height: rows of the map (px).
        width: columns of the map (px).
        keep_seams: whether polygons keep a vertex where their outline crosses a seam, for pieces
            that are simplified.

    Yields:
        Polygons as they become final: in the order of the chunks, then of their areas.

    Raises:
        ValueError: if the chunks are not a row-major grid over the map, or do not fit together.
    """
    none = np.zeros(0, np.int64)
    no_areas = ComponentStats(none.astype(np.uint8), none, none, none.astype(np.uint8))
    nowhere = np.full(width + 1, NONE)
    held = OpenState(no_areas, [], none, none.reshape(0, 2), nowhere[1:], nowhere, nowhere)
    row: list[ChunkOutlines] = []
    at_row = at_col = 0
    for pieces in parts:
        window = pieces.window
        fits = window.height == row[0].window.height if row else True
        if (window.row, window.col) != (at_row, at_col) or not fits or window.col_end > width:
            raise ValueError(f"{window} is not the next chunk at {at_row, at_col} of the map")
        if pieces.whole:
            yield pieces.finished()
        row.append(pieces)
        at_col = window.col_end
        if at_col < width:
            continue
        at_row, at_col = window.row_end, 0
        done, held = _close_row(row, held, (height, width), keep_seams=keep_seams)
        if len(done):
            yield done
        row = []
    if (at_row, at_col) != (height, 0):
        raise ValueError(f"the chunks end at {at_row, at_col}, before the map {height} x {width}")


def _close_row(
    row: list[ChunkOutlines], held: OpenState, size: tuple[int, int], *, keep_seams: bool
) -> tuple[PolygonArrays, OpenState]:
    """The polygons that a row of chunks completes, and what stays open below it."""
    here = RowFrontier(row, held, size[1])
    root = here.united()
    vertices, chains, bottoms = here.vertices(root, size)
    blocks = [*held.blocks, here.lines]
    follows = np.concatenate([held.follows, here.follows])
    passes = route_across_seam(vertices, follows.size, keep=keep_seams)
    blocks.append(OpenLines.single(passes.owner, passes.coords, passes.pinned, passes.counts))
    follows = np.append(follows, np.full(passes.owner.size, NONE))
    _link_lines(vertices, passes, chains, follows)
    doubtful = [held.doubtful, here.doubtful, *_mark_ambiguous(vertices, passes, here.areas.values)]
    ends, begins = here.loose(BOTTOM)
    for col, vertex in bottoms:
        ends[col], begins[col] = passes.leaving[vertex, SOUTH], passes.arriving[vertex, SOUTH]
    below = renumbered(root, here.side(BOTTOM))
    last = row[0].window.row_end == size[0]
    state = OpenState(here.areas, blocks, follows, np.concatenate(doubtful), below, ends, begins)
    return _finish_components(state, root, last=last, exact=not keep_seams)


def _link_lines(
    vertices: SeamVertices, passes: SeamLinks, chains: list[Chain], follows: Ints
) -> None:
    """Fill in the followers of lines that end on seams, and of the passes there."""
    for way in range(4):
        ending, beginning = vertices.ends[:, way], vertices.begins[:, way]
        follows[ending[ending >= 0]] = passes.arriving[ending >= 0, way]
        follows[passes.leaving[beginning >= 0, way]] = beginning[beginning >= 0]
    for one, other, way, back in chains:
        for near, far, along, against in ((one, other, way, back), (other, one, back, way)):
            line = passes.leaving[near, along]
            follows[line[line >= 0]] = passes.arriving[far, against][line >= 0]


def _mark_ambiguous(vertices: SeamVertices, passes: SeamLinks, values: Bytes) -> Iterator[Ints]:
    """Pairs (k, 2) of passes where two areas of equal label meet at a point."""
    for pair, corners, ways in ((0, [0, 3], [WEST, EAST]), (1, [1, 2], [NORTH, SOUTH])):
        around = vertices.around[:, corners]
        same = passes.diagonal[:, pair] & (values[around[:, 0]] == values[around[:, 1]])
        yield passes.arriving[same][:, ways]


def _finish_components(
    state: OpenState, root: Ints, *, last: bool, exact: bool
) -> tuple[PolygonArrays, OpenState]:
    """Part the polygons that are complete from those that reach down."""
    stays = np.zeros(root.size, np.bool_)
    if not last:
        stays[state.above[state.above >= 0]] = True
    stays = stays[root]
    owner = np.concatenate([block.owner for block in state.blocks])
    line_stays = stays[owner]

    # Areas that finish and areas that stay are numbered anew, each from 0.
    is_root = root == np.arange(root.size)
    number = np.where(stays, np.cumsum(stays & is_root), np.cumsum(~stays & is_root)) - 1
    group = number[root]
    follows = _resolve_ambiguous(state, root, owner, line_stays)
    line_number = np.where(line_stays, np.cumsum(line_stays), np.cumsum(~line_stays)) - 1
    done_areas = np.flatnonzero(~stays)
    areas = state.areas.take(done_areas).united(group[done_areas])
    lines = OpenLines.concatenate(_split(state.blocks, ~line_stays, group))
    done = assemble_rings(lines, renumbered(line_number, follows[~line_stays]), areas, exact=exact)
    rest = state.areas.take(np.flatnonzero(stays)).united(group[stays])
    pending = renumbered(line_number, follows[line_stays])
    waiting = state.doubtful[line_stays[state.doubtful].all(axis=1)]
    return done, OpenState(
        rest,
        _split(state.blocks, line_stays, group),
        pending,
        line_number[waiting],
        renumbered(group, state.above),
        renumbered(line_number, state.ends),
        renumbered(line_number, state.begins),
    )


def _resolve_ambiguous(state: OpenState, root: Ints, owner: Ints, line_stays: Flags) -> Ints:
    """The followers, where doubtful lines of complete polygons are settled."""
    follows = state.follows
    one, other = state.doubtful.T
    decided = ~(line_stays[one] & line_stays[other]) & (root[owner[one]] == root[owner[other]])
    one, other = one[decided], other[decided]
    follows[one], follows[other] = follows[other], follows[one]
    return follows


def _split(blocks: list[OpenLines], keep: Flags, group: Ints) -> list[OpenLines]:
    """The blocks with only the lines in ``keep`` (n,), their areas renumbered."""
    kept = []
    at = 0
    for block in blocks:
        index = np.flatnonzero(keep[at : at + len(block)])
        at += len(block)
        if index.size:
            kept.append(block.take(index).of(group))
    return kept
