"""Overlapping window scores to one score per pixel.

Arrays in, arrays out: the functions use only indexing and arithmetic, so NumPy arrays and torch
tensors on any device both serve.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from geoseg.grid import Window

Taper = Literal["hann", "linear", "crop", "none"]
TAPERS: tuple[Taper, ...] = ("hann", "linear", "crop", "none")

_CROP = 1e-6
"""Weight of cropped rims: too small to matter beside a core, enough where there is no core."""

Array = Any
"""A NumPy array or a torch tensor; all arrays of one call are of one kind."""


def taper_profile(kind: Taper, size: int, overlap: int) -> NDArray[np.float64]:
    """Weights along one axis of a window, (size,), symmetric and all above zero.

    Flat over the part that no neighbour reaches, falling over the overlap, sampled at pixel
    centres: "linear"; "hann", a raised cosine; "crop", to nearly nothing at half the overlap;
    "none", flat. At an overlap of half the window "hann" is the Hann window.
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
    """Sum of the weights of all windows of an axis at the pixels [begin, end), (end - begin,).

    Windows start at ``firsts``; every pixel must lie in one.
    """
    total = np.zeros(end - begin)
    for first in firsts:
        lower, upper = max(first, begin), min(first + len(weights), end)
        if lower < upper:
            total[lower - begin : upper - begin] += weights[lower - first : upper - first]
    return total


def blend(
    scores: Iterable[tuple[Window, Array]],
    area: Window,
    weights: Array,
    zeros: Callable[[tuple[int, ...]], Array],
    classes: int,
) -> Array:
    """Weighted sum of window scores over an area.

    Each pixel sums the windows in the order given, so with lattice order the sums do not depend on
    the area. Divided by the summed weights (`weight_sums` of both axes, multiplied), a constant
    stays constant and equal scores stay equal, at the scene's rim too.

    Args:
        scores: windows, each touching the area, with (classes, size, size) scores.
        area: pixels wanted.
        weights: (size, size) weight of each pixel of a window.
        zeros: makes an array of zeros of the kind of the scores.
        classes: number of classes.

    Returns:
        (classes, area.height, area.width).
    """
    total = zeros((classes, area.height, area.width))
    for window, score in scores:
        inside = window.intersection(area)
        if inside is None:
            raise ValueError(f"{window} does not touch {area}")
        here, there = inside.relative_to(area), inside.relative_to(window)
        total[:, *here] += score[:, *there] * weights[there]
    return total
