"""The tiles of two stores as those of one."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from geoseg.tiles.store.geotiff_pairs import Pixels


class Store(Protocol):
    """Reads the pixels of tiles by their index."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands, height and width of each image."""

    @property
    def dtype(self) -> str:
        """NumPy dtype of the images."""

    def read(self, indices: NDArray[np.int64]) -> Pixels:
        """Read images (k, bands, s, s), valid (k, s, s) and class values (k, s, s)."""


@dataclass(frozen=True, slots=True)
class JoinedStore:
    """The tiles of two stores with the same shape and dtype."""

    first: Store
    second: Store
    offset: int
    """Index of the first tile of ``second``; lower indices are those of ``first``."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands, height and width of each image."""
        return self.first.shape

    @property
    def dtype(self) -> str:
        """NumPy dtype of the images."""
        return self.first.dtype

    def read(self, indices: NDArray[np.int64]) -> Pixels:
        """Read the tiles with these indices, in this order; see `Store.read`."""
        images = np.zeros((len(indices), *self.shape), self.dtype)
        valid = np.zeros((len(indices), *self.shape[1:]), bool)
        labels = np.zeros(valid.shape, np.uint8)
        in_second = indices >= self.offset
        for store, chosen, start in (
            (self.first, ~in_second, 0), (self.second, in_second, self.offset),
        ):  # fmt: skip
            if chosen.any():
                images[chosen], valid[chosen], labels[chosen] = store.read(indices[chosen] - start)
        return images, valid, labels
