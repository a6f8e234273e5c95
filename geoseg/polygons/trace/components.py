"""Labels to runs of equal label in each row, and runs to 4-connected areas."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoseg.polygons.jit import njit_cached

Ints = npt.NDArray[np.int64]
Index = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Sides = tuple[bool, bool, bool, bool]
"""Something about the top, the bottom, the left and the right side of a chunk."""


@dataclass(frozen=True, slots=True)
class RunLengths:
    """Maximal runs of one label, nodata left out, row by row and from left to right."""

    shape: tuple[int, int]
    """Height and width of the labels (px)."""
    offsets: Ints
    """(height + 1,) first run of each row."""
    start: Index
    """(n,) first column of each run."""
    end: Index
    """(n,) column after its last."""
    values: Bytes
    """(n,) its label."""
    first: Ints
    """(n,) flat index of its first pixel."""


@dataclass(frozen=True, slots=True)
class Components:
    """4-connected areas of equal label, in the raster order of their first pixels."""

    of_run: Index
    """(n,) area of each run, from 0."""
    values: Bytes
    """(areas,) label of each area."""
    top: Index
    """(width,) area at each pixel of the first row, -1 for nodata."""
    bottom: Index
    """(width,) the same along the last row."""
    left: Index
    """(height,) the same along the first column."""
    right: Index
    """(height,) the same along the last column."""

    def __len__(self) -> int:
        return int(self.values.size)

    def beyond(self, seams: Sides) -> Flags:
        """Which areas (areas,) touch a side beyond which the map goes on."""
        touch = np.zeros(len(self) + 1, np.bool_)
        for side, is_seam in zip(
            (self.top, self.bottom, self.left, self.right), seams, strict=True
        ):
            if is_seam:
                touch[side] = True
        # The last flag stands for nodata, whose index is -1.
        return touch[:-1]


def encode_runs(labels: Bytes, nodata: int | None) -> RunLengths:
    """Runs of labels (height, width); ``nodata`` is the label to leave out, None for none."""
    height, width = labels.shape
    change = np.empty(labels.shape, np.bool_)
    change[:, 0] = True
    np.not_equal(labels[:, 1:], labels[:, :-1], out=change[:, 1:])
    first = np.flatnonzero(change)
    values = labels.ravel()[first]
    end = np.append(first[1:], labels.size)
    if nodata is not None:
        valid = values != nodata
        if not valid.all():
            first, end, values = first[valid], end[valid], values[valid]
    row = first // width
    offsets = np.searchsorted(first, np.arange(height + 1) * width)
    begin = row * width
    return RunLengths(
        (height, width),
        offsets,
        (first - begin).astype(np.int32),
        (end - begin).astype(np.int32),
        values,
        first,
    )


def label_components(runs: RunLengths) -> Components:
    """The areas that the runs make."""
    of_run = np.empty(runs.start.size, np.int32)
    parent = np.empty(runs.start.size, np.int32)
    count = _connect(runs.offsets, runs.start, runs.end, runs.values, parent, of_run)
    values = np.empty(count, np.uint8)
    values[of_run] = runs.values
    height, width = runs.shape
    left = np.full(height, -1, np.int32)
    right = np.full(height, -1, np.int32)
    at = np.flatnonzero(runs.start == 0)
    left[runs.first[at] // width] = of_run[at]
    at = np.flatnonzero(runs.end == width)
    right[runs.first[at] // width] = of_run[at]
    return Components(
        of_run,
        values,
        _runs_of_row(runs, of_run, 0),
        _runs_of_row(runs, of_run, height - 1),
        left,
        right,
    )


def component_sums(runs: RunLengths, areas: Components, weights: Ints | None = None) -> Ints:
    """Pixels of each area (areas,); or the sum of its pixels' ``weights`` (height,), by row."""
    length = (runs.end - runs.start).astype(np.int64)
    if weights is not None:
        length *= weights[runs.first // runs.shape[1]]
    return _sum_by_component(areas.of_run, length, np.zeros(len(areas), np.int64))


def confidence_stats(runs: RunLengths, areas: Components, confidence: Bytes) -> tuple[Ints, Bytes]:
    """Sum and minimum of the confidence (height, width) over the pixels of each area."""
    total = np.zeros(len(areas), np.int64)
    least = np.full(len(areas), 255, np.uint8)
    if not runs.start.size:
        return total, least
    # Pairs of a run's begin and end; every second result is of the gap to the next run.
    bounds = np.empty(2 * runs.first.size, np.int64)
    bounds[::2] = runs.first
    bounds[1::2] = runs.first + (runs.end - runs.start)
    if bounds[-1] == confidence.size:
        bounds = bounds[:-1]
    flat = confidence.ravel()
    run_sums = np.add.reduceat(flat, bounds, dtype=np.uint32)[::2].astype(np.int64)
    run_least = np.minimum.reduceat(flat, bounds)[::2]
    _sum_by_component(areas.of_run, run_sums, total)
    _min_by_component(areas.of_run, run_least, least)
    return total, least


def _runs_of_row(runs: RunLengths, of_run: Index, row: int) -> Index:
    chosen = slice(int(runs.offsets[row]), int(runs.offsets[row + 1]))
    side = np.full(runs.shape[1], -1, np.int32)
    for start, end, area in zip(
        runs.start[chosen].tolist(), runs.end[chosen].tolist(), of_run[chosen].tolist(), strict=True
    ):
        side[start:end] = area
    return side


@njit_cached
def _connect(  # noqa: C901, PLR0912 - two union-finds, written out
    offsets: Ints, start: Index, end: Index, values: Bytes, parent: Index, of_run: Index
) -> int:
    """Fill ``of_run``; return the number of areas. The root of an area is its first run."""
    for i in range(parent.size):
        parent[i] = i
    for row in range(1, offsets.size - 1):
        i, i_end = offsets[row - 1], offsets[row]
        j, j_end = offsets[row], offsets[row + 1]
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
            of_run[i] = count
            count += 1
        else:
            of_run[i] = of_run[parent[i]]
    return count


@njit_cached
def _sum_by_component(of_run: Index, given: Ints, total: Ints) -> Ints:
    for i in range(of_run.size):
        total[of_run[i]] += given[i]
    return total


@njit_cached
def _min_by_component(of_run: Index, given: Bytes, least: Bytes) -> None:
    for i in range(of_run.size):
        if given[i] < least[of_run[i]]:
            least[of_run[i]] = given[i]


@njit_cached
def union_pairs(one: Ints, other: Ints, root: Ints) -> None:
    """Unite ``one[k]`` with ``other[k]``; ``root`` (n,) has the first of each one's group after it.

    Before, it has the groups that are known, each 0, 1, ... its own where none is.
    """
    for k in range(one.size):
        x = one[k]
        while root[x] != x:
            root[x] = root[root[x]]
            x = root[x]
        y = other[k]
        while root[y] != y:
            root[y] = root[root[y]]
            y = root[y]
        if x < y:
            root[y] = x
        elif y < x:
            root[x] = y
    for k in range(root.size):
        root[k] = root[root[k]]
