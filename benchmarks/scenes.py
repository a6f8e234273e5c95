"""Scenes for benchmarks, made on the spot."""

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

PLACE = {"crs": "EPSG:32640", "transform": Affine(0.5, 0, 320000, 0, -0.5, 2790000)}


def textured(path: Path, side: int) -> Path:
    """side x side x 3 uint8: smooth noise at four scales, so that there are classes and edges."""
    rng = np.random.default_rng(0)
    total = np.zeros((3, side, side), np.float32)
    for scale in (256, 64, 16, 4):
        coarse = rng.random((3, side // scale + 1, side // scale + 1), np.float32)
        total += np.kron(coarse, np.ones((scale, scale), np.float32))[:, :side, :side]
    pixels = (total / total.max() * 255).astype(np.uint8)
    with rasterio.open(
        path, "w", driver="GTiff", count=3, height=side, width=side, dtype="uint8", tiled=True,
        blockxsize=512, blockysize=512, compress="deflate", **PLACE,
    ) as out:  # fmt: skip
        out.write(pixels)
    return path


def sparse(path: Path, side: int) -> Path:
    """side x side x 3 uint8 zeros that take no room on disk, all valid."""
    with rasterio.open(
        path, "w", driver="GTiff", count=3, height=side, width=side, dtype="uint8", tiled=True,
        blockxsize=512, blockysize=512, sparse_ok=True, **PLACE,
    ):  # fmt: skip
        pass
    return path
