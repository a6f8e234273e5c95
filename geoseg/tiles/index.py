"""What the index says of each tile's pixels, so that they need not be read to know them."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.legend import Legend

_VALUES = 256


def checksum(pixels: NDArray[Any], valid: NDArray[np.bool_], labels: NDArray[np.uint8]) -> str:
    """32 hexadecimal digits of a tile's pixels, whatever file holds them.

    Args:
        pixels: (bands, s, s).
        valid: (s, s).
        labels: (s, s) class values, 255 where not labelled.
    """
    found = hashlib.blake2b(f"{pixels.shape} {pixels.dtype}".encode(), digest_size=16)
    for array in (pixels, np.packbits(valid), labels):
        found.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
    return found.hexdigest()


def class_pixels(labels: NDArray[np.uint8], legend: Legend) -> NDArray[np.int64]:
    """Pixels of each class of the legend (classes,) in labels of any shape."""
    counts: NDArray[np.int64] = np.bincount(labels.ravel(), minlength=_VALUES)
    return counts[list(legend.values)]
