"""Encode labels as run lengths, and connect the runs to components.

A *run* is a maximal sequence of pixels of one label in a row. A *component* is a 4-connected set
of pixels of one label. Runs make everything that follows fast: work grows with the number of runs,
not of pixels.
"""

from dataclasses import dataclass

import numpy as np

from geoseg.grid import Window
from geoseg.polygons.arrays import Bytes, Flags, Index, Ints, concat_ranges
from geoseg.polygons.jit import njit_cached

Sides = tuple[bool, bool, bool, bool]
"""A flag for the top, bottom, left and right side of a chunk."""


@dataclass(frozen=True, slots=True)
class RunLengths:
    """The run-length encoding of labels, without nodata, in raster order."""

    shape: tuple[int, int]
    """Height and width of the labels (px)."""
    row_offsets: Ints
    """(height + 1,) first run of each row."""
    start: Index
    """(n,) first column of each run."""
    end: Index
    """(n,) column after the last of each run."""
    values: Bytes
    """(n,) label of each run."""
    first_pixel: Ints
    """(n,) flat index of the first pixel of each run."""


@dataclass(frozen=True, slots=True)
class Components:
    """4-connected components of the labels, in row-major order of their first pixels."""

    component_of_run: Index
    """(runs,) component of each run."""
    values: Bytes
    """(n,) label of each component."""
    sides: tuple[Index, Index, Index, Index]
    """Component at the pixels of the first row (width,), the last row (width,), the first column
    (height,) and the last column (height,), -1 for nodata."""

    def __len__(self) -> int:
        return int(self.values.size)

    def touching_seams(self, seams: Sides) -> Flags:
        """Return which components (n,) touch a side of the chunk that is a seam."""
        touches = np.zeros(len(self) + 1, np.bool_)
        for side, is_seam in zip(self.sides, seams, strict=True):
            if is_seam:
                touches[side] = True
        # The last flag stands for nodata, whose index is -1.
        return touches[:-1]


def seam_sides(window: Window, map_shape: tuple[int, int]) -> Sides:
    """Return which sides of a window are seams; the edge of the map (height, width) is none."""
    height, width = map_shape
    return window.row > 0, window.row_end < height, window.col > 0, window.col_end < width


def encode_runs(labels: Bytes, nodata: int | None) -> RunLengths:
    """Encode labels (height, width) as runs, without those of the label ``nodata``."""
    height, width = labels.shape
    change = np.empty(labels.shape, np.bool_)
    change[:, 0] = True
    np.not_equal(labels[:, 1:], labels[:, :-1], out=change[:, 1:])
    first_pixel = np.flatnonzero(change)
    values = labels.ravel()[first_pixel]
    end = np.append(first_pixel[1:], labels.size)
    if nodata is not None:
        valid = values != nodata
        if not valid.all():
            first_pixel, end, values = first_pixel[valid], end[valid], values[valid]
    row_offsets = np.searchsorted(first_pixel, np.arange(height + 1) * width)
    row_start = first_pixel // width * width
    return RunLengths(
        (height, width),
        row_offsets,
        (first_pixel - row_start).astype(np.int32),
        (end - row_start).astype(np.int32),
        values,
        first_pixel,
    )


def label_components(runs: RunLengths) -> Components:
    """Connect runs to components."""
    count = runs.start.size
    a, b, _ = facing_runs(runs, same_label=True)
    root = np.arange(count, dtype=np.int32)
    union_pairs(a, b, root)
    is_first = root == np.arange(count)
    component_of_run = (np.cumsum(is_first, dtype=np.int32) - 1)[root]
    height, width = runs.shape
    left, right = np.full((2, height), -1, np.int32)
    at_left = np.flatnonzero(runs.start == 0)
    left[runs.first_pixel[at_left] // width] = component_of_run[at_left]
    at_right = np.flatnonzero(runs.end == width)
    right[runs.first_pixel[at_right] // width] = component_of_run[at_right]
    top, bottom = (_components_in_row(runs, component_of_run, row) for row in (0, height - 1))
    return Components(component_of_run, runs.values[is_first], (top, bottom, left, right))


def facing_runs(runs: RunLengths, *, same_label: bool) -> tuple[Index, Index, Index]:
    """Return runs (n,), runs of the next row (n,), and the number of pixel sides they share.

    The labels of a pair are the same, or they differ.
    """
    a, b, shared = np.empty((3, 2 * runs.start.size), np.int32)
    count = _facing_runs(
        runs.row_offsets, runs.start, runs.end, runs.values, same_label, a, b, shared
    )
    return a[:count], b[:count], shared[:count]


def component_sums(runs: RunLengths, components: Components, weights: Ints | None = None) -> Ints:
    """Return the pixels (n,) of each component, or the sum of the ``weights`` (height,) of rows."""
    length = (runs.end - runs.start).astype(np.int64)
    if weights is not None:
        length *= weights[runs.first_pixel // runs.shape[1]]
    total = np.zeros(len(components), np.int64)
    np.add.at(total, components.component_of_run, length)
    return total


def confidence_stats(
    runs: RunLengths, components: Components, confidence: Bytes
) -> tuple[Ints, Bytes]:
    """Return sum (n,) and minimum (n,) of the confidence (height, width) in each component."""
    total = np.zeros(len(components), np.int64)
    minimum = np.full(len(components), 255, np.uint8)
    if not runs.start.size:
        return total, minimum
    # reduceat between start and end of each run; every second result is of the gap after it.
    bounds = np.column_stack([runs.first_pixel, runs.first_pixel + runs.end - runs.start]).ravel()
    if bounds[-1] == confidence.size:
        bounds = bounds[:-1]
    flat = confidence.ravel()
    # A run has fewer than 2^24 pixels; 32 bits are added faster than 64.
    run_sums = np.add.reduceat(flat, bounds, dtype=np.uint32)[::2].astype(np.int64)
    run_minima = np.minimum.reduceat(flat, bounds)[::2]
    np.add.at(total, components.component_of_run, run_sums)
    np.minimum.at(minimum, components.component_of_run, run_minima)
    return total, minimum


def _components_in_row(runs: RunLengths, component_of_run: Index, row: int) -> Index:
    in_row = slice(int(runs.row_offsets[row]), int(runs.row_offsets[row + 1]))
    length = runs.end[in_row] - runs.start[in_row]
    side = np.full(runs.shape[1], -1, np.int32)
    side[concat_ranges(runs.start[in_row], length)] = np.repeat(component_of_run[in_row], length)
    return side


@njit_cached
def _facing_runs(
    row_offsets: Ints, start: Index, end: Index, values: Bytes, same_label: bool,
    a: Index, b: Index, shared: Index,
) -> int:  # fmt: skip
    """Fill in ``a``, ``b`` and ``shared``; return the number of pairs."""
    count = 0
    for row in range(1, row_offsets.size - 1):
        i, i_end = row_offsets[row - 1], row_offsets[row]
        j, j_end = row_offsets[row], row_offsets[row + 1]
        while i < i_end and j < j_end:
            sides = min(end[i], end[j]) - max(start[i], start[j])
            if sides > 0 and (values[i] == values[j]) == same_label:
                a[count] = i
                b[count] = j
                shared[count] = sides
                count += 1
            if end[i] < end[j]:
                i += 1
            else:
                j += 1
    return count


@njit_cached
def union_pairs(a: Ints | Index, b: Ints | Index, root: Ints | Index) -> None:
    """Unite member ``a[k]`` with ``b[k]`` for each k (union-find).

    Args:
        a: (k,) members.
        b: (k,) members.
        root: (n,) numbers 0 to n - 1; afterwards the first member of the group of each.
    """
    for k in range(a.size):
        x = a[k]
        while root[x] != x:
            root[x] = root[root[x]]
            x = root[x]
        y = b[k]
        while root[y] != y:
            root[y] = root[root[y]]
            y = root[y]
        if x < y:
            root[y] = x
        elif y < x:
            root[x] = y
    for k in range(root.size):
        root[k] = root[root[k]]
