"""Remove vertices chunk by chunk, so that polygons stay a coverage."""

from dataclasses import replace

import numpy as np
import shapely

from geoseg.grid import Window
from geoseg.polygons.arrays import Bytes, Floats, Ints, offsets_of
from geoseg.polygons.clean.smooth import MAX_SHIFT
from geoseg.polygons.jit import njit_cached
from geoseg.polygons.trace.chunk import ChunkOutlines, trace_chunk


def simplify(outlines: ChunkOutlines, labels: Bytes, tolerance: float) -> ChunkOutlines:
    """Simplify the outlines of a chunk (Visvalingam-Whyatt, without crossings).

    Law: sides that two polygons share lose the same vertices. Junctions and all vertices on the
    sides of the chunk stay. Nodata counts as a polygon, so its outline is simplified too. A vertex
    close to a side of a polygon is fixed, so that smoothing causes no crossing.

    Args:
        outlines: of the chunk.
        labels: (height, width) uint8 that they were traced from.
        tolerance: square root of the area of the triangles that are removed (px), as in
            `shapely.coverage_simplify`.
    """
    height, width = labels.shape
    # Nodata has polygons here, so that the coverage has no edge but the chunk's.
    complete = trace_chunk(labels, Window(0, 0, height, width), (height, width), nodata=None)
    coverage = shapely.coverage_simplify(
        complete.closed_polygons().to_shapely(), tolerance, simplify_boundary=False
    )
    _, xy, (ring_offsets, _) = shapely.to_ragged_array(coverage)
    keep = np.zeros((height + 1, width + 1), np.bool_)
    keep[xy[:, 1].astype(np.int64), xy[:, 0].astype(np.int64)] = True
    near_side = np.zeros(keep.shape, np.uint8)
    _mark_near_sides(xy, ring_offsets, MAX_SHIFT, near_side)
    row = outlines.coords[:, 1] - outlines.window.row
    col = outlines.coords[:, 0] - outlines.window.col
    stays = keep[row, col]
    return replace(
        outlines,
        coords=outlines.coords[stays],
        fixed=(outlines.fixed | near_side[row, col])[stays],
        vertex_offsets=offsets_of(stays.astype(np.int64))[outlines.vertex_offsets],
    )


@njit_cached
def _mark_near_sides(xy: Floats, ring_offsets: Ints, distance: float, near: Bytes) -> None:
    """Mark the whole-pixel points closer than ``distance`` (px) to a side that they do not end."""
    for ring in range(ring_offsets.size - 1):
        for k in range(ring_offsets[ring], ring_offsets[ring + 1] - 1):
            dx = xy[k + 1, 0] - xy[k, 0]
            dy = xy[k + 1, 1] - xy[k, 1]
            if dx == 0 or dy == 0:
                continue
            # Step along the longer axis, one pixel at a time.
            steep = abs(dy) > abs(dx)
            axis = 1 if steep else 0
            length = dy if steep else dx
            slope = (dx if steep else dy) / length
            # The distance from the side is this share of that along the shorter axis.
            share = 1 / np.sqrt(1 + slope * slope)
            step = 1 if length > 0 else -1
            for n in range(1, int(abs(length))):
                along = xy[k, axis] + step * n
                across = xy[k, 1 - axis] + step * n * slope
                for point in (np.floor(across), np.floor(across) + 1):
                    if abs(point - across) * share < distance:
                        row = int(along if steep else point)
                        col = int(point if steep else along)
                        near[row, col] = 1
