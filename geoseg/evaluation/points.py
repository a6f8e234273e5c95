"""Reference points on the pixels of a map and of its strata."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.errors import EvaluateError, count_of
from geoseg.evaluation.block_counts import Reader, values_at
from geoseg.geodesy import apply_affine
from geoseg.labels import VectorLabelFile
from geoseg.legend import NODATA, Legend
from geoseg.raster import Scene

STRATUM = "stratum"
"""Field in which `sample` keeps the class that a point was drawn from."""


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Points with a class, by the pixel of a raster in which they lie."""

    rows: NDArray[np.int64]
    """(n,) row of the pixel; may lie outside of the raster."""
    cols: NDArray[np.int64]
    """(n,) column."""
    classes: NDArray[np.uint8]
    """(n,) class value on the ground, 255 where it is ignored."""
    strata: list[Any] | None
    """Names of the strata that they were drawn from, where the file says so."""

    def values(self, read: Reader, scene: Scene) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Values (n,) of the raster, 255 for none, and (n,) whether the point lies inside it."""
        inside = (self.rows >= 0) & (self.rows < scene.height)
        inside &= (self.cols >= 0) & (self.cols < scene.width)
        found = np.full(len(self.rows), NODATA, np.uint8)
        found[inside] = values_at(read, self.rows[inside], self.cols[inside])
        return found, inside


def is_point_layer(file: VectorLabelFile, path: str, scene: Scene) -> bool:
    """Whether a vector file holds points, not polygons or lines.

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


def locate_points(file: VectorLabelFile, scene: Scene) -> Points:
    """The points of a file on the pixels of a raster; each part of a multi-point is a point."""
    labels = file.on_grid_of(scene)
    parts, owner = shapely.get_parts(labels.geometries, return_index=True)
    cols, rows = apply_affine(~scene.affine, shapely.get_x(parts), shapely.get_y(parts))
    # What cannot be transformed is infinite, and so outside.
    rows, cols = (np.floor(np.nan_to_num(v, posinf=-1, neginf=-1, nan=-1)) for v in (rows, cols))
    strata = file.column(STRATUM)
    return Points(
        rows.clip(-1, scene.height).astype(np.int64), cols.clip(-1, scene.width).astype(np.int64),
        labels.values[owner], None if strata is None else [strata[i] for i in owner],
    )  # fmt: skip


def check_strata(points: Points, found: NDArray[np.uint8], legend: Legend, path: str) -> None:
    """See that points lie in the strata that they were drawn from, where their file names them.

    Args:
        points: the points.
        found: (n,) value of the stratum in which each lies, 255 for none.
        legend: of the strata.
        path: of the raster of strata.

    Raises:
        EvaluateError: if some lie elsewhere.
    """
    if points.strata is None:
        return
    values = {c.name.casefold(): c.value for c in legend.classes}
    drawn = [values.get(str(name).strip().casefold()) for name in points.strata]
    if None in drawn:  # a field of another meaning
        return
    moved = int((np.array(drawn) != found).sum())
    if moved:
        raise EvaluateError(
            f"{moved:,} of {count_of(len(drawn), 'point')} were drawn in another stratum than "
            f"{path} has there, give the map that they were drawn from as the strata (--strata)"
        )
