"""Encode labels as run lengths, and connect the runs to components.

A *run* is a maximal sequence of pixels of one label in a row. A *component* is a 4-connected set
of pixels of one label. Runs make everything that follows fast: work grows with the number of runs,
not of pixels.
"""

from dataclasses import dataclass

import numpy as np

from geoseg.polygons.arrays import Bytes, Flags, Index, Ints
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
    """The connected components of labels, in the raster order of their first pixels."""

    component_of_run: Index
    """(runs,) component of each run."""
    values: Bytes
    """(n,) label of each component."""
    top: Index
    """(width,) component at each pixel of the first row, -1 for nodata."""
    bottom: Index
    """(width,) component at each pixel of the last row, -1 for nodata."""
    left: Index
    """(height,) component at each pixel of the first column, -1 for nodata."""
    right: Index
    """(height,) component at each pixel of the last column, -1 for nodata."""

    def __len__(self) -> int:
        return int(self.values.size)

    def touching_seams(self, seams: Sides) -> Flags:
        """Return which components (n,) touch a side of the chunk that is a seam."""
        touches = np.zeros(len(self) + 1, np.bool_)
        for side, is_seam in zip(
            (self.top, self.bottom, self.left, self.right), seams, strict=True
        ):
            if is_seam:
                touches[side] = True
        # The last flag stands for nodata, whose index is -1.
        return touches[:-1]


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
    component_of_run = np.empty(runs.start.size, np.int32)
    parent = np.empty(runs.start.size, np.int32)
    count = _connect_runs(
        runs.row_offsets, runs.start, runs.end, runs.values, parent, component_of_run
    )
    values = np.empty(count, np.uint8)
    values[component_of_run] = runs.values
    height, width = runs.shape
    left = np.full(height, -1, np.int32)
    right = np.full(height, -1, np.int32)
    at_left = np.flatnonzero(runs.start == 0)
    left[runs.first_pixel[at_left] // width] = component_of_run[at_left]
    at_right = np.flatnonzero(runs.end == width)
    right[runs.first_pixel[at_right] // width] = component_of_run[at_right]
    return Components(
        component_of_run,
        values,
        _components_in_row(runs, component_of_run, 0),
        _components_in_row(runs, component_of_run, height - 1),
        left,
        right,
    )


def component_sums(runs: RunLengths, components: Components, weights: Ints | None = None) -> Ints:
    """Return the pixels (n,) of each component, or the sum of the ``weights`` (height,) of rows."""
    length = (runs.end - runs.start).astype(np.int64)
    if weights is not None:
        length *= weights[runs.first_pixel // runs.shape[1]]
    total = np.zeros(len(components), np.int64)
    _sum_by_component(components.component_of_run, length, total)
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
    bounds = np.empty(2 * runs.first_pixel.size, np.int64)
    bounds[::2] = runs.first_pixel
    bounds[1::2] = runs.first_pixel + (runs.end - runs.start)
    if bounds[-1] == confidence.size:
        bounds = bounds[:-1]
    flat = confidence.ravel()
    run_sums = np.add.reduceat(flat, bounds, dtype=np.uint32)[::2].astype(np.int64)
    run_minima = np.minimum.reduceat(flat, bounds)[::2]
    _sum_by_component(components.component_of_run, run_sums, total)
    _min_by_component(components.component_of_run, run_minima, minimum)
    return total, minimum


def _components_in_row(runs: RunLengths, component_of_run: Index, row: int) -> Index:
    in_row = slice(int(runs.row_offsets[row]), int(runs.row_offsets[row + 1]))
    side = np.full(runs.shape[1], -1, np.int32)
    for start, end, component in zip(
        runs.start[in_row].tolist(), runs.end[in_row].tolist(), component_of_run[in_row].tolist(),
        strict=True,
    ):  # fmt: skip
        side[start:end] = component
    return side


@njit_cached
def _connect_runs(  # noqa: C901, PLR0912 - two union-finds, written out
    row_offsets: Ints, start: Index, end: Index, values: Bytes, parent: Index,
    component_of_run: Index,
) -> int:  # fmt: skip
    """Fill ``component_of_run``; return the number of components.

    A union-find over runs of neighbouring rows. The root of a component is its first run.
    """
    for i in range(parent.size):
        parent[i] = i
    for row in range(1, row_offsets.size - 1):
        i, i_end = row_offsets[row - 1], row_offsets[row]
        j, j_end = row_offsets[row], row_offsets[row + 1]
        while i < i_end and j < j_end:
            if start[i] < end[j] and start[j] < end[i] and values[i] == values[j]:
                x = i
                while parent[x] != x:
                    parent[x] = parent[parent[x]]
                    x = parent[x]
                y = j
                while parent[y] != y:
                    parent[y] = parent[parent[y]]
                    y = parent[y]
                if x < y:
                    parent[y] = x
                elif y < x:
                    parent[x] = y
            if end[i] < end[j]:
                i += 1
            elif end[j] < end[i]:
                j += 1
            else:
                i += 1
                j += 1
    count = 0
    for i in range(parent.size):
        if parent[i] == i:
            component_of_run[i] = count
            count += 1
        else:
            component_of_run[i] = component_of_run[parent[i]]
    return count


@njit_cached
def _sum_by_component(component_of_run: Index, of_run: Ints, total: Ints) -> None:
    for i in range(component_of_run.size):
        total[component_of_run[i]] += of_run[i]


@njit_cached
def _min_by_component(component_of_run: Index, of_run: Bytes, minimum: Bytes) -> None:
    for i in range(component_of_run.size):
        if of_run[i] < minimum[component_of_run[i]]:
            minimum[component_of_run[i]] = of_run[i]


@njit_cached
def union_pairs(a: Ints, b: Ints, root: Ints) -> None:
    """Unite ``a[k]`` with ``b[k]`` for each k, in place.

    Args:
        a: (k,) members.
        b: (k,) members.
        root: (n,) a member of the group of each member before, itself at the start; the first
            member of its group afterwards.
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
