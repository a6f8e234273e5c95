"""Pixels as the bytes of a picture: PNG with transparency, or JPEG for photographs."""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from rasterio.io import MemoryFile

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGBA = 6
"""Colour type of PNG."""


def rgba_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a PNG of pixels (height, width, 4): red, green, blue and opacity, each 0..255.

    It has 8 bits a band and rows without filter (ISO/IEC 15948).
    """
    height, width = pixels.shape[:2]
    rows = np.zeros((height, 1 + 4 * width), np.uint8)  # each begins with its filter: none
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, _RGBA, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows.data, 1)), (b"IEND", b"")
    return _SIGNATURE + b"".join(_chunk(name, content) for name, content in chunks)


def rgb_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Return a JPEG of pixels (height, width, 3), for photographs."""
    height, width, bands = pixels.shape
    with MemoryFile() as file:
        with file.open(
            driver="JPEG", height=height, width=width, count=bands, dtype="uint8", QUALITY=85
        ) as out:
            out.write(np.moveaxis(pixels, 2, 0))
        return bytes(file.getbuffer())


def _chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)
