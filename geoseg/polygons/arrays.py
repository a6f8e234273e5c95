"""Many polygons with whole-pixel vertices as flat arrays, and the array types of this package."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine

from geoseg.polygons.jit import njit_cached

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Ints = npt.NDArray[np.int64]
Index = npt.NDArray[np.int32]
"""Numbers of runs, components, nodes or lines of one chunk."""
Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Coords = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Arrays = TypeVar("Arrays", bound="DataclassInstance")
"""A dataclass whose fields are arrays."""


@dataclass(frozen=True, slots=True)
class PolygonArrays:
    """Polygons as ragged arrays, with statistics of the pixels of each polygon.

    Law: the polygons of a map cover exactly its valid pixels, without gaps or overlaps, with a
    vertex wherever three of them meet, and the set does not depend on the chunks. Shells have a
    positive area in the plane of (col, -row), holes a negative one. Each ring begins at its first
    vertex in raster order.
    """

    values: Bytes
    """(n,) label of each polygon."""
    pixels: Ints
    """(n,) number of pixels of each polygon."""
    confidence_sum: Ints
    """(n,) sum of the confidence of its pixels, 0 to 255 each."""
    confidence_min: Bytes
    """(n,) lowest confidence of its pixels."""
    coords: Coords
    """(m, 2) vertices as (col, row) of the scene (px); the first of a ring is not repeated."""
    fixed: Bytes
    """(m,) 1 where smoothing must not move the vertex, such as at a junction, else 0."""
    ring_offsets: Ints
    """(rings + 1,) first vertex of each ring."""
    polygon_offsets: Ints
    """(n + 1,) first ring of each polygon, its shell; its holes follow."""

    def __len__(self) -> int:
        return int(self.values.size)

    def slice(self, begin: int, end: int) -> "PolygonArrays":
        """Return polygons ``begin`` to ``end`` (exclusive), without a copy of their vertices."""
        rings = slice(int(self.polygon_offsets[begin]), int(self.polygon_offsets[end]) + 1)
        ring_offsets = self.ring_offsets[rings]
        vertices = slice(int(ring_offsets[0]), int(ring_offsets[-1]))
        return PolygonArrays(
            self.values[begin:end],
            self.pixels[begin:end],
            self.confidence_sum[begin:end],
            self.confidence_min[begin:end],
            self.coords[vertices],
            self.fixed[vertices],
            ring_offsets - vertices.start,
            self.polygon_offsets[begin : end + 1] - rings.start,
        )

    def to_shapely(self, transform: Affine | None = None) -> npt.NDArray[np.object_]:
        """Return shapely polygons (n,), in pixels or in the coordinates of a transform."""
        xy, ring_offsets = close_rings(self.coords, self.ring_offsets, transform)
        return np.asarray(
            shapely.from_ragged_array(
                shapely.GeometryType.POLYGON, xy, (ring_offsets, self.polygon_offsets)
            )
        )


def offsets_of(counts: Ints | Index) -> Ints:
    """Return offsets (n + 1,) of consecutive groups with ``counts`` (n,) members."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def concat_fields(batches: Sequence[Arrays]) -> Arrays:
    """Return the arrays of all ``batches`` (at least one), in order.

    Fields named ``...offsets`` count on from batch to batch.
    """

    def concat(name: str) -> npt.NDArray[np.generic]:
        arrays = [getattr(batch, name) for batch in batches]
        if name.endswith("offsets"):
            return offsets_of(np.concatenate([np.diff(offsets) for offsets in arrays]))
        return np.concatenate(arrays)

    if len(batches) == 1:
        return batches[0]
    return type(batches[0])(*(concat(f.name) for f in fields(batches[0])))


def select_fields(arrays: Arrays, index: npt.NDArray[np.generic] | slice) -> Arrays:
    """Return ``array[index]`` for the arrays of all fields."""
    return type(arrays)(*(getattr(arrays, f.name)[index] for f in fields(arrays)))


def concat_ranges(first: Ints | Index, counts: Ints | Index) -> Ints:
    """Return ``counts[0]`` numbers from ``first[0]`` on, ``counts[1]`` from ``first[1]``, ..."""
    offsets = offsets_of(counts)
    return np.arange(offsets[-1]) + np.repeat(first - offsets[:-1], counts)


def close_rings(
    vertices: npt.NDArray[np.number], ring_offsets: Ints, transform: Affine | None = None
) -> tuple[Floats, Ints]:
    """Repeat the first vertex of each ring at its end, and apply a transform.

    Shells are counter-clockwise on a map whose rows go down. A transform whose rows go up mirrors
    the rings, which are then reversed, so that shells stay counter-clockwise.

    Args:
        vertices: (m, 2) vertices (col, row) of open rings (px).
        ring_offsets: (rings + 1,) first vertex of each ring.
        transform: pixels to coordinates; None for pixels.

    Returns:
        Vertices (m + rings, 2) and the new ring offsets.
    """
    t = transform or Affine.identity()
    coefficients = np.array([t.a, t.b, t.c, t.d, t.e, t.f])
    mirrored = transform is not None and t.determinant > 0
    offsets = ring_offsets + np.arange(ring_offsets.size)
    xy = np.empty((int(offsets[-1]), 2))
    _close_rings(vertices, ring_offsets, offsets, coefficients, mirrored, xy)
    return xy, offsets


@njit_cached
def _close_rings(
    vertices: npt.NDArray[np.number], ring_offsets: Ints, offsets: Ints, t: Floats,
    mirrored: bool, xy: Floats,
) -> None:  # fmt: skip
    for ring in range(ring_offsets.size - 1):
        begin = ring_offsets[ring]
        count = ring_offsets[ring + 1] - begin
        out = offsets[ring]
        for k in range(count + 1):
            vertex = begin + k % count
            if mirrored:
                vertex = begin + (count - k) % count
            x = vertices[vertex, 0]
            y = vertices[vertex, 1]
            xy[out + k, 0] = t[0] * x + t[1] * y + t[2]
            xy[out + k, 1] = t[3] * x + t[4] * y + t[5]
