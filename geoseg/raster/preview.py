"""Scenes at reduced size, in three colours or in grey; and pictures encoded as PNG or JPEG."""

import struct
import warnings
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from geoseg.grid import CHUNK_BLOCK, chunks
from geoseg.raster.datasets import opened
from geoseg.raster.read import read_valid, read_window
from geoseg.raster.scene import Scene
from geoseg.raster.stack import warp_groups
from geoseg.raster.warp import dataset_name, read_on_grid

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGBA = 6
"""Colour type of PNG."""


def read_overview(scene: Scene, longest: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read a whole scene at reduced size: the nearest pixels, from overviews if it has them.

    Args:
        scene: the scene.
        longest: largest number of pixels of the longer side; a smaller scene is not reduced.

    Returns:
        Pixels (bands, height, width) and valid (height, width), as `read_window` returns them.

    Raises:
        SceneError: if the pixels cannot be read.
    """
    factor = max(1.0, max(scene.height, scene.width) / longest)
    shape = max(1, round(scene.height / factor)), max(1, round(scene.width / factor))
    several_warps = scene.warped is not None and len(warp_groups(scene)) > 1
    if scene.layers or scene.resized_from is not None or several_warps:
        return _read_nearest(scene, shape)
    with opened(dataset_name(scene)) as dataset:
        return read_on_grid(dataset, scene, lambda source: read_valid(source, scene, shape=shape))


def _read_nearest(scene: Scene, shape: tuple[int, int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read a scene block by block, and keep the nearest pixels."""
    rows, cols = (
        (2 * np.arange(count) + 1) * length // (2 * count)
        for count, length in zip(shape, (scene.height, scene.width), strict=True)
    )
    pixels = np.zeros((len(scene.bands), *shape), scene.dtype)
    valid = np.zeros(shape, bool)
    for window in chunks(scene.height, scene.width, CHUNK_BLOCK):
        first_row, end_row = np.searchsorted(rows, (window.row, window.row_end))
        first_col, end_col = np.searchsorted(cols, (window.col, window.col_end))
        if first_row < end_row and first_col < end_col:
            target = slice(first_row, end_row), slice(first_col, end_col)
            block, block_valid = read_window(scene, window)
            nearest = np.ix_(rows[target[0]] - window.row, cols[target[1]] - window.col)
            pixels[:, target[0], target[1]] = block[:, nearest[0], nearest[1]]
            valid[target] = block_valid[nearest]
    return pixels, valid


def rgb_bands(names: Sequence[str]) -> tuple[int, ...]:
    """Choose bands for a picture: red, green and blue by name, else the first three, or the first.

    Args:
        names: of the bands, lower case, "" for none.

    Returns:
        Their positions, from 1.
    """
    if {"red", "green", "blue"} <= set(names):
        return tuple(names.index(color) + 1 for color in ("red", "green", "blue"))
    return (1, 2, 3) if len(names) >= 3 else (1,)


def percentile_stretch(pixels: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Stretch each band from the 2nd to the 98th percentile of its valid pixels to 0..255.

    The arguments are those of `percentile_ranges`; the result is that of `stretch_to_bytes`.
    """
    return stretch_to_bytes(pixels, valid, percentile_ranges(pixels, valid))


def percentile_ranges(
    pixels: NDArray[Any], valid: NDArray[np.bool_]
) -> tuple[tuple[float, float], ...]:
    """Return the 2nd and the 98th percentile of the valid pixels of each band.

    Pixels that are 0 in all bands are not counted: often they have no data.

    Args:
        pixels: (bands, height, width).
        valid: (height, width), True where a pixel has data.
    """
    counted = valid & (pixels != 0).any(axis=0)
    if not counted.any():
        return ((0.0, 1.0),) * len(pixels)
    ranges = [np.percentile(band[counted], (2, 98)) for band in pixels]
    return tuple((float(low), float(high)) for low, high in ranges)


def stretch_to_bytes(
    pixels: NDArray[Any], valid: NDArray[np.bool_], ranges: Sequence[tuple[float, float]]
) -> NDArray[np.uint8]:
    """Map the range of each band to 0..255; values outside of it become 0 or 255.

    Args:
        pixels: (bands, height, width); one band gives greys.
        valid: (height, width), True where a pixel has data; others become 0.
        ranges: lowest and highest value of each band.

    Returns:
        (height, width, 3).
    """
    greys = []
    for band, (low, high) in zip(pixels, ranges, strict=True):
        span = high - low if high > low else 1.0
        filled = np.where(valid, band, low).astype(np.float64)
        greys.append(np.clip((filled - low) / span * 255, 0, 255).astype(np.uint8))
    return np.stack(greys if len(greys) == 3 else greys[:1] * 3, axis=-1)


def rgba_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a PNG of pixels (height, width, 4): red, green, blue and opacity, each 0..255.

    It has 8 bits a band and rows without filter (ISO/IEC 15948).
    """
    height, width = pixels.shape[:2]
    # The first byte of a row is its filter; 0 is none.
    rows = np.zeros((height, 1 + 4 * width), np.uint8)
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, _RGBA, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(rows.data, 1)), (b"IEND", b"")
    return _SIGNATURE + b"".join(_png_chunk(name, content) for name, content in parts)


def rgb_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Return a JPEG of pixels (height, width, 3): red, green and blue; colours change slightly."""
    height, width, bands = pixels.shape
    with MemoryFile() as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with file.open(
            driver="JPEG", height=height, width=width, count=bands, dtype="uint8", QUALITY=85
        ) as out:
            out.write(np.moveaxis(pixels, 2, 0))
        return bytes(file.getbuffer())


def _png_chunk(name: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG file: length, name, content and checksum."""
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)
