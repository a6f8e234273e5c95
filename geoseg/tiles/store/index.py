"""The index of a set: footprint, checksum and pixel counts of each tile, without its pixels."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from geoseg.errors import TileError
from geoseg.geodesy import apply_affine
from geoseg.legend import NODATA, Legend
from geoseg.longitudes import nearest_turn, turn_of
from geoseg.raster import Scene

INDEX = "tiles.parquet"


@dataclass(frozen=True, slots=True, eq=False)
class TileSums:
    """Checksum and pixel counts of each of n tiles."""

    checksums: tuple[str, ...]
    """(n,) of the pixels, see `checksum`."""
    counts: NDArray[np.int64]
    """(n, classes) valid pixels of each class."""


def checksum(pixels: NDArray[Any], valid: NDArray[np.bool_], labels: NDArray[np.uint8]) -> str:
    """Hash the pixels of a tile, whatever file holds them: 32 hexadecimal digits of BLAKE2b.

    Args:
        pixels: (bands, s, s).
        valid: (s, s).
        labels: (s, s) class values, 255 where not labelled.
    """
    digest = hashlib.blake2b(f"{pixels.shape} {pixels.dtype}".encode(), digest_size=16)
    for array in (pixels, np.packbits(valid), labels):
        digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def class_pixels(labels: NDArray[np.uint8], legend: Legend) -> NDArray[np.int64]:
    """Count the pixels of each class of the legend (classes,) in labels of any shape."""
    counts: NDArray[np.int64] = np.bincount(labels.ravel(), minlength=NODATA + 1)
    return counts[list(legend.values)]


def pixel_columns(legend: Legend) -> list[str]:
    """Names of the columns of the index with the pixel counts of a class, such as "pixels_water".

    Where two class names give the same column, the value is appended.
    """
    words = [re.sub(r"\W+", "_", name.casefold()).strip("_") for name in legend.names]
    return [
        f"pixels_{word}" if word and words.count(word) == 1 else f"pixels_{word}_{value}"
        for word, value in zip(words, legend.values, strict=True)
    ]


def common_crs(scenes: Sequence[Scene]) -> str | None:
    """The CRS of an index of tiles of these scenes: theirs, EPSG:4326 if they differ, or None.

    Raises:
        TileError: if only a part of the scenes has a CRS.
    """
    paths = {scene.crs is not None: scene.path for scene in scenes}
    if len(paths) == 2:
        raise TileError(
            f"{paths[True]} has a CRS and {paths[False]} has none, assign it with "
            "gdal_edit -a_srs, or tile them apart"
        )
    codes = {scene.crs for scene in scenes}
    return codes.pop() if len(codes) == 1 else "EPSG:4326"


def tile_corners(
    scene: Scene, rows: NDArray[np.int64], cols: NDArray[np.int64], size: int, crs: str | None
) -> NDArray[np.float64]:
    """The corners of tiles of a scene.

    Args:
        scene: what the tiles are cut from.
        rows: (n,) first row of each tile (px).
        cols: (n,) first column of each tile (px).
        size: side of a tile (px).
        crs: CRS of the result.

    Returns:
        (n, 4, 2) x and y of upper left, upper right, lower right and lower left corner. For a
        scene without CRS: in its own coordinates, or in pixels with y upwards if it has none.
        Longitudes of a tile across 180 degrees do not jump there.

    Raises:
        TileError: if a corner cannot be transformed.
    """
    col = cols[:, None] + size * np.array([0.0, 1.0, 1.0, 0.0])
    row = rows[:, None] + size * np.array([0.0, 0.0, 1.0, 1.0])
    in_pixels = scene.crs is None and scene.affine.is_identity
    x, y = apply_affine(scene.affine.scale(1, -1) if in_pixels else scene.affine, col, row)
    if crs is not None and crs != scene.crs:
        try:
            to_crs = Transformer.from_crs(scene.crs, crs, always_xy=True)
            x, y = to_crs.transform(x, y, errcheck=True)
        except ProjError:
            raise TileError(
                f"tiles of {scene.path} cannot be placed beside those of scenes in another CRS, "
                "check its CRS, or tile it apart"
            ) from None
        x = nearest_turn(x, x[:, :1], turn_of(crs))
    return np.stack([x, y], axis=-1)


def crs_code(crs: str | None) -> str | None:
    """The code of a CRS, such as "EPSG:32640", or its WKT if it has no code."""
    code = CRS.from_user_input(crs).to_authority(min_confidence=100) if crs else None
    return ":".join(code) if code else crs


def read_columns(path: Path, columns: list[str]) -> dict[str, list[Any]]:
    """Read columns of an index, without loading pandas."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:  # read_table would load pandas
        return dict(file.read(columns=columns).to_pydict())


def read_footprints(path: Path) -> tuple[NDArray[np.float64], list[str]]:
    """Read the footprints of the tiles of an index.

    Returns:
        Corners (n, 4, 2) as `tile_corners` has them, and the path of each tile's scene.
    """
    columns = read_columns(path, ["geometry", "scene"])
    rings = shapely.get_coordinates(shapely.from_wkb(columns["geometry"]))
    return rings.reshape(-1, 5, 2)[:, :4], columns["scene"]
