"""Cut off corners, so that shared sides of polygons stay the same (after Chaikin, 1974)."""

import numpy as np

from geoseg.polygons.arrays import Bytes, Floats, Ints, offsets_of
from geoseg.polygons.jit import njit_cached

MAX_ROUNDS = 3
"""Further rounds change nothing that can be seen."""
MAX_SHIFT = 0.5
"""The cuts of all rounds stay closer than this to their corner (px): 1/4 + 1/8 + 1/16."""
_CUT_SHARE = 0.25
"""Share of a side that a cut takes off at either end."""
_FIRST_CUT = 0.25
"""Longest cut of the first round (px); each further round has half of it."""


def smooth(vertices: Floats, fixed: Bytes, ring_offsets: Ints, rounds: int) -> tuple[Floats, Ints]:
    """Cut off the corners of rings, except at fixed vertices.

    Law: a cut depends only on the corner and its two neighbours, so that polygons that share a
    side share it afterwards, bit for bit. No cut is further from its corner than `MAX_SHIFT`:
    rings do not cross if no corner is closer than this to a side of another.

    Args:
        vertices: (m, 2) in pixels; the first of a ring is not repeated.
        fixed: (m,) 1 where a vertex stays.
        ring_offsets: (rings + 1,) first vertex of each ring.
        rounds: how many times, 0 to `MAX_ROUNDS`.

    Returns:
        The new vertices and ring offsets.
    """
    for round_ in range(rounds):
        new_offsets = offsets_of(2 - fixed.astype(np.int64))
        cut = np.empty((int(new_offsets[-1]), 2))
        cut_fixed = np.zeros(cut.shape[0], np.uint8)
        longest = _FIRST_CUT / 2**round_
        _cut_corners(vertices, fixed, ring_offsets, new_offsets, longest, cut, cut_fixed)
        vertices, fixed, ring_offsets = cut, cut_fixed, new_offsets[ring_offsets]
    return vertices, ring_offsets


@njit_cached
def _cut_corners(
    vertices: Floats, fixed: Bytes, ring_offsets: Ints, new_offsets: Ints, longest: float,
    cut: Floats, cut_fixed: Bytes,
) -> None:  # fmt: skip
    for ring in range(ring_offsets.size - 1):
        begin = ring_offsets[ring]
        count = ring_offsets[ring + 1] - begin
        for k in range(count):
            vertex = begin + k
            out = new_offsets[vertex]
            x = vertices[vertex, 0]
            y = vertices[vertex, 1]
            if fixed[vertex]:
                cut[out, 0] = x
                cut[out, 1] = y
                cut_fixed[out] = 1
                continue
            for side in range(2):
                neighbour = begin + (k + count - 1 + 2 * side) % count
                dx = vertices[neighbour, 0] - x
                dy = vertices[neighbour, 1] - y
                fraction = min(_CUT_SHARE, longest / np.sqrt(dx * dx + dy * dy))
                cut[out + side, 0] = x + dx * fraction
                cut[out + side, 1] = y + dy * fraction
