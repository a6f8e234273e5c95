"""The map of a lazy array of Dask: one task for each of its blocks."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import dask.array
import numpy as np
from dask.delayed import delayed
from numpy.typing import NDArray

from geoseg.classification import ArrayPixels, ArrayRun
from geoseg.grid import CHUNK_BLOCK, Window

Lazy = Any
"""A dask.array.Array, which has no types."""

_LARGEST = 2048
"""Largest side of a block (px)."""


def classify_blocks(run: ArrayRun, data: Lazy, names: Sequence[str]) -> Lazy:
    """Return the outputs of a run as a lazy array of planes.

    Each block is one task. It depends on a slice of the input, the block with its halo, and on no
    other block of the map. By law 1 the blocks do not show in the result.

    Args:
        run: it computes at least these outputs.
        data: (bands, height, width) of Dask.
        names: "labels", or "labels" and "confidence".

    Returns:
        (names, height, width), uint8, in blocks whose sides are at most 2048 px.
    """
    rows, cols = (block_sizes(sizes, run.job.chunk) for sizes in data.chunks[1:])
    # As one node of the graph, so that a scheduler has it once.
    shared = delayed(run, pure=True, traverse=False)
    classify = delayed(_classify_block, pure=True)
    blocks = []
    for row, height in zip(accumulate(rows, initial=0), rows, strict=False):
        line = []
        for col, width in zip(accumulate(cols, initial=0), cols, strict=False):
            block = Window(row, col, height, width)
            window = run.input_window(block)
            pixels = data[(slice(None), *window.slices)]
            planes = classify(shared, block, window, tuple(names), pixels)
            line.append(
                dask.array.from_delayed(
                    planes, (len(names), height, width), meta=np.empty((0, 0, 0), np.uint8)
                )
            )
        blocks.append(line)
    return dask.array.block(blocks)


def block_sizes(chunks: Sequence[int], target: int) -> list[int]:
    """Return the sizes of blocks along an axis: chunks of the input, merged or split.

    >>> block_sizes([256] * 9, 1024)
    [1024, 1280]
    >>> block_sizes([5000, 600], 512)
    [1667, 1667, 1666, 600]

    Args:
        chunks: sizes of the chunks of the input (px).
        target: size up to which chunks are merged (px), or up to 2048 px if a block is
            smaller than 512 px.
    """
    sizes: list[int] = []
    for size in chunks:
        count = -(-size // _LARGEST)
        for index in range(count):
            piece = size // count + (index < size % count)
            last = sizes[-1] if sizes else _LARGEST
            merged = last + piece
            if merged <= target or (last < CHUNK_BLOCK and merged <= _LARGEST):
                sizes[-1] = merged
            else:
                sizes.append(piece)
    if len(sizes) > 1 and sizes[-1] < CHUNK_BLOCK and sum(sizes[-2:]) <= _LARGEST:
        sizes[-2:] = [sum(sizes[-2:])]
    return sizes


def _classify_block(
    run: ArrayRun, block: Window, window: Window, names: tuple[str, ...], pixels: NDArray[Any]
) -> NDArray[np.uint8]:
    """Classify a block: ``window`` is the place of the pixels in the input."""
    arrays = run.classify(block, ArrayPixels(np.asarray(pixels), None, window))
    return np.stack([arrays[name] for name in names])
