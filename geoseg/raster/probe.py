"""A sample of a scene's pixels, and warnings about what its metadata do not say."""

import math
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import SceneError, redact
from geoseg.grid import Window
from geoseg.raster.read import WindowReader, read_window
from geoseg.raster.scene import Scene

_WINDOWS = 3
"""Largest number of windows of the sample along each axis."""
_SIDE = 256
"""Side of a window of the sample (px)."""
_BANDS = 32
"""Number of bands up to which the sample has all pixels of its windows: at most 151 MB."""
_DATA_SHARE = 0.2
"""Share of an alpha band that is neither transparent nor opaque, above which it is likely data."""
_FILL_SHARE = 0.1
"""Share of the valid pixels with one value in all bands, above which it is likely no data."""


def probe_pixels(scene: Scene, read: WindowReader = read_window) -> NDArray[np.float64]:
    """Read the valid pixels (bands, n) of a grid of small windows; n is 0 if none is valid.

    Of a scene with many bands, every second, third, ... of them, so that memory is bounded.

    The sample ends before a window that cannot be read: the caller that needs its pixels says why.

    Args:
        scene: the scene.
        read: reads a window of it, as `read_window` does.
    """
    pixels_by_window = [np.empty((len(scene.bands), 0))]
    height, width = min(_SIDE, scene.height), min(_SIDE, scene.width)
    step = math.ceil(len(scene.bands) / _BANDS)
    with suppress(SceneError):
        for row in _window_starts(scene.height):
            for col in _window_starts(scene.width):
                pixels, valid = read(scene, Window(row, col, height, width))
                pixels_by_window.append(pixels[:, valid][:, ::step].astype(np.float64))
    return np.concatenate(pixels_by_window, axis=1)


def pixel_warnings(scene: Scene, sample: NDArray[np.float64]) -> list[str]:
    """Return a warning, with its remedy, for each fact that the metadata probably state wrongly.

    Args:
        scene: the scene.
        sample: its valid pixels (bands, n), see `probe_pixels`.
    """
    path = redact(scene.path)
    sentences = []
    for band in scene.unread_alphas:
        alpha = probe_pixels(scene.with_bands((band,)))
        share = float(np.mean((alpha != 0) & (alpha != alpha.max()))) if alpha.size else 0.0
        if share > _DATA_SHARE:
            numbers = ",".join(map(str, (*scene.bands, band)))
            sentences.append(
                f"band {band} of {path} is tagged as transparency (alpha), but {share:.0%} of its "
                "values are neither transparent nor opaque: if it holds data, read it with "
                f"bands=({numbers}) (--bands {numbers}), or, to read only the other bands, tag it "
                f"as undefined (gdal_translate -colorinterp_{band} undefined)"
            )
    value, share = _common_fill(sample)
    if share > _FILL_SHARE:
        bands = "all bands" if len(sample) > 1 else "their band"
        instead = "" if scene.nodata is None else f" in place of {_number(scene.nodata)}"
        number = _number(value)
        sentences.append(
            f"{share:.0%} of the sampled pixels of {path} have the value {number} in {bands}: if "
            f"this value means no data, set nodata={number} (--nodata {number}){instead}"
        )
    return sentences


def _window_starts(length: int) -> list[int]:
    """First pixels of the windows along one axis, which overlap only in a short one."""
    number = min(_WINDOWS, -(-length // _SIDE))
    return [int(first) for first in np.linspace(0, max(0, length - _SIDE), number)]


def _number(value: float) -> str:
    """Return a number with all its digits, a whole number without a decimal point."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _common_fill(sample: NDArray[np.float64]) -> tuple[float, float]:
    """Return the smallest or largest value, and the share of pixels that have it in all bands.

    Fill values are nearly always an extreme: 0, 255, -9999.
    """
    if not sample.size:
        return 0.0, 0.0
    extremes = float(sample.min()), float(sample.max())
    pairs = [(value, float((sample == value).all(axis=0).mean())) for value in extremes]
    return max(pairs, key=lambda pair: pair[1])
