"""Longitudes that differ by whole turns: a raster may have 170 to 190 or 0 to 360 degrees.

PROJ returns longitudes of -180 to 180 degrees. So a place that it transforms to a geographic CRS,
or that a file has, may be a whole turn away from the pixels that show it.
"""

import math
from functools import lru_cache

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS

Floats = NDArray[np.float64]
Geometries = NDArray[np.object_]


@lru_cache(maxsize=64)
def turn_of(crs: str | None) -> float:
    """Return a whole turn in the units of a CRS: 360 in degrees, 0 if it has no longitudes.

    Args:
        crs: what pyproj understands as CRS; None for a raster without one.
    """
    if crs is None:
        return 0.0
    known = CRS.from_user_input(crs)
    return 2 * math.pi / known.axis_info[0].unit_conversion_factor if known.is_geographic else 0.0


def nearest_turn(x: Floats, places: Floats | float, turn: float) -> Floats:
    """Move longitudes by whole turns to within half a turn of other longitudes.

    Args:
        x: longitudes, any shape.
        places: longitudes, the same shape or one number.
        turn: from `turn_of`; if it is 0, nothing is moved.
    """
    return x - turn * np.round((x - places) / turn) if turn else x


def rejoined(geometries: Geometries, turn: float) -> Geometries:
    """Return geometries (n,) that PROJ transformed to longitudes, without a jump at 180 degrees.

    A geometry across 180 degrees has vertices near 180 and near -180, so that it seems to go around
    the other side of the earth. Those in the west move a turn east if it becomes narrow by that.

    Args:
        geometries: in a geographic CRS; no edge is longer than half a turn.
        turn: from `turn_of`; if it is 0, nothing is moved.
    """
    wide = np.flatnonzero(_widths(geometries) > turn / 2) if turn else np.zeros(0, int)
    if not wide.size:
        return geometries

    def east(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        return np.where(x < 0, x + turn, x), y

    moved = np.asarray(shapely.transform(geometries[wide], east, interleaved=False))
    narrow = _widths(moved) < turn / 2
    joined = geometries.copy()
    joined[wide[narrow]] = moved[narrow]
    return joined


def onto_longitudes(geometries: Geometries, west: float, east: float, turn: float) -> Geometries:
    """Move geometries (n,) by whole turns to where they lie between two longitudes.

    What lies there already, or in no turn, stays where it is. A geometry that lies there in more
    than one turn, such as one around the world, gets a copy for each.

    Args:
        geometries: in a geographic CRS.
        west: lower longitude, in units of the CRS.
        east: upper longitude.
        turn: from `turn_of`; if it is 0, nothing is moved.
    """
    if not turn:
        return geometries
    shifts = np.array([-turn, 0.0, turn])
    near = _near(geometries, shifts, west, east)
    count = near.sum(axis=0)
    if not (near[[0, 2]].any() or (count > 1).any()):
        return geometries
    moved = geometries.copy()
    for shift in shifts[[0, 2]]:
        here = near[shifts == shift][0] & (count == 1)
        moved[here] = _shifted(geometries[here], shift)
    for i in np.flatnonzero(count > 1):
        parts = shapely.get_parts(geometries[i])
        lies = _near(parts, shifts, west, east)
        copies = [_shifted(parts[there], s) for s, there in zip(shifts, lies, strict=True)]
        moved[i] = _united(np.concatenate([*copies, parts[~lies.any(axis=0)]]))
    return moved


def _near(geometries: Geometries, shifts: Floats, west: float, east: float) -> NDArray[np.bool_]:
    """(shifts, n) which geometries lie between two longitudes when they are shifted.

    One that only touches the western one from outside does not, nor one that PROJ could not
    transform completely.
    """
    left, _, right, _ = shapely.bounds(geometries).T + np.zeros((4, 1))
    finite = np.isfinite(left) & np.isfinite(right)
    left, right = left + shifts[:, None], right + shifts[:, None]
    return np.asarray(finite & (left < east) & ((right > west) | (left >= west)))


def _united(pieces: Geometries) -> shapely.Geometry:
    """Return pieces as one geometry; points are all kept."""
    if len(pieces) == 1:
        return pieces[0]
    if (shapely.get_dimensions(pieces) == 0).all():
        return shapely.MultiPoint(list(pieces))
    return shapely.union_all(shapely.make_valid(pieces))


def _shifted(geometries: Geometries, shift: float) -> Geometries:
    return np.asarray(shapely.transform(geometries, lambda xy: xy + np.array([shift, 0.0])))


def _widths(geometries: Geometries) -> Floats:
    left, _, right, _ = shapely.bounds(geometries).T
    with np.errstate(invalid="ignore"):  # infinite where PROJ could not transform a vertex
        return np.asarray(right - left)
