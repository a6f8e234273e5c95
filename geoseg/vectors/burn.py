"""Burn geometries onto the pixels of a scene."""

from typing import Any

import numpy as np
import rasterio.features
import shapely
from affine import Affine
from numpy.typing import NDArray

from geoseg.geodesy import apply_affine
from geoseg.grid import Window
from geoseg.raster import Scene


def burn(
    geometries: NDArray[Any], values: NDArray[np.uint8], scene: Scene, window: Window, outside: int
) -> NDArray[np.uint8]:
    """Return the values of geometries at the pixels (height, width) of a window of a scene.

    A polygon covers the pixels whose centre lies in it, a line the pixels that it crosses, a point
    the pixel in which it lies. Where geometries overlap, the later one counts.

    Law: a pixel has the same value in every window. So coordinates become rows and columns of the
    scene first: to subtract the whole numbers of a window from these does not round.

    Args:
        geometries: (n,) shapely geometries in the CRS of the scene.
        values: (n,) value of each.
        scene: on whose grid the window lies.
        window: the pixels.
        outside: value of pixels that no geometry covers, 0 to 255.
    """
    to_pixels = ~scene.affine

    def to_window(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
        cols, rows = apply_affine(to_pixels, x, y)
        return cols - window.col, rows - window.row

    shape = window.height, window.width
    if not len(geometries):
        return np.full(shape, outside, np.uint8)
    in_window = shapely.transform(geometries, to_window, interleaved=False)
    burnt: NDArray[np.uint8] = rasterio.features.rasterize(
        zip(in_window, values.tolist(), strict=True),
        shape, fill=outside, transform=Affine.identity(), dtype="uint8",
    )  # fmt: skip
    return burnt
