"""Fewer vertices, chunk by chunk, so that polygons stay a coverage."""

import numpy as np
import shapely

from geoseg.grid import Window
from geoseg.polygons.arrays import Floats
from geoseg.polygons.clean.smooth import MAX_SHIFT
from geoseg.polygons.jit import njit_cached
from geoseg.polygons.trace.chunk import ChunkOutlines, trace_chunk
from geoseg.polygons.trace.components import Bytes, Ints


def simplify(pieces: ChunkOutlines, labels: Bytes, tolerance: float) -> ChunkOutlines:
    """The pieces of a chunk with fewer vertices (Visvalingam-Whyatt, kept free of crossings).

    Law: sides that two polygons share lose the same vertices; vertices where three sides meet,
    and all on the chunk's own sides, stay; nodata counts as a polygon, so its rim is simplified
    too. What is left near the side of another polygon is pinned, so that it can be smoothed.

    Args:
        pieces: of the chunk.
        labels: (height, width) uint8 that they were traced from.
        tolerance: square root of the triangles that may go (px), as `shapely.coverage_simplify`.
    """
    height, width = labels.shape
    everything = trace_chunk(labels, Window(0, 0, height, width), (height, width), nodata=None)
    coverage = shapely.coverage_simplify(
        everything.finished().to_shapely(), tolerance, simplify_boundary=False
    )
    _, xy, (ring_offsets, _) = shapely.to_ragged_array(coverage)
    left = np.zeros((height + 1, width + 1), np.bool_)
    left[xy[:, 1].astype(np.int64), xy[:, 0].astype(np.int64)] = True
    near = np.zeros(left.shape, np.uint8)
    _mark_kept(xy, ring_offsets, MAX_SHIFT, near)
    row = pieces.coords[:, 1] - pieces.window.row
    col = pieces.coords[:, 0] - pieces.window.col
    return pieces.with_vertices(left[row, col], pieces.pinned | near[row, col])


@njit_cached
def _mark_kept(xy: Floats, ring_offsets: Ints, reach: float, near: Bytes) -> None:
    """Mark the whole-pixel points that sides pass at less than ``reach`` without ending there."""
    for ring in range(ring_offsets.size - 1):
        for k in range(ring_offsets[ring], ring_offsets[ring + 1] - 1):
            dx = xy[k + 1, 0] - xy[k, 0]
            dy = xy[k + 1, 1] - xy[k, 1]
            if dx == 0 or dy == 0:
                continue
            steep = abs(dy) > abs(dx)
            along = 1 if steep else 0
            length = dy if steep else dx
            slope = (dx if steep else dy) / length
            # Distance from the side is this share of that along the other axis.
            share = 1 / np.sqrt(1 + slope * slope)
            step = 1 if length > 0 else -1
            for n in range(1, int(abs(length))):
                at = xy[k, along] + step * n
                across = xy[k, 1 - along] + step * n * slope
                for point in (np.floor(across), np.floor(across) + 1):
                    if abs(point - across) * share < reach:
                        row = int(at if steep else point)
                        col = int(point if steep else at)
                        near[row, col] = 1
