"""Reference points on the pixels of a map or of its strata."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.errors import EvaluateError
from geoseg.geodesy import apply_affine
from geoseg.grid import Window
from geoseg.labels import VectorLabelFile
from geoseg.legend import NODATA
from geoseg.raster import Scene

STRATUM_FIELD = "stratum"
"""Field with the class that a point was drawn from, as `sample` writes it."""
SUGGESTED_FIELD = "suggested"
"""Field that is true for places that `geoseg suggest` chose."""
_SQUARE_SIZE = 512
"""Side of the squares whose points are read together (px)."""


@dataclass(frozen=True, slots=True, eq=False)
class PointPixels:
    """The pixels of a raster in which points lie."""

    rows: NDArray[np.int64]
    """(n,) row of the pixel."""
    cols: NDArray[np.int64]
    """(n,) column of the pixel."""
    inside: NDArray[np.bool_]
    """(n,) True for points inside of the raster."""

    def values(self, read: Callable[[Window], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Return the values (n,) of the raster at the points, 255 outside of it.

        Args:
            read: reads the values (height, width) of a window.
        """
        values = np.full(len(self.rows), NODATA, np.uint8)
        squares = np.stack([self.rows, self.cols], axis=1) // _SQUARE_SIZE
        for square in np.unique(squares[self.inside], axis=0):
            in_square = self.inside & (squares == square).all(1)
            rows, cols = self.rows[in_square], self.cols[in_square]
            row, col = int(rows.min()), int(cols.min())
            window = Window(row, col, int(np.ptp(rows)) + 1, int(np.ptp(cols)) + 1)
            values[in_square] = read(window)[rows - row, cols - col]
        return values


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Points with a class, by the pixel of a raster in which they lie."""

    pixels: PointPixels
    classes: NDArray[np.uint8]
    """(n,) class value in the reference, 255 if ignored."""
    strata: list[Any] | None
    """(n,) names of the strata that the points were drawn from; None if the file has no such
    field."""


def is_point_layer(file: VectorLabelFile, path: str, scene: Scene) -> bool:
    """Return whether a vector file holds points, not polygons or lines.

    Raises:
        EvaluateError: if it holds both.
        LabelError: if the scene has no CRS.
    """
    points = shapely.get_dimensions(file.on_grid_of(scene).geometries) == 0
    if points.any() and not points.all():
        raise EvaluateError(
            f"reference {path} mixes points with polygons or lines, split it into two files"
        )
    return bool(points.all())


def check_not_suggested(marks: Iterable[Any] | None, path: str) -> None:
    """Refuse points that were suggested for labelling: they are not a random sample.

    Args:
        marks: values of the field `SUGGESTED_FIELD`; None if the file has no such field.
        path: of the points, for the message.

    Raises:
        EvaluateError: if a point is marked as suggested.
    """
    if any(str(mark).strip().casefold() in ("true", "1", "1.0") for mark in marks or ()):
        raise EvaluateError(
            f"{path} was written by `geoseg suggest`, which chooses places that teach a model and "
            "not a random sample, so nothing can be estimated from it, draw points with "
            "`geoseg sample`"
        )


def locate_points(file: VectorLabelFile, scene: Scene) -> Points:
    """Find the pixel of each point of a file; a multi-point has several points."""
    labels = file.on_grid_of(scene)
    pixels, feature = locate_geometries(labels.geometries, scene)
    strata = file.column(STRATUM_FIELD)
    return Points(
        pixels, labels.values[feature], None if strata is None else [strata[i] for i in feature]
    )


def locate_geometries(
    geometries: NDArray[Any], scene: Scene
) -> tuple[PointPixels, NDArray[np.int64]]:
    """Find the pixels of points and multi-points in the CRS of a scene.

    Returns:
        The pixels of the n points, and the index of the geometry of each point (n,).
    """
    points, feature = shapely.get_parts(geometries, return_index=True)
    cols, rows = apply_affine(~scene.affine, shapely.get_x(points), shapely.get_y(points))
    # Coordinates that cannot be transformed are infinite, and so outside.
    rows, cols = (np.floor(np.nan_to_num(v, posinf=-1, neginf=-1, nan=-1)) for v in (rows, cols))
    inside = (rows >= 0) & (rows < scene.height) & (cols >= 0) & (cols < scene.width)
    rows, cols = rows.clip(-1, scene.height), cols.clip(-1, scene.width)
    return PointPixels(rows.astype(np.int64), cols.astype(np.int64), inside), feature
