"""Resample to pixels of another size; the value of a pixel does not depend on the window read."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class LinearFilter:
    """The weights of a linear (triangle) filter along one axis.

    An axis of ``length`` pixels is computed from one of ``inner`` pixels over the same extent. The
    filter reaches as far as the larger of both pixel sizes: it interpolates to smaller pixels, and
    averages to larger ones without aliasing.
    """

    def __init__(self, begin: int, end: int, length: int, inner: int) -> None:
        """Compute the weights of the pixels from ``begin`` to before ``end``."""
        index = np.arange(begin, end)
        ratio = inner / length
        reach = max(1.0, ratio)
        centres = (index + 0.5) * ratio - 0.5
        starts = np.ceil(centres - reach).astype(np.int64)
        taps = starts + np.arange(int(2 * reach) + 2)[:, None]
        weights = np.maximum(0, 1 - np.abs(taps - centres) / reach)
        weights[(taps < 0) | (taps >= inner)] = 0
        taps = taps.clip(0, inner - 1)
        self.first = int(taps.min())
        """First inner pixel that is needed."""
        self.end = int(taps.max()) + 1
        """End of the inner pixels that are needed."""
        self.taps = taps - self.first
        """(taps, pixels): inner pixels of each pixel, counted from `first`."""
        self.weights = weights / weights.sum(axis=0)
        """(taps, pixels): their weights, with a sum of 1."""
        # In integers, so that a pixel that is only touched does not count.
        self.covered = (taps * length < (index + 1) * inner) & ((taps + 1) * length > index * inner)
        """(taps, pixels): whether a pixel covers a part of the inner pixel."""


def resample(
    pixels: NDArray[Any], valid: NDArray[np.bool_], rows: LinearFilter, cols: LinearFilter
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Compute pixels of another size: the weighted mean of the valid pixels around each.

    The terms of each pixel are added in a fixed order, so that its value does not depend on which
    others are computed with it.

    Args:
        pixels: (bands, height, width), from the first to the end of both filters.
        valid: (height, width).
        rows: filter of the rows.
        cols: filter of the columns.

    Returns:
        Pixels in the same dtype, integers rounded; and valid, True where a pixel covers a part of
        a valid one.
    """
    exact = np.result_type(pixels.dtype, np.float32)
    share = _filter(_filter(valid.astype(exact), rows, 0), cols, 1)
    covers = _any_covered(_any_covered(valid, rows, 0), cols, 1)
    means = np.zeros((len(pixels), *covers.shape), pixels.dtype)
    for band, mean in zip(pixels, means, strict=True):  # one at a time, to save memory
        total = _filter(_filter(np.where(valid, band, 0).astype(exact), rows, 0), cols, 1)
        values = np.divide(total, share, out=np.zeros_like(total), where=covers)
        mean[:] = np.rint(values) if np.issubdtype(pixels.dtype, np.integer) else values
    return means, covers


def _filter(values: NDArray[Any], axis_filter: LinearFilter, axis: int) -> NDArray[Any]:
    """Return the weighted sums along an axis of (height, width)."""
    shape = (-1, 1) if axis == 0 else (-1,)
    total: NDArray[Any] | None = None
    for taps, weights in zip(axis_filter.taps, axis_filter.weights, strict=True):
        term = values.take(taps, axis=axis) * weights.astype(values.dtype).reshape(shape)
        total = term if total is None else total + term
    assert total is not None  # noqa: S101 - a filter has at least three taps
    return total


def _any_covered(valid: NDArray[np.bool_], axis_filter: LinearFilter, axis: int) -> NDArray[Any]:
    """Return whether each pixel covers a part of a valid one, along an axis of (height, width)."""
    shape = (-1, 1) if axis == 0 else (-1,)
    covers = np.zeros(1, bool)
    for taps, covered in zip(axis_filter.taps, axis_filter.covered, strict=True):
        covers = covers | (valid.take(taps, axis=axis) & covered.reshape(shape))
    return covers
