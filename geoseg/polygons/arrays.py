"""Polygons of whole-pixel vertices, many at once, as flat arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine

from geoseg.polygons.jit import njit_cached
from geoseg.polygons.trace.components import Bytes, Ints

Coords = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PolygonArrays:
    """Polygons with what is known of their pixels.

    Law: all polygons of a map together cover exactly its valid pixels, without gap or overlap,
    with a vertex wherever three of them meet, and the set does not depend on chunks. Shells have
    a positive area in the plane of (col, -row), holes a negative one; each ring begins at its
    first vertex in raster order.
    """

    values: Bytes
    """(n,) label of each polygon."""
    pixels: Ints
    """(n,) pixels in each polygon."""
    confidence_sum: Ints
    """(n,) sum over the pixels of their confidence, 0..255 each."""
    confidence_min: Bytes
    """(n,) least confidence of its pixels."""
    coords: Coords
    """(m, 2) vertices as (col, row) of the scene (px); the first of a ring is not repeated."""
    pinned: Bytes
    """(m,) 1 where three or more sides meet, else 0."""
    ring_offsets: Ints
    """(rings + 1,) first vertex of each ring."""
    polygon_offsets: Ints
    """(n + 1,) first ring of each polygon, its shell; its holes follow."""

    def __len__(self) -> int:
        return int(self.values.size)

    def part(self, begin: int, end: int) -> "PolygonArrays":
        """Polygons ``begin`` to ``end``, without a copy of their vertices."""
        rings = slice(int(self.polygon_offsets[begin]), int(self.polygon_offsets[end]) + 1)
        ring_offsets = self.ring_offsets[rings]
        vertices = slice(int(ring_offsets[0]), int(ring_offsets[-1]))
        return PolygonArrays(
            self.values[begin:end],
            self.pixels[begin:end],
            self.confidence_sum[begin:end],
            self.confidence_min[begin:end],
            self.coords[vertices],
            self.pinned[vertices],
            ring_offsets - vertices.start,
            self.polygon_offsets[begin : end + 1] - rings.start,
        )

    @classmethod
    def concatenate(cls, many: "Sequence[PolygonArrays]") -> "PolygonArrays":
        """All polygons of ``many`` (at least one), in order."""
        if len(many) == 1:
            return many[0]
        return cls(
            np.concatenate([p.values for p in many]),
            np.concatenate([p.pixels for p in many]),
            np.concatenate([p.confidence_sum for p in many]),
            np.concatenate([p.confidence_min for p in many]),
            np.concatenate([p.coords for p in many]),
            np.concatenate([p.pinned for p in many]),
            offsets_of(np.concatenate([np.diff(p.ring_offsets) for p in many])),
            offsets_of(np.concatenate([np.diff(p.polygon_offsets) for p in many])),
        )

    @classmethod
    def none(cls) -> "PolygonArrays":
        """No polygon."""
        no_bytes, no_ints, zero = (
            np.zeros(0, np.uint8),
            np.zeros(0, np.int64),
            np.zeros(1, np.int64),
        )
        no_coords = np.zeros((0, 2), np.int32)
        return cls(no_bytes, no_ints, no_ints, no_bytes, no_coords, no_bytes, zero, zero)

    def to_shapely(self, transform: Affine | None = None) -> npt.NDArray[np.object_]:
        """Shapely polygons (n,), in pixels or placed by a transform."""
        xy, ring_offsets = close_rings(self.coords, self.ring_offsets, transform)
        return np.asarray(
            shapely.from_ragged_array(
                shapely.GeometryType.POLYGON, xy, (ring_offsets, self.polygon_offsets)
            )
        )


def offsets_of(counts: Ints) -> Ints:
    """Offsets (n + 1,) of consecutive groups with ``counts`` (n,) members."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def concat_ranges(first: Ints, counts: Ints) -> Ints:
    """``first[0], first[0] + 1, ...`` (``counts[0]`` of them), then those of ``first[1]``, ..."""
    offsets = offsets_of(counts)
    return np.arange(offsets[-1]) + np.repeat(first - offsets[:-1], counts)


def close_rings(
    vertices: npt.NDArray[np.number], ring_offsets: Ints, transform: Affine | None = None
) -> tuple[Floats, Ints]:
    """Vertices (m + rings, 2) of closed rings, placed by a transform, and the new offsets.

    Rings keep their turn on a map whose rows go down; where a transform mirrors them (rows that
    go up), they are run through backwards, so that shells stay counter-clockwise.
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
            place = begin + k % count
            if mirrored:
                place = begin + (count - k) % count
            x = vertices[place, 0]
            y = vertices[place, 1]
            xy[out + k, 0] = t[0] * x + t[1] * y + t[2]
            xy[out + k, 1] = t[3] * x + t[4] * y + t[5]
