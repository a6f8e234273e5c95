"""Blend overlapping window scores into one score per pixel.

The functions use only indexing and arithmetic, so they take NumPy arrays and torch tensors on any
device.
"""

from collections.abc import Callable, Iterable, Sequence
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
