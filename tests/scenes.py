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
