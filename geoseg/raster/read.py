"""Read the pixels of a scene, window by window, with their valid mask."""

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window as RasterWindow

from geoseg.errors import SceneError, root_message
from geoseg.grid import CHUNK_BLOCK, Window, chunks
from geoseg.raster.datasets import (
    DAMAGED,
    GDAL_ERRORS,
    cached_dataset,
    drop_cached,
    gdal_env,
    has_own_mask,
    is_masked,
    opened,
    raster_error,
)
from geoseg.raster.resample import LinearFilter, resample
from geoseg.raster.scene import Scene
from geoseg.raster.stack import bands_at, has_data, warp_groups
from geoseg.raster.warp import dataset_name, read_on_grid

_RESAMPLED = 2048
"""Most pixels along an axis that are resampled at a time, of the input or of the result."""

WindowReader = Callable[[Scene, Window], tuple[NDArray[Any], NDArray[np.bool_]]]
"""Reads a window of a scene: pixels and valid, see `read_window`."""


def read_window(
    scene: Scene, window: Window, read_file: WindowReader | None = None
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read a window of a scene.

    Law: the pixels do not depend on the window. What GDAL resamples is therefore read in blocks
    of a fixed lattice.

    Args:
        scene: the scene.
        window: pixels of the scene.
        read_file: reads a window of a file or stack in place of GDAL; None for GDAL.

    Returns:
        Pixels (bands, height, width) in the scene's dtype, and valid (height, width), True where
        the pixel has data: not transparent, finite in all bands and not masked or nodata in all
        (of a stack: not nodata in all bands of one file).

    Raises:
        SceneError: if the pixels cannot be read, or are not all inside the scene.
    """
    if window.intersection(scene.window) != window:
        raise SceneError(f"{window} is outside of {scene.path}")
    if scene.layers:
        return _read_layers(scene, window, read_file)
    if scene.resized_from is not None:
        return _read_resized(scene, scene.resized_from, window, read_file)
    if read_file is not None:
        return read_file(scene, window)
    if not scene.gdal_resamples:
        return _read_file(scene, window)
    return _read_aligned(scene, window)


def window_to_read(scene: Scene, window: Window) -> Window:
    """Return the pixels that a window of a scene is computed from, before cropping and rescaling.

    Args:
        scene: a scene, or a part of it, perhaps resized; not a mosaic.
        window: pixels of the scene.
    """
    if scene.layers:
        [layer] = scene.layers
        moved = Window(window.row - layer.row, window.col - layer.col, window.height, window.width)
        return window_to_read(layer.scene, moved)
    if scene.resized_from is not None:
        return window_to_read(scene.resized_from, _filters(scene, scene.resized_from, window)[2])
    return window


def _filters(
    scene: Scene, inner: Scene, window: Window
) -> tuple[LinearFilter, LinearFilter, Window]:
    """Return the filters of rows and columns of a resized window, and the pixels they need."""
    rows = LinearFilter(window.row, window.row_end, scene.height, inner.height)
    cols = LinearFilter(window.col, window.col_end, scene.width, inner.width)
    return (
        rows, cols,
        Window(rows.first, cols.first, rows.end - rows.first, cols.end - cols.first),
    )  # fmt: skip


def _read_layers(
    scene: Scene, window: Window, read_file: WindowReader | None
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read a mosaic: each pixel is that of the first layer which has data there."""
    pixels = np.zeros((len(scene.bands), window.height, window.width), scene.dtype)
    valid = np.zeros((window.height, window.width), bool)
    for layer in scene.layers:
        row, col = max(0, layer.row - window.row), max(0, layer.col - window.col)
        row_end = min(window.height, layer.row + layer.scene.height - window.row)
        col_end = min(window.width, layer.col + layer.scene.width - window.col)
        if row_end <= row or col_end <= col or valid[row:row_end, col:col_end].all():
            continue
        inner = Window(
            window.row + row - layer.row, window.col + col - layer.col, row_end - row, col_end - col
        )
        layer_pixels, layer_valid = read_window(layer.scene, inner, read_file)
        seen = valid[row:row_end, col:col_end]
        visible = layer_valid & ~seen
        np.copyto(pixels[:, row:row_end, col:col_end], layer_pixels, where=visible)
        seen |= visible
    return pixels, valid


def _read_resized(
    scene: Scene, inner: Scene, window: Window, read_file: WindowReader | None
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Resample a window from a scene with pixels of another size, in parts to save memory."""
    pixels = np.empty((len(scene.bands), window.height, window.width), scene.dtype)
    valid = np.empty((window.height, window.width), bool)
    for first_row, end_row in _parts(window.row, window.row_end, scene.height, inner.height):
        for first_col, end_col in _parts(window.col, window.col_end, scene.width, inner.width):
            part = Window(first_row, first_col, end_row - first_row, end_col - first_col)
            rows, cols, support = _filters(scene, inner, part)
            target = part.relative_to(window)
            pixels[:, *target], valid[target] = resample(
                *read_window(inner, support, read_file), rows, cols
            )
    return pixels, valid


def _parts(begin: int, end: int, length: int, inner: int) -> list[tuple[int, int]]:
    """Divide pixels of one axis into parts of about the same size; return their begins and ends.

    A part has at most about `_RESAMPLED` pixels, and is computed from at most about as many.
    """
    size = end - begin
    number = min(size, math.ceil(size * max(1.0, inner / length) / _RESAMPLED))
    ends = [begin + size * part // number for part in range(number + 1)]
    return list(pairwise(ends))


def _read_aligned(scene: Scene, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read all blocks of a lattice that a window touches, and cut the window out of them."""
    pixels = np.empty((len(scene.bands), window.height, window.width), scene.dtype)
    valid = np.empty((window.height, window.width), bool)
    for block in chunks(scene.height, scene.width, CHUNK_BLOCK, window):
        shared = block.intersection(window)
        if shared is not None:
            block_pixels, block_valid = _read_file(scene, block)
            source, target = shared.relative_to(block), shared.relative_to(window)
            pixels[:, *target], valid[target] = block_pixels[:, *source], block_valid[source]
    return pixels, valid


def _read_file(scene: Scene, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read a window of a file or stack; bands that cannot be warped together are read in groups."""
    groups = warp_groups(scene) if scene.warped is not None else []
    if len(groups) < 2:
        return _read_dataset(scene, window)
    pixels = np.empty((len(scene.bands), window.height, window.width), scene.dtype)
    valid = np.ones((window.height, window.width), bool)
    for positions in groups:
        pixels[positions], group_valid = _read_dataset(bands_at(scene, positions), window)
        valid &= group_valid
    return pixels, valid


def _read_dataset(scene: Scene, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    try:
        with gdal_env():
            dataset = cached_dataset(dataset_name(scene), scene.versions())
            part = RasterWindow.from_slices(*window.slices)
            return read_on_grid(dataset, scene, lambda source: read_valid(source, scene, part))
    except GDAL_ERRORS as error:
        drop_cached(scene.files)
        message = f"cannot read {scene.path} at {window} ({root_message(error)})"
        raise raster_error(scene.files[0], message, DAMAGED) from None


def pad_reflect(
    pixels: NDArray[Any], window: Window, *, above: int = 0, left: int = 0
) -> NDArray[Any]:
    """Continue pixels (bands, height, width) by reflection to the size of a window.

    Args:
        pixels: part of the window.
        window: gives the size of the result.
        above: rows of the window above the pixels.
        left: columns of the window on the left of the pixels.
    """
    below, right = window.height - above - pixels.shape[1], window.width - left - pixels.shape[2]
    if not (above or below or left or right):
        return pixels
    return np.pad(pixels, ((0, 0), (above, below), (left, right)), mode="reflect")


def read_valid(
    dataset: rasterio.DatasetReader,
    scene: Scene,
    rio_window: RasterWindow | None = None,
    *,
    shape: tuple[int, int] | None = None,
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read the bands of a scene from its open file, with their valid mask, see `read_window`.

    Args:
        dataset: the open file.
        scene: gives bands, dtype and nodata value.
        rio_window: pixels to read; None for all.
        shape: height and width (px) of the result; None to read at full size.
    """
    # The VRT of a stack has only the bands to read.
    bands = tuple(range(1, len(scene.bands) + 1)) if scene.stack else scene.bands
    dtypes = dataset.dtypes
    if len({dtypes[band - 1] for band in bands}) == 1:
        out_shape = shape and (len(bands), *shape)
        pixels = dataset.read(
            list(bands), window=rio_window, out_dtype=scene.dtype, out_shape=out_shape
        )
    else:  # which rasterio refuses to read together
        pixels = np.stack(
            [
                dataset.read(b, window=rio_window, out_dtype=scene.dtype, out_shape=shape)
                for b in bands
            ]
        )
    valid = np.ones(pixels.shape[1:], bool)
    all_flags = dataset.mask_flag_enums
    flags = [all_flags[band - 1] for band in bands]
    if any(has_own_mask(own) for own in flags):
        # As for nodata: invalid is what is masked in all bands. One of them is read at a time.
        seen = np.zeros_like(valid)
        for band in bands:
            seen |= dataset.read_masks(band, window=rio_window, out_shape=shape) > 0
        valid &= seen
    elif is_masked(flags[0]):
        valid &= dataset.read_masks(bands[0], window=rio_window, out_shape=shape) > 0
    # GDAL's own mask ignores alpha bands if the file has a nodata value.
    for band, color in enumerate(dataset.colorinterp, 1):
        if color == ColorInterp.alpha and band not in bands:
            valid &= dataset.read(band, window=rio_window, out_shape=shape) > 0
    if scene.stack:
        return pixels, valid & has_data(scene, pixels)
    return pixels, valid & has_values(scene, pixels)


def has_values(scene: Scene, pixels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where pixels of a scene are finite in all bands and not nodata in all.

    Args:
        scene: gives the nodata value.
        pixels: (bands, height, width).

    Returns:
        (height, width).
    """
    valid = np.ones(pixels.shape[1:], bool)
    if scene.nodata is not None and not math.isnan(scene.nodata):
        valid &= (pixels != scene.nodata).any(axis=0)
    if np.issubdtype(pixels.dtype, np.floating):
        valid &= np.isfinite(pixels).all(axis=0)
    return valid


def read_whole(path: str | Path) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read a small raster at once, all bands as they are.

    Returns:
        Pixels (bands, height, width) and valid (height, width), False where a mask hides them.

    Raises:
        SceneError: if it cannot be read.
    """
    with opened(str(path)) as dataset:
        pixels = dataset.read()
        flags = dataset.mask_flag_enums
        if any(has_own_mask(own) for own in flags):
            return pixels, (dataset.read_masks() > 0).any(axis=0)
        masked = MaskFlags.per_dataset in flags[0]
        return pixels, dataset.read_masks(1) > 0 if masked else np.ones(pixels.shape[1:], bool)


def read_palette(path: str | Path) -> dict[int, str]:
    """Read the colour table of a raster's first band: value to #rrggbb; empty if it has none.

    Raises:
        SceneError: if the raster cannot be opened.
    """
    with opened(str(path)) as dataset:
        try:
            table = dataset.colormap(1)
        except ValueError:
            return {}
    return {value: "#{:02x}{:02x}{:02x}".format(*color[:3]) for value, color in table.items()}
