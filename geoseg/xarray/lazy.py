"""The map of a lazy array of Dask: one task for each of its blocks."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

import dask.array
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray

from geoseg.classification import ArrayPixels, ArrayRun
from geoseg.grid import CHUNK_BLOCK, Window

Lazy = Any
"""A dask.array.Array; Dask has no type hints."""

_MAX_BLOCK = 2048
"""Largest side of a block (px)."""


def classify_blocks(run: ArrayRun, data: Lazy, names: Sequence[str]) -> Lazy:
    """Return the outputs of a run as a lazy array of planes.

    Each block is one task. It takes only the pixels of the input that its windows read, in the
    bands of the model, and depends on no other block of the map. By law 1, the result does not
    depend on the blocks.

    Args:
        run: the run, which computes at least these outputs.
        data: (bands, height, width) of Dask.
        names: "labels", or "labels" and "confidence".

    Returns:
        (names, height, width), uint8, in blocks whose sides are at most 2048 px.
    """
    rows, cols = (_block_sizes(sizes, run.job.chunk) for sizes in data.chunks[1:])
    token = tokenize(run, data.name, tuple(names), rows, cols)
    name, halo, run_key = f"geoseg-{token}", f"geoseg-halo-{token}", f"geoseg-run-{token}"
    graph: dict[Any, Any] = {run_key: run}
    for i, (row, height) in enumerate(_spans(rows)):
        for j, (col, width) in enumerate(_spans(cols)):
            block = Window(row, col, height, width)
            window = run.input_window(block)
            keys: list[tuple[Any, ...]] = []
            places: list[tuple[int, Window]] = []
            for index, band, place in _chunks_under(data.chunks, window, run.job.input.bands):
                shared = place.intersection(window) or place
                source: tuple[Any, ...] = (data.name, *index)
                key = source
                if shared != place:  # so that memory holds the halo, not the whole chunk
                    cut = partial(_cut, index=shared.relative_to(place))
                    key = (halo, i, j, len(keys))
                    graph[key] = (cut, source)
                keys.append(key)
                places.append((band, shared))
            classify = partial(
                _classify_block, block=block, window=window, places=places, names=names
            )
            graph[name, 0, i, j] = (classify, run_key, keys)
    return dask.array.Array(
        HighLevelGraph.from_collections(name, graph, dependencies=[data]),
        name,
        chunks=((len(names),), tuple(rows), tuple(cols)),
        meta=np.empty((0, 0, 0), np.uint8),
    )


def _spans(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first pixel and the size of each block along an axis."""
    return zip(accumulate(sizes, initial=0), sizes, strict=False)


def _chunks_under(
    chunks: Sequence[Sequence[int]], window: Window, bands: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], int, Window]]:
    """Yield the chunks of the input that hold pixels of a window in one of the bands.

    Args:
        chunks: sizes of the chunks along bands, rows and columns.
        window: pixels of the input.
        bands: numbers of the bands, from 1.

    Yields:
        Index of the chunk, its first band (from 0), and its place in rows and columns.
    """
    of_bands, of_rows, of_cols = (list(enumerate(_spans(sizes))) for sizes in chunks)
    wanted = [
        (b, first)
        for b, (first, count) in of_bands
        if any(first < band <= first + count for band in bands)
    ]
    for r, (row, height) in of_rows:
        if not (height and row < window.row_end and row + height > window.row):
            continue
        for c, (col, width) in of_cols:
            if width and col < window.col_end and col + width > window.col:
                for b, first in wanted:
                    yield (b, r, c), first, Window(row, col, height, width)


def _block_sizes(chunks: Sequence[int], target: int) -> list[int]:
    """Return the sizes of blocks along an axis: chunks of the input, merged or split.

    >>> _block_sizes([256] * 9, 1024)
    [1024, 1280]
    >>> _block_sizes([5000, 600], 512)
    [1667, 1667, 1666, 600]

    Args:
        chunks: sizes of the chunks of the input (px).
        target: size up to which chunks are merged (px), or up to 2048 px if a block is
            smaller than 512 px.
    """
    sizes: list[int] = []
    for size in chunks:
        count = -(-size // _MAX_BLOCK)
        for index in range(count):
            piece = size // count + (index < size % count)
            last = sizes[-1] if sizes else _MAX_BLOCK
            merged = last + piece
            if merged <= target or (last < CHUNK_BLOCK and merged <= _MAX_BLOCK):
                sizes[-1] = merged
            else:
                sizes.append(piece)
    if len(sizes) > 1 and sizes[-1] < CHUNK_BLOCK and sum(sizes[-2:]) <= _MAX_BLOCK:
        sizes[-2:] = [sum(sizes[-2:])]
    return sizes


def _cut(chunk: NDArray[Any], index: tuple[slice, slice]) -> NDArray[Any]:
    """Copy some rows and columns of (bands, height, width): a view would keep all of it."""
    return np.asarray(chunk)[:, *index].copy()


def _classify_block(
    run: ArrayRun,
    pieces: list[NDArray[Any]],
    *,
    block: Window,
    window: Window,
    places: list[tuple[int, Window]],
    names: Sequence[str],
) -> NDArray[np.uint8]:
    """Classify a block from pieces of the input.

    Args:
        run: the run.
        pieces: pixels of the input, (bands, height, width) each.
        block: pixels of the map.
        window: pixels of the input that the block depends on.
        places: first band (from 0), rows and columns of each piece.
        names: the outputs.

    Returns:
        (names, height, width).
    """
    # Bands that the model does not read are never written, so they take no memory.
    bands = max(run.job.input.bands)
    pixels = np.empty((bands, window.height, window.width), pieces[0].dtype)
    for piece, (band, place) in zip(pieces, places, strict=True):
        target = pixels[band : band + len(piece), *place.relative_to(window)]
        target[...] = piece[: len(target)]
    arrays = run.classify(block, ArrayPixels(pixels, None, window))
    return np.stack([arrays[name] for name in names])
