"""The patches of a map: what each contains, measured block by block."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.grid import Window

_UNCERTAINTY_BINS = 8
"""Bins of the histogram of the uncertainty, from 0 to 1."""
_BLOCK_SIZE = 2048
"""About the side of the blocks that are read together (px)."""


@dataclass(frozen=True, slots=True, eq=False)
class BlockPixels:
    """The pixels of a block of a map."""

    labels: NDArray[np.uint8]
    """(height, width) class values; a pixel without a class has a value that no class has."""
    uncertainty: NDArray[np.float32]
    """(height, width) 0 to 1; NaN where it is unknown."""
    bands: NDArray[np.float32]
    """(bands, height, width) values of the scene, no bands without a scene; NaN where a pixel has
    no data."""


@dataclass(frozen=True, slots=True, eq=False)
class Patches:
    """What n square patches of a map contain. Patches at the lower and right edge are smaller."""

    row: NDArray[np.int64]
    """(n,) first row (px)."""
    col: NDArray[np.int64]
    """(n,) first column (px)."""
    classes: NDArray[np.int64]
    """(n, classes) pixels of each class."""
    uncertainty: NDArray[np.float64]
    """(n,) mean of the pixels with a class, 0 to 1."""
    bins: NDArray[np.int64]
    """(n, 8) pixels with a class, by their uncertainty from 0 to 1."""
    bands: NDArray[np.float64]
    """(n, 2 * bands) mean and standard deviation of each band of the scene; NaN without data."""
    tie: NDArray[np.float64]
    """(n,) random number, 0 to 1, that orders patches with the same sum of uncertainty."""

    def __len__(self) -> int:
        return len(self.row)

    def take(self, indices: NDArray[np.int64]) -> "Patches":
        """Return the patches with these indices, in their order."""
        return Patches(*(getattr(self, name)[indices] for name in self.__slots__))

    def joined(self, other: "Patches") -> "Patches":
        """Return the patches of both."""
        columns = ((getattr(self, name), getattr(other, name)) for name in self.__slots__)
        return Patches(*(np.concatenate(pair) for pair in columns))

    @property
    def total_uncertainty(self) -> NDArray[np.float64]:
        """(n,) sum of the uncertainty over the pixels with a class (px)."""
        return np.asarray(self.uncertainty * self.classes.sum(1))

    def best(self, number: int) -> "Patches":
        """Return the patches with the largest sums of uncertainty, at most ``number``.

        Law: ``a.joined(b).best(n) == a.best(n).joined(b).best(n)``, so that blocks may be added one
        after the other.
        """
        order = np.lexsort((self.tie, -self.total_uncertainty))
        return self.take(order[:number])


IsNew = Callable[[Patches], NDArray[np.bool_]]
"""Returns (n,) True for the patches that are to be considered."""


def blocks(height: int, width: int, size: int) -> Iterator[Window]:
    """Partition a map into blocks of whole patches, row-major.

    Args:
        height: rows of the map (px).
        width: columns of the map (px).
        size: side of a patch (px).
    """
    side = max(1, _BLOCK_SIZE // size) * size
    for row in range(0, height, side):
        for col in range(0, width, side):
            yield Window(row, col, min(side, height - row), min(side, width - col))


def find_candidates(
    read: Callable[[Window], BlockPixels],
    windows: Iterable[Window],
    values: tuple[int, ...],
    size: int,
    number: int,
    seed: int,
    is_new: IsNew | None = None,
) -> Patches | None:
    """Return the most uncertain patches of a map, in bounded memory.

    Args:
        read: reads the pixels of a block.
        windows: the blocks, see `blocks`.
        values: of the classes.
        size: side of a patch (px).
        number: number of patches, at most.
        seed: of the order of patches with the same uncertainty.
        is_new: returns (n,) True for the patches to be considered; None for all.

    Returns:
        The new patches that have a pixel with a class; None if there are none.
    """
    best: Patches | None = None
    for window in windows:
        rng = np.random.default_rng([seed, window.row, window.col])
        patches = measure_patches(read(window), window, values, size, rng)
        patches = patches.take(np.flatnonzero(patches.classes.any(1)))
        if is_new is not None:
            patches = patches.take(np.flatnonzero(is_new(patches)))
        best = (patches if best is None else best.joined(patches)).best(number)
    return best if best is not None and len(best) else None


def measure_patches(
    pixels: BlockPixels,
    window: Window,
    values: tuple[int, ...],
    size: int,
    rng: np.random.Generator,
) -> Patches:
    """Measure the patches of a block, also those without a class.

    Args:
        pixels: of the block.
        window: the block.
        values: of the classes.
        size: side of a patch (px).
        rng: draws ``tie``.
    """
    rows, cols = (np.arange(0, side, size) for side in (window.height, window.width))
    patch_row, patch_col = (np.arange(side) // size for side in (window.height, window.width))
    patch = patch_row[:, None] * len(cols) + patch_col
    number = len(rows) * len(cols)

    def count(codes: NDArray[Any], codes_end: int, pixel: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Count (n, codes_end) how often each code occurs in the chosen pixels of each patch."""
        joint = patch[pixel] * codes_end + codes[pixel]
        return np.bincount(joint, minlength=number * codes_end).reshape(number, codes_end)

    def mean(plane: NDArray[Any], pixel: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Mean (n,) of the chosen pixels of each patch, NaN where there are none."""
        total = np.bincount(patch[pixel], plane[pixel], minlength=number)
        with np.errstate(invalid="ignore"):
            return np.asarray(total / np.bincount(patch[pixel], minlength=number))

    has_class = np.isin(pixels.labels, values)
    known = has_class & np.isfinite(pixels.uncertainty)
    uncertainty = np.where(known, pixels.uncertainty, 0)
    bins = (uncertainty * _UNCERTAINTY_BINS).astype(np.int64).clip(0, _UNCERTAINTY_BINS - 1)
    moments = []
    for band in pixels.bands:
        filled = has_class & np.isfinite(band)
        average = mean(band, filled)
        deviation = band - average[patch]
        moments += [average, np.sqrt(mean(deviation**2, filled))]
    first_row, first_col = np.meshgrid(window.row + rows, window.col + cols, indexing="ij")
    return Patches(
        row=first_row.reshape(-1),
        col=first_col.reshape(-1),
        classes=count(pixels.labels, 256, has_class)[:, list(values)],
        uncertainty=np.nan_to_num(mean(uncertainty, has_class)),
        bins=count(bins, _UNCERTAINTY_BINS, has_class),
        bands=np.stack(moments, 1) if moments else np.zeros((number, 0)),
        tie=rng.random(number),
    )
