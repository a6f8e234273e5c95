"""Places to look at one after another: the least certain ones of a map, or those of a file."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geoseg.errors import VectorError
from geoseg.geodesy import apply_affine
from geoseg.grid import Window
from geoseg.legend import TOP_SCORE
from geoseg.raster import Scene, level_shape, read_level
from geoseg.vectors import Reprojector, read_vector
from geoseg.view.map_tiles import first_level

_MAX_SIDE = 4096
"""Longest side (px) of the level at which the confidence is read."""
_BLOCK = 32
"""Side of the blocks (px of that level) whose means are compared."""
_SHOWN_FIELDS = ("rank", "uncertainty", "class_name")
_MAX_PLACES = 100
"""Largest number of least certain places."""


def least_certain_places(confidence: Scene) -> list[dict[str, Any]]:
    """Return the blocks whose mean confidence is a local minimum, the lowest first.

    A block without data in most of its pixels is left out. No two places are neighbours.

    Args:
        confidence: one band, 1 to 255 where there is data.

    Returns:
        At most 100 places: row and col of the centre and size (px of the map), and text.

    Raises:
        SceneError: if the confidence cannot be read.
    """
    level = first_level(confidence, _MAX_SIDE)
    means = _block_means(confidence, level)
    rows, cols = np.nonzero(_is_local_minimum(means))
    order = np.argsort(means[rows, cols], kind="stable")[:_MAX_PLACES]
    size = _BLOCK * 2**level
    return [
        {
            "row": min(int((row + 0.5) * size), confidence.height - 1),
            "col": min(int((col + 0.5) * size), confidence.width - 1),
            "size": size,
            "text": f"mean confidence {means[row, col] / TOP_SCORE:.3f}",
        }
        for row, col in zip(rows[order], cols[order], strict=True)
    ]


def places_in_file(path: str | Path, grid: Scene) -> list[dict[str, Any]]:
    """Return the features of a vector file that lie on a map, in the order of their field rank.

    Without this field, they have the order of the file.

    Args:
        path: vector file in any CRS.
        grid: the map.

    Returns:
        For each feature: row and col of its centre and its size (px of the map), and text, which
        has the values of the fields rank, uncertainty and class_name.

    Raises:
        VectorError: if it cannot be read, or no feature lies on the map.
    """
    frame = read_vector(str(path))
    frame = frame[frame.geometry.notna() & ~frame.geometry.is_empty]
    if "rank" in frame:
        frame = frame.sort_values("rank", kind="stable")
    reprojector = Reprojector(frame, str(path))
    geometries, _ = reprojector.onto(grid)
    places = []
    for geometry, (_, fields) in zip(geometries, frame.iterrows(), strict=True):
        x, y = shapely.get_coordinates(shapely.box(*shapely.bounds(geometry))).T
        cols, rows = apply_affine(~grid.affine, x, y)
        row, col = (rows.min() + rows.max()) / 2, (cols.min() + cols.max()) / 2
        if 0 <= row < grid.height and 0 <= col < grid.width:
            size = max(float(np.ptp(rows)), float(np.ptp(cols)), _BLOCK)
            text = ", ".join(
                f"{name} {fields[name]}"
                for name in _SHOWN_FIELDS
                if name in frame and not pd.isna(fields[name])
            )
            places.append({"row": int(row), "col": int(col), "size": math.ceil(size), "text": text})
    if not places:
        raise VectorError(
            f"no place of {path} lies on the map: {reprojector.describe_extents(grid)}, check its "
            "coordinates and its CRS"
        )
    return places


def _block_means(confidence: Scene, level: int) -> NDArray[np.float64]:
    """Return the mean of the valid pixels of each block, infinite where most have no data."""
    height, width = level_shape(confidence, level)
    rows = []
    for row in range(0, height, _BLOCK):
        window = Window(row, 0, min(_BLOCK, height - row), width)
        pixels, valid = read_level(confidence, level, window)
        starts = np.arange(0, width, _BLOCK)
        counts = np.add.reduceat(valid.sum(axis=0), starts)
        sums = np.add.reduceat(np.where(valid, pixels[0], 0).sum(axis=0, dtype=np.int64), starts)
        sizes = window.height * np.diff(starts, append=width)
        means = np.where(2 * counts >= sizes, sums / np.maximum(counts, 1), np.inf)
        rows.append(means)
    return np.array(rows)


def _is_local_minimum(means: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where a mean is lower than its eight neighbours; of equal ones, the first is taken."""
    padded = np.pad(means, 1, constant_values=np.inf)
    height, width = means.shape
    lowest = np.isfinite(means)
    for row in range(3):
        for col in range(3):
            neighbour = padded[row : row + height, col : col + width]
            if (row, col) < (1, 1):
                lowest &= means < neighbour
            elif (row, col) > (1, 1):
                lowest &= means <= neighbour
    return lowest
