"""The vertices of outlines on the seams between chunks, and the lines that pass through them."""

from dataclasses import dataclass

import numpy as np

from geoseg.polygons.arrays import Coords
from geoseg.polygons.trace.components import Bytes, Flags, Ints

NORTH, WEST, SOUTH, EAST = range(4)
NONE = -1


@dataclass(frozen=True, slots=True)
class SeamVertices:
    """Places on seams with the areas around them, and what the chunks leave there.

    An area is given by its number, -1 stands for nodata and for what lies beyond the scene.
    """

    x: Ints
    """(n,) column (px)."""
    y: Ints
    """(n,) row (px)."""
    around: Ints
    """(n, 4) area at the upper left, upper right, lower left and lower right."""
    ends: Ints
    """(n, 4) line that ends here, coming from the north, west, south, east; -1 for none."""
    begins: Ints
    """(n, 4) line that begins here, going north, west, south, east; -1 for none."""

    @classmethod
    def concatenate(cls, many: "list[SeamVertices]") -> "SeamVertices":
        """All places of ``many`` (at least one), in order."""
        return cls(
            np.concatenate([v.x for v in many]),
            np.concatenate([v.y for v in many]),
            np.concatenate([v.around for v in many]),
            np.concatenate([v.ends for v in many]),
            np.concatenate([v.begins for v in many]),
        )


@dataclass(frozen=True, slots=True)
class SeamLinks:
    """Lines of one vertex, or none, that lead through the vertices on seams."""

    owner: Ints
    """(lines,) the area on the left hand."""
    coords: Coords
    """(m, 2) their vertices as (col, row) of the scene (px)."""
    pinned: Bytes
    """(m,) 1 where three or more sides meet, else 0."""
    counts: Ints
    """(lines,) vertices of each, 0 where an outline goes straight on."""
    arriving: Ints
    """(n, 4) line that is entered from the north, west, south, east; -1 for none."""
    leaving: Ints
    """(n, 4) line that leaves to the north, west, south, east; -1 for none."""
    diagonal: Flags
    """(n, 2) whether the areas at the upper left and lower right, at the upper right and lower
    left, differ and meet only here."""


def route_across_seam(vertices: SeamVertices, first: int, *, keep: bool) -> SeamLinks:
    """Lead outlines through vertices by the rule of `sweep`.

    Args:
        vertices: n places on seams.
        first: number of the first new line.
        keep: whether outlines that go straight on keep a vertex here, and all are pinned.
    """
    tl, tr, bl, br = vertices.around.T
    # For each direction to come from: the area, and those that a turn right, or none, leads along.
    rules = (
        (tl, tr, bl, br, (WEST, SOUTH, EAST)),
        (bl, tl, br, tr, (SOUTH, EAST, NORTH)),
        (br, bl, tr, tl, (EAST, NORTH, WEST)),
        (tr, br, tl, bl, (NORTH, WEST, SOUTH)),
    )
    exists = np.stack([(right != own) & (own != NONE) for right, own, *_ in rules], axis=1)
    out = np.stack(
        [
            np.where(turn == own, ways[0], np.where(on == own, ways[1], ways[2]))
            for _, own, turn, on, ways in rules
        ],
        axis=1,
    )
    owner = np.stack([own for _, own, *_ in rules], axis=1)
    sides = sum((rule[0] != rule[1]).astype(np.int64) for rule in rules)
    straight = (out == np.array([SOUTH, EAST, NORTH, WEST])) & (np.asarray(sides) == 2)[:, None]
    number = np.where(exists, first + np.cumsum(exists).reshape(exists.shape) - 1, NONE)
    leaving = np.full(exists.shape, NONE)
    at, came = np.nonzero(exists)
    leaving[at, out[at, came]] = number[at, came]
    counts = (~straight | keep)[exists].astype(np.int64)
    shown = at[counts > 0]
    pinned = (np.asarray(sides)[shown] > 2) | keep
    return SeamLinks(
        owner[exists],
        np.column_stack([vertices.x[shown], vertices.y[shown]]).astype(np.int32),
        pinned.astype(np.uint8),
        counts,
        number,
        leaving,
        np.column_stack(
            [(tl != br) & (tl != NONE) & (br != NONE), (tr != bl) & (tr != NONE) & (bl != NONE)]
        )
        & (np.asarray(sides) == 4)[:, None],
    )
