"""Polygons to well-known binary, many at once (OGC 06-103r4, clause 8)."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from geoseg.polygons.arrays import Floats
from geoseg.polygons.jit import njit_cached
from geoseg.polygons.trace.components import Bytes, Ints

LARGEST = 2**31 - 1
"""Bytes in a column of an Arrow table with 32-bit offsets, which GeoParquet asks for."""
_HEAD = 9
"""Byte order, geometry type, number of rings."""


def wkb_size(vertices: int, rings: int, polygons: int) -> int:
    """Bytes of polygons with closed rings."""
    return _HEAD * polygons + 4 * rings + 16 * vertices


def to_wkb(xy: Floats, ring_offsets: Ints, polygon_offsets: Ints) -> pa.BinaryArray:
    """WKB (little endian) of polygons in the layout of ``shapely.from_ragged_array``.

    Args:
        xy: (m, 2) vertices of closed rings.
        ring_offsets: (rings + 1,) first vertex of each ring.
        polygon_offsets: (n + 1,) first ring of each polygon.

    Raises:
        ValueError: if they take more than 2 GiB.
    """
    first = ring_offsets[polygon_offsets]
    size = _HEAD * np.arange(polygon_offsets.size) + 4 * polygon_offsets + 16 * first
    if size[-1] > LARGEST:
        raise ValueError(f"polygons of {size[-1]:,} bytes do not fit one column of 2 GiB")
    offsets = size.astype(np.int32)
    data = np.empty(int(size[-1]), np.uint8)
    _fill(xy.reshape(-1).view(np.uint8), ring_offsets, polygon_offsets, offsets, data)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.BinaryArray.from_buffers(pa.binary(), offsets.size - 1, buffers)


@njit_cached
def _fill(
    source: Bytes, ring_offsets: Ints, polygon_offsets: Ints,
    offsets: npt.NDArray[np.int32], data: Bytes,
) -> None:  # fmt: skip
    for polygon in range(polygon_offsets.size - 1):
        at = offsets[polygon]
        data[at] = 1
        data[at + 1] = 3
        data[at + 2 : at + 5] = 0
        count = polygon_offsets[polygon + 1] - polygon_offsets[polygon]
        for k in range(4):
            data[at + 5 + k] = (count >> (8 * k)) & 255
        at += 9
        for ring in range(polygon_offsets[polygon], polygon_offsets[polygon + 1]):
            begin = 16 * ring_offsets[ring]
            end = 16 * ring_offsets[ring + 1]
            count = (end - begin) >> 4
            for k in range(4):
                data[at + k] = (count >> (8 * k)) & 255
            data[at + 4 : at + 4 + end - begin] = source[begin:end]
            at += 4 + end - begin
