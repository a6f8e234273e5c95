"""Scenes to look at: at reduced size, in three colours or in grey."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import SceneError, root_message
from geoseg.raster.datasets import GDAL_ERRORS, opened
from geoseg.raster.scene import Scene, read_valid
from geoseg.raster.warp import as_warped


def read_overview(scene: Scene, longest: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read a whole scene at reduced size: the nearest pixels, from overviews where there are any.

    Args:
        scene: what to read.
        longest: most pixels of the longer side; a smaller scene is read as it is.

    Returns:
        Pixels (bands, height, width) in the scene's dtype, and valid (height, width), True where
        the pixel has data, as `read` has it.

    Raises:
        SceneError: if the pixels cannot be read.
    """
    factor = max(1.0, max(scene.height, scene.width) / longest)
    shape = max(1, round(scene.height / factor)), max(1, round(scene.width / factor))
    with opened(scene.path) as dataset, as_warped(dataset, scene) as source:
        try:
            return read_valid(source, scene, shape=shape)
        except GDAL_ERRORS as error:
            raise SceneError(
                f"cannot read {scene.path} ({root_message(error)}), the file may be truncated or "
                "damaged"
            ) from None


def rgb_bands(names: Sequence[str]) -> tuple[int, ...]:
    """Which bands to look at: those named red, green and blue, else the first three, or the first.

    Args:
        names: of the bands, lower case, "" for none.

    Returns:
        Their places, from 1.
    """
    if {"red", "green", "blue"} <= set(names):
        return tuple(names.index(color) + 1 for color in ("red", "green", "blue"))
    return (1, 2, 3) if len(names) >= 3 else (1,)


def percentile_stretch(pixels: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Bands to greys 0..255, each from 2 to 98 % of its valid pixels.

    Pixels that are 0 in all bands are drawn but not counted: often a frame without data, of which
    the file says nothing.

    Args:
        pixels: (bands, height, width); one band gives greys.
        valid: (height, width), True where a pixel has data.

    Returns:
        (height, width, 3).
    """
    greys = []
    counted = valid & (pixels != 0).any(axis=0)
    for band in pixels:
        known = band[counted]
        low, high = np.percentile(known, (2, 98)) if known.size else (0.0, 1.0)
        span = high - low if high > low else 1.0
        filled = np.where(valid, band, low).astype(np.float64)
        greys.append(np.clip((filled - low) / span * 255, 0, 255).astype(np.uint8))
    return np.stack(greys if len(greys) == 3 else greys[:1] * 3, axis=-1)
