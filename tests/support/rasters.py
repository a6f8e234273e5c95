"""Small rasters for the tests."""

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine


def write_raster(
    path: Path,
    pixels: np.ndarray,
    *,
    crs: str | None = "EPSG:32640",
    transform: Affine = Affine(10, 0, 500000, 0, -10, 2800000),  # noqa: B008 - a constant
    **profile: Any,
) -> Path:
    """Write pixels (bands, height, width) as a GeoTIFF, or in another ``driver=``; returns path."""
    bands, height, width = pixels.shape
    profile = {"driver": "GTiff", **profile}
    with rasterio.open(
        path, "w", count=bands, height=height, width=width, dtype=pixels.dtype,
        crs=crs, transform=transform, **profile,
    ) as out:  # fmt: skip
        out.write(pixels)
    return path


def describe_band(path: Path, name: str) -> Path:
    """Give the first band of a raster a description; returns path."""
    with rasterio.open(path, "r+") as file:
        file.set_band_description(1, name)
    return path


def random_pixels(bands: int, height: int, width: int, dtype: str = "uint8") -> np.ndarray:
    """Return pixels (bands, height, width) of 1 to 199, so that 0 is free for nodata."""
    return np.random.default_rng(0).integers(1, 200, (bands, height, width)).astype(dtype)


def blocks(height: int, width: int, bands: int = 3, seed: int = 0) -> np.ndarray:
    """Blocks of 16 px over the whole range of bytes: enough classes, not too many polygons."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (bands, height // 16 + 1, width // 16 + 1), dtype=np.uint8)
    return np.kron(coarse, np.ones((16, 16), np.uint8))[:, :height, :width]
