"""Labels of a map of any size to polygons, window by window."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from geoseg.grid import Window, chunks
from geoseg.legend import NODATA
from geoseg.polygons.arrays import Bytes, PolygonArrays
from geoseg.polygons.clean.simplify import simplify
from geoseg.polygons.stitch.stitch import stitch_chunks
from geoseg.polygons.trace.chunk import ChunkOutlines, trace_chunk

VECTOR_WINDOW = 2048
"""Side of a window (px). Fixed, because simplified outlines keep a vertex where they cross it."""

ReadLabels = Callable[[Window], tuple[Bytes, Bytes | None]]
"""Takes a window of the map; returns its labels and its confidence, each (height, width) uint8."""
MapFunction = Callable[..., Iterable[Any]]
"""Maps a function over an iterable in order, like ``map``; may work ahead."""


def vector_windows(height: int, width: int) -> list[Window]:
    """Return the windows in which a map is vectorised, row-major."""
    return list(chunks(height, width, VECTOR_WINDOW))


def polygonise_windows(
    read: ReadLabels,
    height: int,
    width: int,
    *,
    nodata: int | None = NODATA,
    tolerance: float = 0.0,
    map_fn: MapFunction = map,
) -> Iterator[PolygonArrays]:
    """Trace, simplify and stitch a map of any size.

    Args:
        read: called once for each of `vector_windows`.
        height: rows of the map (px).
        width: columns of the map (px).
        nodata: the label that gets no polygon; None if every label gets one.
        tolerance: of `simplify` (px); 0 for outlines along pixel sides.
        map_fn: how to map over the windows.

    Yields:
        Polygons as soon as they are complete.
    """

    def trace(window: Window) -> ChunkOutlines:
        labels, confidence = read(window)
        outlines = trace_chunk(
            labels, window, (height, width), confidence=confidence, nodata=nodata
        )
        return simplify(outlines, labels, tolerance) if tolerance else outlines

    return stitch_chunks(
        map_fn(trace, vector_windows(height, width)), height, width, keep_seams=tolerance > 0
    )
