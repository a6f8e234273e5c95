"""Pieces of all chunks, chunk by chunk, to the polygons of the scene.

A polygon is yielded as soon as the chunks read so far hold all of it, so memory follows the
polygons that reach into chunks still to come, not the scene.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from geoseg.grid import Window
from geoseg.polygons.join import Seams, join
from geoseg.polygons.pieces import Index, Pieces
from geoseg.polygons.rings import Ints, Shapes, meeting, pack


@dataclass(frozen=True, slots=True)
class Coverage:
    """Finished polygons of a scene, in pixel coordinates.

    Law: all batches of a scene together cover exactly its valid pixels, without gap or overlap,
    with a vertex wherever three labels meet, and the set does not depend on the chunks.
    """

    values: npt.NDArray[np.uint8]
    """(n,) label of each polygon."""
    pixels: Ints
    """(n,) pixels in each polygon."""
    confidence_sum: Ints
    """(n,) sum over the pixels of their confidence, 0..255 each."""
    polygons: npt.NDArray[np.object_]
    """(n,) shapely polygons, vertices (col, row) of the scene (px), normalised."""

    def __len__(self) -> int:
        return int(self.values.size)


@dataclass(frozen=True, slots=True)
class _Row:
    """The pieces on seams of one row of chunks."""

    windows: list[Window]
    shapes: Shapes
    top: Ints
    """(width,) index into ``shapes`` along the first row, -1 for nodata."""
    bottom: Ints
    """(width,) the same along the last row."""
    sides: list[tuple[Ints, Ints]]
    """For each vertical seam, the same along its left and its right, (height,) each."""


@dataclass(frozen=True, slots=True)
class _Block:
    """Pieces of unfinished polygons from one row of chunks."""

    row: int
    """First row of these chunks (px)."""
    shapes: Shapes

    def __len__(self) -> int:
        return len(self.shapes)


@dataclass(frozen=True, slots=True)
class _Open:
    """What the finished rows of chunks leave for those to come."""

    blocks: list[_Block]
    """Kept apart: a polygon that spans the scene would otherwise be copied with each row."""
    values: npt.NDArray[np.uint8]
    """(n,) label of each piece, all blocks in order."""
    group: Ints
    """(n,) index of the first piece of each piece's polygon, as far as known."""
    bottom: Ints
    """(width,) index of the piece along the last finished row of pixels, -1 for nodata."""
    seams: Seams


def unite(parts: Iterable[Pieces], height: int, width: int) -> Iterator[Coverage]:
    """Polygons of a whole scene from the pieces of its chunks.

    Args:
        parts: pieces of a partition of the scene into a grid of chunks, row-major.
        height: rows of the scene (px).
        width: columns of the scene (px).

    Yields:
        Polygons as they become final: in the order of the chunks, then of their pieces.

    Raises:
        ValueError: if the chunks are not a row-major grid over the scene, or do not fit together.
    """
    none = np.zeros(0, np.int64)
    seams = Seams(none, none, none, none)
    held = _Open([], none.astype(np.uint8), none, np.full(width, -1), seams)
    row: list[Pieces] = []
    at_row = at_col = 0
    for pieces in parts:
        window = pieces.window
        fits = window.height == row[0].window.height if row else True
        if (window.row, window.col) != (at_row, at_col) or not fits or window.col_end > width:
            raise ValueError(f"{window} is not the next chunk at {at_row, at_col} of the scene")
        cut = _on_seam(pieces, height, width)
        yield _finished(pieces.shapes.take(np.flatnonzero(~cut)))
        row.append(_restrict(pieces, cut))
        at_col = window.col_end
        if at_col < width:
            continue
        at_row, at_col = window.row_end, 0
        done, held = _close_row(_gather(row), held, at_row >= height)
        yield _finished(done)
        row = []
    if (at_row, at_col) != (height, 0):
        raise ValueError(f"the chunks end at {at_row, at_col}, before the scene {height} x {width}")


def _finished(shapes: Shapes) -> Coverage:
    offsets = (shapes.ring_offsets, shapes.polygon_offsets)
    coords = shapes.coords.astype(np.float64)
    polygons = shapely.from_ragged_array(shapely.GeometryType.POLYGON, coords, offsets)
    polygons = shapely.normalize(polygons)
    return Coverage(shapes.values, shapes.pixels, shapes.confidence_sum, polygons)


def _on_seam(pieces: Pieces, height: int, width: int) -> npt.NDArray[np.bool_]:
    """Which pieces (n,) touch another chunk's side."""
    window = pieces.window
    inner = (
        (pieces.top, window.row > 0),
        (pieces.bottom, window.row_end < height),
        (pieces.left, window.col > 0),
        (pieces.right, window.col_end < width),
    )
    cut = np.zeros(len(pieces) + 1, np.bool_)
    for side, is_seam in inner:
        if is_seam:
            cut[side] = True
    # The last flag stands for nodata, whose index is -1.
    return cut[:-1]


def _restrict(pieces: Pieces, keep: npt.NDArray[np.bool_]) -> Pieces:
    """Only the pieces in ``keep``; the sides' other pixels become -1."""
    number = np.full(len(pieces) + 1, -1, np.int32)
    number[:-1][keep] = np.arange(np.count_nonzero(keep))
    kept = pieces.shapes.take(np.flatnonzero(keep))
    sides = (number[side] for side in (pieces.top, pieces.bottom, pieces.left, pieces.right))
    return Pieces(
        pieces.window,
        kept.values,
        kept.pixels,
        kept.confidence_sum,
        kept.coords,
        kept.ring_offsets,
        kept.polygon_offsets,
        *sides,
    )


def _gather(row: list[Pieces]) -> _Row:
    """The pieces of a row of chunks under one numbering."""
    offsets = np.cumsum([0, *map(len, row)])

    def numbered(side: Index, chunk: int) -> Ints:
        return np.where(side < 0, -1, side.astype(np.int64) + offsets[chunk])

    return _Row(
        [p.window for p in row],
        Shapes.concatenate([p.shapes for p in row]),
        np.concatenate([numbered(p.top, i) for i, p in enumerate(row)]),
        np.concatenate([numbered(p.bottom, i) for i, p in enumerate(row)]),
        [
            (numbered(row[i].right, i), numbered(row[i + 1].left, i + 1))
            for i in range(len(row) - 1)
        ],
    )


def _close_row(row: _Row, held: _Open, last: bool) -> tuple[Shapes, _Open]:
    """The polygons that a row of chunks completes, and what stays open below it."""
    shift = held.values.size

    def shifted(side: Ints) -> Ints:
        return np.where(side < 0, -1, side + shift)

    blocks = [*held.blocks, _Block(row.windows[0].row, row.shapes)]
    values = np.append(held.values, row.shapes.values)
    bottom = shifted(row.bottom)
    facing = [(shifted(left), shifted(right)) for left, right in row.sides]
    if row.windows[0].row:
        facing.append((held.bottom, shifted(row.top)))
    group = np.append(held.group, np.arange(shift, values.size))
    group = _unite_facing(values, group, facing)
    seams = _extend(held.seams, row.windows, facing, values)

    reaches_down = np.zeros(values.size, np.bool_)
    if not last:
        reaches_down[group[bottom[bottom >= 0]]] = True
    stays = reaches_down[group]
    # Pieces that finish and pieces that stay are numbered anew, each from 0.
    number = np.where(stays, np.cumsum(stays), np.cumsum(~stays)) - 1
    finished = Shapes.concatenate([b.shapes for b in _split(blocks, ~stays)] or [Shapes.empty()])
    done = join(finished, number[group[~stays]], seams)
    rest = _split(blocks, stays)
    below = np.append(number, -1)[bottom]
    return done, _Open(rest, values[stays], number[group[stays]], below, _prune(seams, rest))


def _split(blocks: list[_Block], keep: npt.NDArray[np.bool_]) -> list[_Block]:
    """The blocks with only the pieces in ``keep`` (n,), without those left empty."""
    kept = []
    at = 0
    for block in blocks:
        index = np.flatnonzero(keep[at : at + len(block)])
        at += len(block)
        if index.size == len(block):
            kept.append(block)
        elif index.size:
            kept.append(_Block(block.row, block.shapes.take(index)))
    return [block for block in kept if len(block)]


def _unite_facing(
    values: npt.NDArray[np.uint8], parent: Ints, facing: list[tuple[Ints, Ints]]
) -> Ints:
    """First piece of each piece's polygon, from pieces of equal label facing each other.

    Args:
        values: (n,) label of each piece.
        parent: (n,) the same, as far as it is known already.
        facing: indices of pieces on the two sides of seams, -1 for nodata.
    """
    if not facing:
        return parent
    one, other = (np.concatenate([pair[i] for pair in facing]) for i in (0, 1))
    valid = (one >= 0) & (other >= 0)
    one, other = one[valid], other[valid]
    equal = values[one] == values[other]
    one, other = one[equal], other[equal]
    while True:
        one, other = parent[one], parent[other]
        apart = one != other
        if not apart.any():
            return parent
        one, other = one[apart], other[apart]
        parent[np.maximum(one, other)] = np.minimum(one, other)
        while (parent[parent] != parent).any():
            parent = parent[parent]


def _extend(
    seams: Seams,
    windows: list[Window],
    facing: list[tuple[Ints, Ints]],
    values: npt.NDArray[np.uint8],
) -> Seams:
    """The seams, with those inside and above a row of chunks."""
    labels = np.append(values.astype(np.int16), np.int16(-1))
    row, cols = windows[0].row, [w.col for w in windows[1:]]
    changes, nodes = [seams.changes], [seams.nodes]
    for seam, (one, other) in enumerate(facing):
        first, second = labels[one], labels[other]
        along = np.arange(1, first.size)
        if seam < len(cols):
            keys = pack(row + along, np.full_like(along, cols[seam]))
            upper, lower = (first[:-1], second[:-1]), (first[1:], second[1:])
            changed = (upper[0] != lower[0]) | (upper[1] != lower[1])
        else:
            keys = pack(np.full_like(along, row), along)
            upper, lower = (first[:-1], first[1:]), (second[:-1], second[1:])
            changed = (upper[0] != upper[1]) | (lower[0] != lower[1])
        changes.append(keys[changed])
        nodes.append(keys[meeting(upper, lower)])
    rows = seams.rows if row == 0 else np.append(seams.rows, row)
    return Seams(
        rows,
        np.array(cols, np.int64),
        np.sort(np.concatenate(changes)),
        np.sort(np.concatenate(nodes)),
    )


def _prune(seams: Seams, rest: list[_Block]) -> Seams:
    """The seams without what lies above all open pieces."""
    if not rest:
        none = np.zeros(0, np.int64)
        return Seams(seams.rows, seams.cols, none, none)
    highest = rest[0].row << 32
    changes = seams.changes[np.searchsorted(seams.changes, highest) :]
    nodes = seams.nodes[np.searchsorted(seams.nodes, highest) :]
    return Seams(seams.rows, seams.cols, changes, nodes)
