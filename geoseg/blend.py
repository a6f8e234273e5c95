"""Blend overlapping window scores into one score per pixel.

`blend` adds window by window. It uses only indexing and arithmetic, so it takes NumPy arrays and
torch tensors. `blend_batches` adds many windows at a time, which suits a GPU, with the same bits.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from geoseg.grid import Window

Taper = Literal["hann", "linear", "crop", "none"]
TAPERS: tuple[Taper, ...] = get_args(Taper)

_CROP = 1e-6
"""Weight of the cropped rim: negligible next to full weight, but not zero at the scene's edge."""

Array = Any
"""A NumPy array or a torch tensor; all arrays of a call have the same kind."""


def taper_profile(kind: Taper, size: int, overlap: int) -> NDArray[np.float64]:
    """Return the weights along one axis of a window, (size,), symmetric and all above zero.

    They are 1 outside the overlap and fall over the overlap, sampled at pixel centres: as a line
    ("linear"), as a raised cosine ("hann"), to nearly 0 at half the overlap ("crop"), or not at all
    ("none"). If the overlap is half the window, "hann" is the Hann window.

    Args:
        kind: shape of the taper.
        size: side of a window (px).
        overlap: overlap of neighbouring windows (px).
    """
    if kind == "none" or overlap == 0:
        return np.ones(size)
    centre = np.arange(size) + 0.5
    ramp = np.minimum(1, np.minimum(centre, size - centre) / overlap)
    if kind == "linear":
        return np.asarray(ramp)
    if kind == "hann":
        return np.asarray(np.sin(np.pi / 2 * ramp) ** 2)
    return np.where(ramp > 0.5, 1.0, _CROP)


def weight_sums(
    firsts: Sequence[int], weights: NDArray[np.float64], begin: int, end: int
) -> NDArray[np.float64]:
    """Sum the weights of all windows of an axis at the pixels [begin, end), (end - begin,).

    Args:
        firsts: first pixels of the windows; every pixel must lie in one.
        weights: (size,), see `taper_profile`.
        begin: first pixel.
        end: pixel after the last.
    """
    total = np.zeros(end - begin)
    for first in firsts:
        lower, upper = max(first, begin), min(first + len(weights), end)
        if lower < upper:
            total[lower - begin : upper - begin] += weights[lower - first : upper - first]
    return total


def blend(
    scores: Iterable[tuple[Window, Array]],
    window: Window,
    weights: Array,
    zeros: Callable[[tuple[int, ...]], Array],
    classes: int,
) -> Array:
    """Return the weighted sum of window scores over the pixels of ``window``, usually a chunk.

    Every pixel sums the scores in their order. In the order of a `WindowGrid`, the sums do not
    depend on ``window``. Divided by the summed weights (the product of `weight_sums` of both axes),
    a constant stays constant and equal scores stay equal, also at the edge of the scene.

    Args:
        scores: windows that share a pixel with ``window``, with (classes, size, size) scores.
        window: the pixels of the result.
        weights: (size, size).
        zeros: makes an array of zeros of the kind of the scores.
        classes: number of classes.

    Returns:
        (classes, window.height, window.width).

    Raises:
        ValueError: if a window of the scores does not share a pixel with ``window``.
    """
    total = zeros((classes, window.height, window.width))
    for score_window, score in scores:
        shared = score_window.intersection(window)
        if shared is None:
            raise ValueError(f"{score_window} does not touch {window}")
        in_total, in_score = shared.relative_to(window), shared.relative_to(score_window)
        total[:, *in_total] += score[:, *in_score] * weights[in_score]
    return total


def blend_batches(
    batches: Iterable[Array],
    windows: Sequence[Window],
    window: Window,
    zeros: Callable[[tuple[int, ...]], Array],
    classes: int,
) -> Array:
    """Blend batches of weighted scores. The result is that of `blend`, from fewer additions.

    A series of windows is cut into vertical strips as wide as their distance. The n-th strips of
    all windows of a series share no pixel, so one addition takes them all. The last strips come
    first: then every pixel sums its windows from left to right, as in `blend`, with the same bits.

    Args:
        batches: torch tensors (n, classes, size, size) of n windows, multiplied by their weights.
        windows: the windows of all batches, in order; they share a pixel with ``window``.
        window: the pixels of the result.
        zeros: makes a tensor of zeros of the kind of the scores.
        classes: number of classes.

    Returns:
        (classes, window.height, window.width).

    Raises:
        ValueError: if one of the windows does not share a pixel with ``window``.
    """
    total = zeros((classes, window.height, window.width))
    done = 0
    for batch in batches:
        for first, end, step in _series(windows[done : done + len(batch)], window):
            leader = windows[done + first]
            shared = leader.intersection(window) or leader
            rows, cols = shared.relative_to(window)
            in_score = shared.relative_to(leader)
            scores = batch[first:end, :, *in_score].permute(1, 2, 0, 3)
            width = scores.shape[-1]
            for offset in reversed(range(0, width, step)):
                strip = min(step, width - offset)
                begin = cols.start + offset
                span = (end - first - 1) * step + strip
                sums = total[:, rows, begin : begin + span].unfold(2, strip, step)
                sums += scores[..., offset : offset + strip]
        done += len(batch)
    return total


def _series(windows: Sequence[Window], window: Window) -> Iterator[tuple[int, int, int]]:
    """Split windows into series, as long as possible: first, end, distance of neighbours (px).

    The windows of a series lie in one row at equal distances, inside of the columns of ``window``.
    A window that reaches beyond them, or that has no such neighbour, is a series by itself.
    """
    first = 0
    while first < len(windows):
        leader, end = windows[first], first + 1
        step = windows[end].col - leader.col if end < len(windows) else 0
        inside = step > 0 and leader.col >= window.col
        while inside and end < len(windows):
            left, right = windows[end - 1 : end + 1]
            if (right.row, right.col) != (left.row, left.col + step):
                break
            if right.col_end > window.col_end:
                break
            end += 1
        yield first, end, step if end > first + 1 else leader.width
        first = end
