"""The extent of a scene in another CRS, and its surroundings."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from geoseg.geodesy import apply_affine
from geoseg.longitudes import nearest_turn, turn_of
from geoseg.raster import Scene

_EARTH_RADIUS = 6.371e6
"""Mean radius of the earth (m)."""
_NEAR = math.radians(5)
"""Distance from a scene up to which its projection is assumed to be well-behaved (rad)."""
_MAX_DEVIATION = 0.1
"""Largest distance between a straight edge and its true course after densifying (px)."""
_GRID_POINTS = 33
"""Points on each side of the grid that samples the extent of a scene."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The extent of a scene in another CRS: one rectangle, or two at the antimeridian."""

    rectangles: NDArray[np.float64]
    """(r, 4) left, bottom, right and top (CRS units)."""
    radius: float
    """Radius of the earth (CRS units); 57.3 if they are degrees."""
    longest_edge: float
    """Longest edge (CRS units) that deviates less than 0.1 px in the CRS of the scene."""
    period: float
    """Period of longitudes (CRS units): 360 degrees; 0 in a projected CRS."""

    @classmethod
    def of(cls, scene: Scene, crs: CRS, to_scene: Transformer) -> "Surroundings | None":
        """Find the extent of a scene in a CRS; None if no point of the scene can be transformed.

        Args:
            scene: with a CRS.
            crs: CRS of the extent.
            to_scene: from this CRS to that of the scene.
        """
        across, down = (np.linspace(0, side, _GRID_POINTS) for side in (scene.width, scene.height))
        cols, rows = np.tile(across, _GRID_POINTS), np.repeat(down, _GRID_POINTS)
        x, y = apply_affine(scene.affine, cols, rows)
        u, v = to_scene.transform(x, y, direction="INVERSE")
        with np.errstate(invalid="ignore"):  # infinite where a point cannot be transformed
            x_back, y_back = to_scene.transform(u, v)
            x_back = nearest_turn(x_back, x, turn_of(scene.crs))
            back = apply_affine(~scene.affine, x_back, y_back)
            error = np.hypot(back[0] - cols, back[1] - rows)
            usable = error < max(scene.width, scene.height) / _GRID_POINTS
        if not usable.any():
            return None
        values, bottom, top = np.unique(u[usable]), v[usable].min(), v[usable].max()
        gaps = np.diff(values, prepend=values[0])
        # A gap of more than half the range: the scene lies across the antimeridian.
        split = int(gaps.argmax()) if gaps.max() > (values[-1] - values[0]) / 2 else 0
        ranges = [values[:split], values[split:]] if split else [values]
        size = max(top - bottom, *(x[-1] - x[0] for x in ranges))
        geographic, unit = bool(crs.is_geographic), crs.axis_info[0].unit_conversion_factor
        radius = (1 if geographic else _EARTH_RADIUS) / unit
        # Near a pole, parallels are circles of the size of the scene, and size is 360 degrees.
        relative = min(size / radius, 1) / max(scene.width, scene.height)
        return cls(
            np.array([(x[0], bottom, x[-1], top) for x in ranges]),
            radius,
            radius * math.sqrt(8 * _MAX_DEVIATION * relative),
            2 * math.pi * radius if geographic else 0.0,
        )

    def extent(self, margin: float = 0.0, min_margin: float = 0.0) -> shapely.Geometry:
        """Return the rectangles, wider by a margin on each side, within -180 to 180 degrees.

        Args:
            margin: in widths and heights of the scene.
            min_margin: minimum margin (CRS units).
        """
        left, bottom, right, top = self.rectangles.T
        wide = max(margin * (right - left).sum(), min_margin)
        high = np.maximum(margin * (top - bottom), min_margin)
        limit = self.period / 2 or math.inf
        return shapely.union_all(
            shapely.box(
                np.maximum(left - wide, np.minimum(left, -limit)),
                np.maximum(bottom - high, -limit / 2),
                np.minimum(right + wide, np.maximum(right, limit)),
                np.minimum(top + high, limit / 2),
            )
        )

    def clip(self, geometries: NDArray[Any], margin: float) -> NDArray[Any]:
        """Clip geometries (n,) to `extent`, and move their longitudes into its range."""
        extent, valid = self.extent(margin), geometries.copy()
        invalid = ~shapely.is_valid(geometries)
        valid[invalid] = shapely.make_valid(geometries[invalid])
        clipped = [shapely.intersection(_shift(valid, shift), extent) for shift in self._shifts]
        return _without_touches(shapely.union_all(np.array(clipped), axis=0), geometries)

    def contains(self, bounds: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n,) which bounds (n, 4) lie within five degrees of the scene."""
        left, bottom, right, top = bounds.T
        contained = [
            (left >= a + shift) & (bottom >= b) & (right <= c + shift) & (top <= d)
            for a, b, c, d in _part_bounds(self.extent(1.0, _NEAR * self.radius))
            for shift in self._shifts
        ]
        return np.asarray(np.any(contained, axis=0))

    def touches(self, bounds: NDArray[np.float64], margin: float) -> NDArray[np.bool_]:
        """(n,) which bounds (n, 4) touch the `extent` with this margin."""
        touching = [
            overlap(bounds + np.array([shift, 0, shift, 0]), rectangle)
            for rectangle in _part_bounds(self.extent(margin))
            for shift in self._shifts
        ]
        return np.asarray(np.any(touching, axis=0))

    @property
    def _shifts(self) -> tuple[float, ...]:
        """Offsets to add to longitudes, because a file may have 0 to 360 degrees."""
        return (-self.period, 0.0, self.period) if self.period else (0.0,)


def _part_bounds(extent: shapely.Geometry) -> NDArray[np.float64]:
    return np.asarray(shapely.bounds(shapely.get_parts(extent)))


def _without_touches(clipped: NDArray[Any], originals: NDArray[Any]) -> NDArray[Any]:
    """Drop lines of clipped polygons and points of clipped lines: they only touch the extent."""
    kept, dimensions = clipped.copy(), shapely.get_dimensions(originals)
    collection = shapely.get_type_id(clipped) == shapely.GeometryType.GEOMETRYCOLLECTION
    for i in np.flatnonzero(collection | (shapely.get_dimensions(clipped) < dimensions)):
        parts = shapely.get_parts(clipped[i])
        kept[i] = shapely.union_all(parts[shapely.get_dimensions(parts) == dimensions[i]])
    return kept


def _shift(geometries: NDArray[Any], shift: float) -> NDArray[Any]:
    return np.asarray(shapely.transform(geometries, lambda xy: xy + np.array([shift, 0.0])))


def overlap(bounds: NDArray[np.float64], rectangle: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,) which bounds (n, 4) share a point with a rectangle (4,)."""
    left, bottom, right, top = bounds.T
    x_min, y_min, x_max, y_max = rectangle
    return np.asarray((left <= x_max) & (right >= x_min) & (bottom <= y_max) & (top >= y_min))
