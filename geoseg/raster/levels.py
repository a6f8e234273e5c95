"""Scenes at reduced size, on a grid whose pixels are 1, 2, 4, ... pixels of the scene."""

from dataclasses import replace
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window as RasterWindow

from geoseg.errors import SceneError, root_message
from geoseg.grid import Window
from geoseg.raster.datasets import (
    DAMAGED,
    GDAL_ERRORS,
    cached_dataset,
    drop_cached,
    gdal_env,
    raster_error,
)
from geoseg.raster.read import read_valid, read_window
from geoseg.raster.scene import Scene
from geoseg.raster.warp import dataset_name


def level_shape(scene: Scene, level: int) -> tuple[int, int]:
    """Return height and width (px) of a level: those of the scene / 2**level, rounded up."""
    return -(-scene.height // 2**level), -(-scene.width // 2**level)


def level_affine(scene: Scene, level: int) -> Affine:
    """Return the transform of a level: from its pixels (col, row) to CRS units."""
    return scene.affine @ Affine.scale(2**level)


def read_level(scene: Scene, level: int, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read a window of a level of a scene: the nearest pixels, from overviews if it has them.

    Law: pixel (row, col) of level n is the stored pixel at row * 2**n + 2**n // 2 and
    col * 2**n + 2**n // 2, or the last one of the row or column if that is beyond the end of the
    file. If the file has an overview that is reduced by 2**m, m at most n, the rule applies to the
    pixels of the overview, with n - m in place of n. So all scenes of one size show the same place
    at the same row and column.

    Args:
        scene: a file or stack, which may be warped.
        level: 0 is full size, and each further level has half as many rows and columns.
        window: pixels of the level, all inside of `level_shape`.

    Returns:
        Pixels (bands, height, width) and valid (height, width), as `read_window` returns them.

    Raises:
        SceneError: if the pixels cannot be read, or are not all inside the level.
    """
    shape = level_shape(scene, level)
    if level == 0:
        return read_window(scene, window)
    if window.intersection(Window(0, 0, *shape)) != window:
        raise SceneError(f"{window} of level {level} is outside of {scene.path}")
    if scene.layers or scene.resized_from is not None:
        raise SceneError(f"{scene.path} is made of other scenes, so it has no levels, open a file")
    if scene.warped is not None:  # onto a grid whose pixel centres are those of the law
        affine = scene.affine @ Affine.translation(0.5, 0.5) @ Affine.scale(2**level)
        transform = tuple(affine)[:6]
        return read_window(
            replace(scene, height=shape[0], width=shape[1], transform=transform), window
        )
    try:
        with gdal_env():
            return _read_file(scene, level, window)
    except GDAL_ERRORS as error:
        drop_cached(scene.files)
        message = f"cannot read {scene.path} at {window} of level {level} ({root_message(error)})"
        raise raster_error(scene.files[0], message, DAMAGED) from None


def _read_file(scene: Scene, level: int, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read a window of a level of a file or stack that is not warped."""
    dataset, reduced = _open_for_level(scene, level)
    height, width = level_shape(scene, reduced)
    factor = 2 ** (level - reduced)
    bands = len(scene.bands)
    pixels = np.empty((bands, window.height, window.width), scene.dtype)
    valid = np.empty((window.height, window.width), bool)
    for row, rows, row_count, to_row in _pieces(window.row, window.height, factor, height):
        for col, cols, col_count, to_col in _pieces(window.col, window.width, factor, width):
            target = slice(to_row, to_row + row_count), slice(to_col, to_col + col_count)
            source = RasterWindow(col, row, cols, rows)
            shape = row_count, col_count
            pixels[:, *target], valid[target] = read_valid(dataset, scene, source, shape=shape)
    return pixels, valid


def _open_for_level(scene: Scene, level: int) -> tuple[rasterio.DatasetReader, int]:
    """Open the smallest overview that is not smaller than a level; return it and its own level.

    If the file has no such overview, return the dataset at full size, and 0.
    """
    name, versions = dataset_name(scene), scene.versions()
    full = cached_dataset(name, versions)
    factors = [] if scene.stack else full.overviews(scene.bands[0])
    for reduced in range(level, 0, -1):
        if 2**reduced in factors:
            number = factors.index(2**reduced)
            overview = cached_dataset(name, versions, overview=number)
            if overview.shape == level_shape(scene, reduced):  # some programs round down
                return overview, reduced
    return full, 0


def _pieces(first: int, count: int, factor: int, length: int) -> list[tuple[int, int, int, int]]:
    """Divide an axis into parts that GDAL reduces exactly by a factor.

    Args:
        first: first pixel of the level.
        count: pixels of the level.
        factor: pixels of the source for each pixel of the level.
        length: pixels of the source.

    Returns:
        For each part: first pixel of the source, number of pixels of the source, number of pixels
        of the level, and first pixel of the level, counted from ``first``. The last pixel of a
        level is a part of its own if it has fewer pixels of the source than the others.
    """
    whole = min(count, length // factor - first)
    pieces = [(first * factor, whole * factor, whole, 0)] if whole > 0 else []
    if whole < count:
        last = min((first + count - 1) * factor + factor // 2, length - 1)
        pieces.append((last, 1, 1, count - 1))
    return pieces
