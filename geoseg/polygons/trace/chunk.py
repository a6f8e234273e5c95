"""One chunk of labels to pieces: its areas, and their outlines as far as the chunk goes."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from geoseg.grid import Window
from geoseg.legend import NODATA
from geoseg.polygons.arrays import Coords, PolygonArrays, offsets_of
from geoseg.polygons.jit import njit_cached
from geoseg.polygons.trace.components import (
    Bytes,
    Components,
    Flags,
    Index,
    Ints,
    Sides,
    component_sums,
    confidence_stats,
    encode_runs,
    label_components,
)
from geoseg.polygons.trace.corners import NONE, CornerGraph, link_corners


@dataclass(frozen=True, slots=True)
class ChunkOutlines:
    """What one chunk leaves for the polygons.

    Areas are 4-connected and of one label. Those that reach no other chunk come first, and their
    lines are rings, each shell before its holes. Of the others, what lies inside of the chunk are
    lines that begin and end at its sides, and holes.

    Raises:
        ValueError: if the arrays do not fit each other or the window.
    """

    window: Window
    """The chunk (px of the scene)."""
    whole: int
    """How many of the areas reach no other chunk."""
    values: Bytes
    """(n,) label of each area."""
    pixels: Ints
    """(n,) pixels in each area."""
    confidence_sum: Ints
    """(n,) sum over the pixels of their confidence, 0..255 each; zeros where none was given."""
    confidence_min: Bytes
    """(n,) least confidence of its pixels."""
    coords: Coords
    """(m, 2) vertices as (col, row) of the scene (px); the first of a ring is not repeated."""
    pinned: Bytes
    """(m,) 1 where three or more sides meet, else 0."""
    vertex_offsets: Ints
    """(lines + 1,) first vertex of each line."""
    line_offsets: Ints
    """(n + 1,) first line of each area."""
    follows: Index
    """(lines,) the line after each line, itself for a ring; -2 - code at a loose end."""
    begins: Index
    """(lines,) code of the loose end where each line begins, -1 where another line leads to it."""
    doubtful: Index
    """(k, 2) lines that change followers if their areas turn out to be one."""
    top: Index
    """(width,) the area at each pixel of the first row, -1 for nodata."""
    bottom: Index
    """(width,) the same along the last row."""
    left: Index
    """(height,) the same along the first column."""
    right: Index
    """(height,) the same along the last column."""

    def __post_init__(self) -> None:
        sides = (self.top.size, self.bottom.size, self.left.size, self.right.size)
        height, width = self.window.height, self.window.width
        if sides != (width, width, height, height):
            raise ValueError(f"the sides {sides} do not fit {self.window}")
        areas = {self.values.size, self.pixels.size, self.confidence_sum.size}
        if areas | {self.confidence_min.size, self.line_offsets.size - 1} != {self.values.size}:
            raise ValueError(f"{self.window}: the arrays of its areas differ in length")
        lines = {self.vertex_offsets.size - 1, self.follows.size, self.begins.size}
        if lines != {int(self.line_offsets[-1])}:
            raise ValueError(f"{self.window}: the arrays of its lines differ in length")
        if self.coords.shape != (int(self.vertex_offsets[-1]), 2):
            raise ValueError(f"{self.window}: vertex_offsets do not fit coords")
        if self.pinned.size != self.coords.shape[0]:
            raise ValueError(f"{self.window}: pinned does not fit coords")

    def __len__(self) -> int:
        return int(self.values.size)

    def finished(self) -> PolygonArrays:
        """The areas that reach no other chunk."""
        lines = int(self.line_offsets[self.whole])
        end = int(self.vertex_offsets[lines])
        return PolygonArrays(
            self.values[: self.whole],
            self.pixels[: self.whole],
            self.confidence_sum[: self.whole],
            self.confidence_min[: self.whole],
            self.coords[:end],
            self.pinned[:end],
            self.vertex_offsets[: lines + 1],
            self.line_offsets[: self.whole + 1],
        )

    def with_vertices(self, keep: Flags, pinned: Bytes) -> "ChunkOutlines":
        """The same pieces, with only the vertices in ``keep`` (m,), and ``pinned`` (m,) anew."""
        return replace(
            self,
            coords=self.coords[keep],
            pinned=pinned[keep],
            vertex_offsets=offsets_of(keep.astype(np.int64))[self.vertex_offsets],
        )

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """All but the window by name, for ``numpy.savez``."""
        return {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)[1:]}

    @classmethod
    def from_arrays(
        cls, window: Window, arrays: Mapping[str, npt.NDArray[np.generic]]
    ) -> "ChunkOutlines":
        """The inverse of `to_arrays`; other names in ``arrays`` are ignored.

        Raises:
            KeyError: if an array is missing.
            ValueError: if the arrays do not fit each other or the window.
        """
        given = {f.name: arrays[f.name] for f in fields(cls)[1:]}
        return cls(window, int(given.pop("whole")), **given)  # type: ignore[arg-type]


def trace_chunk(
    labels: Bytes,
    window: Window,
    scene: tuple[int, int],
    *,
    confidence: Bytes | None = None,
    nodata: int | None = NODATA,
) -> ChunkOutlines:
    """Outline the 4-connected areas of equal label in one chunk.

    Args:
        labels: (height, width) uint8 of the chunk.
        window: where the chunk lies in the scene (px).
        scene: height and width of the scene (px): beyond them there is nothing.
        confidence: (height, width) uint8, 0..255, or None where none was recorded.
        nodata: the label that gets no polygon, or None.

    Raises:
        ValueError: if the arrays are not uint8 of the window's size.
    """
    size = (window.height, window.width)
    for name, array in (("labels", labels), ("confidence", confidence)):
        if array is not None and (array.shape != size or array.dtype != np.uint8):
            raise ValueError(f"{name} {array.dtype} {array.shape} instead of uint8 {size}")
    seams = (
        window.row > 0, window.row_end < scene[0], window.col > 0, window.col_end < scene[1],
    )  # fmt: skip
    runs = encode_runs(np.ascontiguousarray(labels), nodata)
    areas = label_components(runs)
    corners = link_corners(runs, areas, seams)
    number, whole = _closed_first(areas, seams)
    coords, pinned, vertex_offsets, line_offsets, follows, begins, doubtful = _outline_lines(
        corners, number, window
    )
    order = np.argsort(number)
    total, least = np.zeros(len(areas), np.int64), np.zeros(len(areas), np.uint8)
    if confidence is not None:
        total, least = confidence_stats(runs, areas, confidence)
    with_nodata = np.append(number, np.int32(NONE))
    return ChunkOutlines(
        window=window,
        whole=whole,
        values=areas.values[order],
        pixels=component_sums(runs, areas)[order],
        confidence_sum=total[order],
        confidence_min=least[order],
        coords=coords,
        pinned=pinned,
        vertex_offsets=vertex_offsets,
        line_offsets=line_offsets,
        follows=follows,
        begins=begins,
        doubtful=doubtful,
        top=with_nodata[areas.top],
        bottom=with_nodata[areas.bottom],
        left=with_nodata[areas.left],
        right=with_nodata[areas.right],
    )


def _closed_first(areas: Components, seams: Sides) -> tuple[Index, int]:
    """New number of each area, those that touch no seam first; and how many these are."""
    cut = areas.beyond(seams)
    whole = int(np.count_nonzero(~cut))
    number = np.where(cut, whole + np.cumsum(cut), np.cumsum(~cut)) - 1
    return number.astype(np.int32), whole


def _outline_lines(
    corners: CornerGraph, number: Index, window: Window
) -> tuple[Coords, Bytes, Ints, Ints, Index, Index, Index]:
    """The linked corners as lines, area by area, with what `ChunkOutlines` has of them."""
    nodes = corners.next.size
    vertices = nodes - corners.begins.shape[0]
    most = vertices // 4 + corners.begins.shape[0] + corners.doubtful.size + 1
    first, counts, owner, follows, begins = (np.empty(most, np.int32) for _ in range(5))
    doubtful = np.empty(corners.doubtful.shape, np.int32)
    lines = _follow_lines(
        corners.next, corners.area, corners.begins, corners.doubtful, number,
        first, counts, owner, follows, begins, doubtful,
    )  # fmt: skip
    first, counts, owner = first[:lines], counts[:lines], owner[:lines]
    order = np.argsort(owner, kind="stable")
    place = np.empty(lines, np.int32)
    place[order] = np.arange(lines, dtype=np.int32)
    follows, begins = follows[:lines][order], begins[:lines][order]
    leads = follows >= 0
    follows[leads] = place[follows[leads]]
    vertex_offsets = np.concatenate([[0], np.cumsum(counts[order], dtype=np.int64)])
    line_offsets = np.searchsorted(owner[order], np.arange(number.size + 1))
    coords = np.empty((vertices, 2), np.int32)
    pinned = np.empty(vertices, np.uint8)
    _write_lines(
        corners.next, corners.x, corners.y, corners.pinned, first[order], vertex_offsets,
        window.col, window.row, coords, pinned,
    )  # fmt: skip
    return coords, pinned, vertex_offsets, line_offsets, follows, begins, place[doubtful]


@njit_cached
def _follow_lines(  # noqa: PLR0913 - arrays to fill
    following: Index, area: Index, loose: Index, pairs: Index, number: Index,
    first: Index, counts: Index, owner: Index, follows: Index, begins: Index, doubtful: Index,
) -> int:  # fmt: skip
    """Follow the links from each loose end, each doubtful node, and then around each ring."""
    nodes = following.size
    loose_lines = loose.shape[0]
    starts = loose_lines + 2 * pairs.shape[0]
    done = np.zeros(nodes, np.bool_)
    line_at = np.full(nodes, -1, np.int32)
    for k in range(pairs.shape[0]):
        for q in range(2):
            line_at[pairs[k, q]] = loose_lines + 2 * k + q
    lines = 0
    for k in range(starts + nodes):
        begin = -1
        if k < loose_lines:
            node = loose[k, 0]
            begin = loose[k, 1]
        elif k < starts:
            node = pairs[(k - loose_lines) // 2, (k - loose_lines) % 2]
        else:
            node = k - starts
            if done[node]:
                continue
        done[node] = True
        after = following[node]
        first[lines] = after if k < loose_lines else node
        count = 0 if k < loose_lines else 1
        while after >= 0 and not done[after] and line_at[after] < 0:
            done[after] = True
            count += 1
            after = following[after]
        counts[lines] = count
        owner[lines] = number[area[node] - 1]
        begins[lines] = begin
        if after < 0:
            follows[lines] = after
        elif line_at[after] < 0:
            follows[lines] = lines
        else:
            follows[lines] = line_at[after]
            pair = line_at[after] - loose_lines
            doubtful[pair // 2, pair % 2] = lines
        lines += 1
    return lines


@njit_cached
def _write_lines(  # noqa: PLR0913 - arrays to read and to fill
    following: Index, x: Index, y: Index, pin: Bytes, first: Index, vertex_offsets: Ints,
    col: int, row: int, coords: Coords, pinned: Bytes,
) -> None:  # fmt: skip
    """Write the vertices of each line, in pixels of the scene."""
    for line in range(first.size):
        node = first[line]
        for place in range(vertex_offsets[line], vertex_offsets[line + 1]):
            coords[place, 0] = x[node] + col
            coords[place, 1] = y[node] + row
            pinned[place] = pin[node]
            node = following[node]
