"""The index of a set: where each tile lies and what it holds, so that pixels need not be read."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from geoseg.errors import TileError
from geoseg.legend import Legend
from geoseg.raster import Scene

INDEX = "tiles.parquet"
COMMON_CRS = "EPSG:4326"
"""Of the footprints, where scenes differ in theirs."""
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


def concat_counts(counts: Sequence[NDArray[np.int64]], legend: Legend) -> NDArray[np.int64]:
    """Rows of 4 + classes numbers in one array, also where there are none."""
    return np.concatenate([np.zeros((0, 4 + len(legend)), np.int64), *counts])


def pixel_columns(legend: Legend) -> list[str]:
    """Column of each class's pixels: pixels_ and its name, with its value where two are alike."""
    words = [re.sub(r"\W+", "_", name.casefold()).strip("_") for name in legend.names]
    return [
        f"pixels_{word}" if word and words.count(word) == 1 else f"pixels_{word}_{value}"
        for word, value in zip(words, legend.values, strict=True)
    ]


def common_crs(scenes: Sequence[Scene]) -> str | None:
    """The CRS of an index of tiles of these scenes: theirs, EPSG:4326 if they differ, or None.

    Raises:
        TileError: if some scenes have a CRS and others have none.
    """
    placed = {scene.crs is not None: scene.path for scene in scenes}
    if len(placed) == 2:
        raise TileError(
            f"{placed[True]} has a CRS and {placed[False]} has none, assign it with "
            "gdal_edit -a_srs, or tile them apart"
        )
    found = {scene.crs for scene in scenes}
    return found.pop() if len(found) == 1 else COMMON_CRS


def tile_corners(
    scene: Scene, rows: NDArray[np.int64], cols: NDArray[np.int64], size: int, crs: str | None
) -> NDArray[np.float64]:
    """Where tiles of a scene lie.

    Args:
        scene: what they are cut from.
        rows: (n,) first row of each (px).
        cols: (n,) first column of each (px).
        size: side of a tile (px).
        crs: CRS wanted.

    Returns:
        (n, 4, 2) x and y of upper left, upper right, lower right and lower left corner; of a
        scene without CRS in the coordinates it has, or in pixels with y upwards.
    """
    col = cols[:, None] + size * np.array([0, 1, 1, 0])
    row = rows[:, None] + size * np.array([0, 0, 1, 1])
    a, b, c, d, e, f = scene.transform
    if scene.crs is None and scene.affine.is_identity:
        e = -1.0
    x, y = a * col + b * row + c, d * col + e * row + f
    if crs is not None and crs != scene.crs:
        x, y = Transformer.from_crs(scene.crs, crs, always_xy=True).transform(x, y)
    return np.stack([x, y], axis=-1)


def tile_transform(scene: Scene, row: int, col: int) -> list[float]:
    """Affine coefficients a..f of a tile, pixel (col, row) to CRS units."""
    return list(scene.affine @ scene.affine.translation(col, row))[:6]


def crs_code(crs: str | None) -> str | None:
    """A CRS as its code where it has one, "EPSG:32640", else as WKT."""
    code = CRS.from_user_input(crs).to_authority(min_confidence=100) if crs else None
    return ":".join(code) if code else crs


def read_columns(path: Path, columns: list[str]) -> dict[str, list[Any]]:
    """Some columns of an index, without the footprints."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:  # read_table would load pandas
        found: dict[str, list[Any]] = file.read(columns=columns).to_pydict()
    return found


def read_footprints(path: Path) -> tuple[NDArray[np.float64], list[str]]:
    """Where the tiles of an index lie.

    Returns:
        Corners (n, 4, 2) as `tile_corners` has them, and the path of each tile's scene.
    """
    columns = read_columns(path, ["geometry", "scene"])
    rings = shapely.get_coordinates(shapely.from_wkb(columns["geometry"]))
    return rings.reshape(-1, 5, 2)[:, :4], columns["scene"]
