"""Scenes that consist of others: stacks, mosaics, crops, and scenes in other pixels or CRS."""

from pathlib import Path

import numpy as np
from affine import Affine
from pyproj import Transformer

from geoseg.grid import Window
from tests.support.rasters import blocks, write_raster

WEST, NORTH = 500_000, 2_800_000
"""Corner of the scenes (m, EPSG:32640)."""


def place(pixel: float, row: float = 0, col: float = 0) -> Affine:
    """Return the transform of a scene of pixels of ``pixel`` m from a row and column on."""
    return Affine(pixel, 0, WEST + col * pixel, 0, -pixel, NORTH - row * pixel)


def cut(whole: np.ndarray, window: Window, path: Path, pixel: float = 10, **profile) -> Path:
    """Write a part of an image (bands, height, width) as a scene of its own; return its path."""
    transform = place(pixel, window.row, window.col)
    return write_raster(path, whole[:, *window.slices], transform=transform, **profile)


def stack_files(folder: Path, side: int, *, dtype: str = "uint16", seed: int = 0) -> list[Path]:
    """Write single-band files of 10, 20 and 60 m with the same ground; return their paths.

    Their names have spaces and commas, and each has a hole without data (0).
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, (name, pixel) in enumerate(
        (("red, 10 m.tif", 10), ("near infrared, 20 m.tif", 20), ("coast (60 m).tif", 60))
    ):
        size = side * 10 // pixel
        rng = np.random.default_rng(seed + number)
        values = rng.integers(1, 5000, (1, size, size)).astype(dtype)
        begin = size // 3 + number
        values[:, begin : begin + size // 6, begin : begin + size // 5] = 0
        paths.append(write_raster(folder / name, values, transform=place(pixel), nodata=0))
    return paths


def stack_of(folder: Path, image: np.ndarray) -> list[Path]:
    """Write the bands of an image (3, height, width) of 10 m in files of 10, 20 and 60 m.

    A coarse pixel has the value of its first fine one, and 0 is no data. Sides are multiples of 6.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [
        write_raster(
            folder / f"{name}.tif", image[number : number + 1, ::step, ::step],
            transform=place(10 * step), nodata=0,
        )
        for number, (name, step) in enumerate((("red", 1), ("green", 2), ("blue", 6)))
    ]  # fmt: skip


def in_zone_41(whole: np.ndarray, window: Window, path: Path, **profile) -> Path:
    """Write a part of an image of 10 m in zone 40 as if it had been taken in zone 41.

    Its grid is aligned with zone 41, and each pixel has the value of the image at its centre.
    """
    to_41 = Transformer.from_crs("EPSG:32640", "EPSG:32641", always_xy=True)
    corners = [
        place(10) @ (col, row)
        for row in (window.row, window.row_end)
        for col in (window.col, window.col_end)
    ]
    x, y = to_41.transform(*np.transpose(corners))
    west, north = float(np.floor(x.min() / 10) * 10), float(np.ceil(y.max() / 10) * 10)
    width, height = int((x.max() - west) // 10) + 1, int((north - y.min()) // 10) + 1
    transform = Affine(10, 0, west, 0, -10, north)
    cols, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    back = to_41.transform(*(transform @ (cols.ravel(), rows.ravel())), direction="INVERSE")
    image_cols, image_rows = np.floor(~place(10) @ back).astype(int)
    inside = (
        (image_rows >= window.row) & (image_rows < window.row_end)
        & (image_cols >= window.col) & (image_cols < window.col_end)
    )  # fmt: skip
    pixels = np.zeros((len(whole), height * width), whole.dtype)
    pixels[:, inside] = whole[:, image_rows[inside], image_cols[inside]]
    pixels = pixels.reshape(len(whole), height, width)
    return write_raster(path, pixels, crs="EPSG:32641", transform=transform, nodata=0, **profile)


def overlapping(
    folder: Path, height: int, width: int, *, zones: bool = False
) -> tuple[np.ndarray, list[Path]]:
    """Write four overlapping scenes of an image, two by two; return the image and the paths.

    Args:
        folder: where to write them.
        height: of the image (px).
        width: of the image (px).
        zones: whether the two scenes in the east are in another UTM zone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole = np.maximum(blocks(height, width), 1)
    paths = []
    for number, (south, east) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        window = Window(
            south * (height // 2 - height // 10), east * (width // 2 - width // 10),
            height // 2 + height // 10, width // 2 + width // 10,
        )  # fmt: skip
        write = in_zone_41 if zones and east else cut
        paths.append(write(whole, window, folder / f"scene {number}.tif"))
    return whole, paths
