"""Corners cut off, so that the same side of two polygons stays the same (after Chaikin, 1974)."""

import numpy as np

from geoseg.polygons.arrays import Floats, offsets_of
from geoseg.polygons.jit import njit_cached
from geoseg.polygons.trace.components import Bytes, Ints

MAX_ROUNDS = 3
"""More cannot be told from these."""
MAX_SHIFT = 0.5
"""How far from a corner (px) the cuts of all rounds stay: 1/4 + 1/8 + 1/16 is less."""
_CUT_SHARE = 0.25
_FIRST_CUT = 0.25


def smooth(vertices: Floats, pinned: Bytes, ring_offsets: Ints, rounds: int) -> tuple[Floats, Ints]:
    """Rings with their corners cut off; pinned vertices stay.

    Law: a cut depends on the corner and its two neighbours alone, so that polygons that share a
    side share it afterwards, bit for bit. No cut is further from its corner than `MAX_SHIFT`: rings
    of whole-pixel vertices that come no closer to each other's corners than this do not cross.

    Args:
        vertices: (m, 2) in pixels; the first of a ring is not repeated.
        pinned: (m,) 1 where a vertex stays.
        ring_offsets: (rings + 1,) first vertex of each ring.
        rounds: how many times, 0 to `MAX_ROUNDS`.

    Returns:
        The new vertices and ring offsets.
    """
    for turn in range(rounds):
        places = offsets_of(2 - pinned.astype(np.int64))
        out = np.empty((int(places[-1]), 2))
        out_pinned = np.zeros(out.shape[0], np.uint8)
        _cut(
            vertices,
            pinned,
            ring_offsets,
            places,
            _CUT_SHARE,
            _FIRST_CUT / 2**turn,
            out,
            out_pinned,
        )
        vertices, pinned, ring_offsets = out, out_pinned, places[ring_offsets]
    return vertices, ring_offsets


@njit_cached
def _cut(
    vertices: Floats, pinned: Bytes, ring_offsets: Ints, places: Ints, share: float, most: float,
    out: Floats, out_pinned: Bytes,
) -> None:  # fmt: skip
    for ring in range(ring_offsets.size - 1):
        begin = ring_offsets[ring]
        count = ring_offsets[ring + 1] - begin
        for k in range(count):
            here = begin + k
            place = places[here]
            x = vertices[here, 0]
            y = vertices[here, 1]
            if pinned[here]:
                out[place, 0] = x
                out[place, 1] = y
                out_pinned[place] = 1
                continue
            for side in range(2):
                other = begin + (k + count - 1 + 2 * side) % count
                dx = vertices[other, 0] - x
                dy = vertices[other, 1] - y
                part = min(share, most / np.sqrt(dx * dx + dy * dy))
                out[place + side, 0] = x + dx * part
                out[place + side, 1] = y + dy * part
