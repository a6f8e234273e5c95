"""Published samples for accuracy assessment."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Published:
    """A sample: counts by map class (rows) and reference class; and the size of its map."""

    counts: np.ndarray
    pixels: np.ndarray
    """Number of pixels of 30 m by map class."""
    names: tuple[str, ...]

    @property
    def area_ha(self):
        return self.pixels * 900 / 10_000


OLOFSSON_2014 = Published(
    np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]]),
    np.array([200_000, 150_000, 3_200_000, 6_450_000]),
    ("deforestation", "forest gain", "stable forest", "stable non-forest"),
)
"""Olofsson et al. 2014, doi:10.1016/j.rse.2014.02.015, table 8."""

OLOFSSON_2013 = np.array([[97, 0, 3], [3, 279, 18], [2, 1, 97]])
"""Olofsson et al. 2013, doi:10.1016/j.rse.2012.10.031, example 1."""


def sampled_map(counts, pixels, shape):
    """Return a map with ``pixels`` of each class, and a reference with samples as in ``counts``.

    Returns:
        Map and reference (height, width) uint8, the reference 255 without a sample.
    """
    mapped = np.repeat(np.arange(len(pixels), dtype=np.uint8), pixels)
    reference = np.full(mapped.size, 255, np.uint8)
    rng = np.random.default_rng(0)
    for value, (first, size) in enumerate(zip(np.cumsum(pixels) - pixels, pixels, strict=True)):
        indices = first + rng.choice(size, counts[value].sum(), replace=False)
        reference[indices] = np.repeat(np.arange(len(pixels)), counts[value])
    return mapped.reshape(shape), reference.reshape(shape)
