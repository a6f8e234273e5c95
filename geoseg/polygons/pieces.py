"""One chunk of labels to pieces: its polygons, and which of them lie along its sides."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import chain

import numpy as np
import numpy.typing as npt
from rasterio.features import shapes

from geoseg.grid import Window
from geoseg.legend import NODATA
from geoseg.polygons.rings import (
    Coords,
    Ints,
    Shapes,
    insert_nodes,
    meeting,
    offsets_of,
    oriented,
    pack,
    ranges,
    segment_starts,
)

Index = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Pieces:
    """What one chunk leaves for the polygons: its own, cut at its sides.

    Law: the pieces cover exactly the chunk's valid pixels, each is 4-connected, and each has a
    vertex wherever two of its neighbours meet inside the chunk.

    Raises:
        ValueError: if the arrays do not fit each other or the window.
    """

    window: Window
    """The chunk (px of the scene)."""
    values: npt.NDArray[np.uint8]
    """(n,) label of each piece."""
    pixels: Ints
    """(n,) pixels in each piece."""
    confidence_sum: Ints
    """(n,) sum over the pixels of their confidence, 0..255 each; zeros where none was given."""
    coords: Coords
    """(m, 2) vertices as (col, row) of the scene (px), rings closed, shells before holes."""
    ring_offsets: Ints
    """(rings + 1,) first vertex of each ring."""
    polygon_offsets: Ints
    """(n + 1,) first ring of each piece."""
    top: Index
    """(width,) index of the piece at each pixel of the first row, -1 for nodata."""
    bottom: Index
    """(width,) the same along the last row."""
    left: Index
    """(height,) the same along the first column."""
    right: Index
    """(height,) the same along the last column."""

    def __post_init__(self) -> None:
        count = self.values.size
        sides = (self.top.size, self.bottom.size, self.left.size, self.right.size)
        height, width = self.window.height, self.window.width
        if sides != (width, width, height, height):
            raise ValueError(f"the sides {sides} do not fit {self.window}")
        lengths = {self.pixels.size, self.confidence_sum.size, self.polygon_offsets.size - 1}
        if lengths != {count}:
            raise ValueError(f"{self.window}: the arrays of its {count} pieces differ in length")
        if self.polygon_offsets[-1] != self.ring_offsets.size - 1:
            raise ValueError(f"{self.window}: polygon_offsets do not fit ring_offsets")
        if self.coords.shape != (int(self.ring_offsets[-1]), 2):
            raise ValueError(f"{self.window}: ring_offsets do not fit coords")

    def __len__(self) -> int:
        return int(self.values.size)

    @property
    def shapes(self) -> Shapes:
        """The pieces without the chunk."""
        return Shapes(
            self.values,
            self.pixels,
            self.confidence_sum,
            self.coords,
            self.ring_offsets,
            self.polygon_offsets,
        )

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """All but the window by name, for ``numpy.savez``."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "window"}

    @classmethod
    def from_arrays(cls, window: Window, arrays: Mapping[str, npt.NDArray[np.generic]]) -> "Pieces":
        """The inverse of `to_arrays`; other names in ``arrays`` are ignored.

        Raises:
            KeyError: if an array is missing.
            ValueError: if the arrays do not fit each other or the window.
        """
        names = [f.name for f in fields(cls) if f.name != "window"]
        return cls(window, **{name: arrays[name] for name in names})  # type: ignore[arg-type]


def polygonise(
    labels: npt.NDArray[np.uint8],
    window: Window,
    confidence: npt.NDArray[np.uint8] | None = None,
    nodata: int = NODATA,
) -> Pieces:
    """Polygons of the 4-connected areas of equal label in one chunk.

    Args:
        labels: (height, width) uint8 of the chunk.
        window: where the chunk lies in the scene (px).
        confidence: (height, width) uint8, 0..255, or None where none was recorded.
        nodata: the label that gets no polygon.

    Raises:
        ValueError: if the arrays are not uint8 of the window's size.
    """
    size = (window.height, window.width)
    for name, array in (("labels", labels), ("confidence", confidence)):
        if array is not None and (array.shape != size or array.dtype != np.uint8):
            raise ValueError(f"{name} {array.dtype} {array.shape} instead of uint8 {size}")
    values, coords, ring_offsets, polygon_offsets = _trace(labels, nodata)
    index = _burn(coords, ring_offsets, polygon_offsets, size)
    # Counting from -1: nodata falls into a bin of its own, which is dropped.
    bins = (index + 1).ravel()
    pixels = np.bincount(bins, minlength=values.size + 1)[1:].astype(np.int64)
    confidence_sum = np.zeros(values.size, np.int64)
    if confidence is not None:
        sums = np.bincount(bins, weights=confidence.ravel(), minlength=values.size + 1)
        confidence_sum = sums[1:].astype(np.int64)
    coords, ring_offsets = insert_nodes(coords, ring_offsets, _inner_nodes(labels))
    return Pieces(
        window=window,
        values=values,
        pixels=pixels,
        confidence_sum=confidence_sum,
        coords=coords + np.array([window.col, window.row], np.int32),
        ring_offsets=ring_offsets,
        polygon_offsets=polygon_offsets,
        top=index[0].copy(),
        bottom=index[-1].copy(),
        left=index[:, 0].copy(),
        right=index[:, -1].copy(),
    )


def _trace(
    labels: npt.NDArray[np.uint8], nodata: int
) -> tuple[npt.NDArray[np.uint8], Coords, Ints, Ints]:
    """Values, vertices, ring and polygon offsets of the areas, in pixels of the chunk."""
    rings: list[list[tuple[float, float]]] = []
    counts: list[int] = []
    values: list[float] = []
    for geometry, value in shapes(labels, mask=labels != nodata, connectivity=4):
        rings += geometry["coordinates"]
        counts.append(len(geometry["coordinates"]))
        values.append(value)
    sizes = np.fromiter(map(len, rings), np.int64, len(rings))
    flat = chain.from_iterable(chain.from_iterable(rings))
    coords = np.fromiter(flat, np.float64, 2 * int(sizes.sum())).astype(np.int32).reshape(-1, 2)
    ring_offsets = offsets_of(sizes)
    polygon_offsets = offsets_of(np.array(counts, np.int64))
    shells = np.zeros(len(rings), np.bool_)
    shells[polygon_offsets[:-1]] = True
    coords = oriented(coords, ring_offsets, shells)
    return np.array(values).astype(np.uint8), coords, ring_offsets, polygon_offsets


def _burn(
    coords: Coords, ring_offsets: Ints, polygon_offsets: Ints, size: tuple[int, int]
) -> Index:
    """Index of the polygon at each pixel (height, width), -1 outside all.

    Along a row, an upward side enters its polygon and a downward side leaves it (see `rings`).
    """
    height, width = size
    change = np.zeros((height, width + 1), np.int32)
    owner = np.repeat(np.arange(polygon_offsets.size - 1), np.diff(polygon_offsets))
    segment = np.flatnonzero(segment_starts(ring_offsets))
    owner = np.repeat(owner, np.diff(ring_offsets) - 1)
    x = coords[segment, 0].astype(np.int64)
    y, y_end = coords[segment, 1].astype(np.int64), coords[segment + 1, 1].astype(np.int64)
    for side, sign in ((np.flatnonzero(y > y_end), 1), (np.flatnonzero(y < y_end), -1)):
        length = np.abs(y_end - y)[side]
        rows = ranges(np.minimum(y, y_end)[side], length)
        # Plain indexing adds up: one polygon at most enters, and one leaves, at each pixel side.
        change[rows, np.repeat(x[side], length)] += np.repeat(sign * (owner[side] + 1), length)
    np.cumsum(change, axis=1, out=change)
    return change[:, :width] - np.int32(1)


def _inner_nodes(labels: npt.NDArray[np.uint8]) -> Ints:
    """Sorted ``pack(row, col)`` of the vertices inside the chunk where three labels meet."""
    upper = (labels[:-1, :-1], labels[:-1, 1:])
    lower = (labels[1:, :-1], labels[1:, 1:])
    row, col = np.nonzero(meeting(upper, lower))
    return pack(row + 1, col + 1)
