"""A whole map to polygons, cell by cell."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from geoseg.grid import Window, chunks
from geoseg.legend import NODATA
from geoseg.polygons.arrays import PolygonArrays
from geoseg.polygons.clean.simplify import simplify
from geoseg.polygons.stitch.stitch import stitch_chunks
from geoseg.polygons.trace.chunk import ChunkOutlines, trace_chunk
from geoseg.polygons.trace.components import Bytes

VECTOR_WINDOW = 2048
"""Side of a cell (px). Fixed, as simplified outlines keep a vertex where they cross its sides."""

ReadLabels = Callable[[Window], tuple[Bytes, Bytes | None]]
"""Labels and confidence, (height, width) uint8 each, of a window of the map."""
MapFunction = Callable[..., Iterable[Any]]
"""A map of a function over an iterable that keeps the order, and may work ahead."""


def vector_windows(height: int, width: int) -> list[Window]:
    """The cells of a map, row-major."""
    return list(chunks(height, width, VECTOR_WINDOW))


def polygonise_windows(
    read: ReadLabels,
    height: int,
    width: int,
    *,
    nodata: int | None = NODATA,
    tolerance: float = 0.0,
    each: MapFunction = map,
) -> Iterator[PolygonArrays]:
    """Polygons of a map of any size.

    Args:
        read: called with each cell, once.
        height: rows of the map (px).
        width: columns of the map (px).
        nodata: the label that gets no polygon, or None.
        tolerance: of `simplify` (px), 0 for outlines along the sides of pixels.
        each: how cells are worked on.

    Yields:
        Polygons as they become final.
    """

    def cut(cell: Window) -> ChunkOutlines:
        labels, confidence = read(cell)
        pieces = trace_chunk(labels, cell, (height, width), confidence=confidence, nodata=nodata)
        return simplify(pieces, labels, tolerance) if tolerance else pieces

    return stitch_chunks(
        each(cut, vector_windows(height, width)), height, width, keep_seams=tolerance > 0
    )


def polygonise(
    labels: Bytes,
    confidence: Bytes | None = None,
    *,
    nodata: int | None = NODATA,
    each: MapFunction = map,
) -> PolygonArrays:
    """Polygons of the 4-connected areas of equal label in an array.

    Args:
        labels: (height, width) uint8.
        confidence: (height, width) uint8, or None.
        nodata: the label that gets no polygon, or None.
        each: how parts of it are worked on.

    Raises:
        ValueError: if the arrays are not uint8 of one size.
    """

    def read(cell: Window) -> tuple[Bytes, Bytes | None]:
        return labels[cell.slices], None if confidence is None else confidence[cell.slices]

    height, width = labels.shape
    found = list(polygonise_windows(read, height, width, nodata=nodata, each=each))
    return PolygonArrays.concatenate(found) if found else PolygonArrays.none()
