"""Scenes for benchmarks, made on the spot."""

import warnings
from pathlib import Path

import numpy as np
import rasterio
import rasterio.windows
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning

warnings.simplefilter("ignore", NotGeoreferencedWarning)

PLACE = {"crs": "EPSG:32640", "transform": Affine(0.9, 0, 320000, 0, -0.9, 2790000)}
"""Pixels of the size of the training, so that scenes are not read in pixels of another size."""


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


def mosaic(path: Path, side: int, images: list[Path]) -> Path:
    """side x side x 3 uint8: images next to each other, from the first again when all are used.

    Each gives the largest square at its top left that all have.
    """
    cell = min(min(_shape(image)) for image in images)
    cells = -(-side // cell)
    with rasterio.open(
        path, "w", driver="GTiff", count=3, height=side, width=side, dtype="uint8", tiled=True,
        blockxsize=512, blockysize=512, compress="deflate", photometric="rgb", **PLACE,
    ) as out:  # fmt: skip
        for number in range(cells**2):
            row, col = (place * cell for place in divmod(number, cells))
            height, width = min(cell, side - row), min(cell, side - col)
            with rasterio.open(images[number % len(images)]) as image:
                window = rasterio.windows.Window(0, 0, width, height)
                pixels = image.read((1, 2, 3), window=window)
            out.write(pixels, window=rasterio.windows.Window(col, row, width, height))
    return path


def _shape(image: Path) -> tuple[int, int]:
    with rasterio.open(image) as source:
        return source.shape


def tiled(path: Path, side: int) -> Path:
    """side x side x 3 uint8: 1024 px of the textured scene over and over; takes little memory.

    A line of nodata (0) between them keeps areas from growing together over the whole scene.
    """
    with rasterio.open(textured(path.with_suffix(".one.tif"), 1024)) as one:
        pixels = np.maximum(one.read(), 1)
    pixels[:, 0] = pixels[:, :, 0] = 0
    with rasterio.open(
        path, "w", driver="GTiff", count=3, height=side, width=side, dtype="uint8", tiled=True,
        blockxsize=512, blockysize=512, compress="deflate", nodata=0, **PLACE,
    ) as out:  # fmt: skip
        for row in range(0, side, 1024):
            for col in range(0, side, 1024):
                height, width = min(1024, side - row), min(1024, side - col)
                window = rasterio.windows.Window(col, row, width, height)
                out.write(pixels[:, :height, :width], window=window)
    return path


def sparse(path: Path, side: int) -> Path:
    """side x side x 3 uint8 zeros that take no room on disk, all valid."""
    with rasterio.open(
        path, "w", driver="GTiff", count=3, height=side, width=side, dtype="uint8", tiled=True,
        blockxsize=512, blockysize=512, sparse_ok=True, **PLACE,
    ):  # fmt: skip
        pass
    return path


def land_cover(side: int, kind: str) -> np.ndarray:
    """side x side uint8 labels of six classes in a slanted frame of nodata (255, a quarter).

    "real": the largest of six smooth noises at four scales; "salt": 1 % random pixels more.
    """
    rng = np.random.default_rng(0)
    labels = np.zeros((side, side), np.uint8)
    best = np.full((side, side), -np.inf, np.float32)
    for value in range(6):
        noise = sum(
            weight * _upscaled(rng, side, scale)
            for scale, weight in ((512, 1.0), (128, 0.6), (32, 0.4), (8, 0.34))
        )
        labels[noise > best] = value
        np.maximum(best, noise, out=best)
    if kind == "salt":
        salt = rng.random(labels.shape, np.float32) < 0.01
        labels[salt] = rng.integers(0, 6, int(salt.sum()))
    row, col = np.ogrid[:side, :side]
    inside = (col + row // 4 > 0.19 * side) & (col + row // 4 < 1.06 * side)
    inside &= (row - col // 4 > -0.16 * side) & (row - col // 4 < 0.91 * side)
    labels[~inside] = 255
    return labels


def _upscaled(rng: np.random.Generator, side: int, scale: int) -> np.ndarray:
    """Normal noise with one number for ``scale`` px, bilinear between."""
    coarse = rng.standard_normal((side // scale + 2, side // scale + 2), np.float32)
    at = (np.arange(side, dtype=np.float32) + 0.5) / scale
    low = at.astype(int)
    part = (at - low)[:, None]
    rows = coarse[low] * (1 - part) + coarse[low + 1] * part
    return rows[:, low] * (1 - part.T) + rows[:, low + 1] * part.T
