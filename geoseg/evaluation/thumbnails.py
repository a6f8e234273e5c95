"""Map, reference and image at reduced size, for the pictures of the report."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import GeosegError
from geoseg.raster import (
    Scene,
    open_scene,
    percentile_stretch,
    read_overview,
    rgb_bands,
    same_grid,
    warped_to,
)

_MAX_SIZE = 720
"""Largest side of a thumbnail (px)."""


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnails:
    """The map and what it is compared with, at reduced size."""

    mapped: NDArray[np.uint8]
    """(rows, cols) class values, 255 for nodata."""
    reference: NDArray[np.uint8] | None = None
    """(rows, cols) class values, 255 for nodata; None for a reference of points."""
    image: NDArray[np.uint8] | None = None
    """(rows, cols, 3) red, green and blue, of about the same shape."""
    points: NDArray[np.float64] | None = None
    """(n, 4): row and column as shares of the sides of the map, class in map and reference."""


def thumbnail_step(scene: Scene) -> int:
    """Return n for thumbnails that have the middle one of each n pixels of a map."""
    return -(-max(scene.height, scene.width) // _MAX_SIZE)


def image_thumbnail(image: str | Path | None, labels: str, grid: Scene) -> NDArray[np.uint8] | None:
    """Read the image that is shown beside a map.

    Args:
        image: path of the image; None for the scene that the report of the map (its .json) names,
            if that scene can still be read.
        labels: path of the map.
        grid: the grid of the map.

    Returns:
        (rows, cols, 3) red, green and blue; None without an image.

    Raises:
        SceneError: if ``image`` cannot be read.
    """
    if image is not None:
        return _read_image(str(image), grid)
    try:
        report = json.loads(Path(labels).with_suffix(".json").read_text())
        return _read_image(report["scene"]["path"], grid)
    except (OSError, ValueError, LookupError, TypeError, GeosegError):
        return None


def _read_image(path: str, grid: Scene) -> NDArray[np.uint8]:
    scene = open_scene(path)
    if scene.crs and grid.crs and not same_grid(scene, grid):
        scene = warped_to(scene, grid)
    rgb = scene.with_bands(tuple(scene.bands[index - 1] for index in rgb_bands(scene.band_names)))
    side = -(-max(grid.height, grid.width) // thumbnail_step(grid))
    pixels, valid = read_overview(rgb, side)
    colors = percentile_stretch(pixels, valid)
    colors[~valid] = 255
    return colors
