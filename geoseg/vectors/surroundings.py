"""Where a scene lies in another CRS."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from geoseg.geodesy import apply_affine
from geoseg.raster import Scene

_EARTH_RADIUS = 6.371e6
"""m."""
_NEAR = math.radians(5)
"""Distance from a scene up to which any usual projection of the scene is well-behaved (rad)."""
_BEND = 0.1
"""Largest distance between a straight edge and its true course after densifying (px)."""
_SAMPLES = 33
"""Points on each side of the grid that shows where a scene lies."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a scene lies in another CRS: one rectangle, or two at the antimeridian."""

    rectangles: NDArray[np.float64]
    """(r, 4) left, bottom, right and top (CRS units)."""
    radius: float
    """Radius of the earth (CRS units); 57.3 where they are degrees."""
    longest_edge: float
    """Longest edge (CRS units) that stays straight enough in the CRS of the scene."""
    period: float
    """Longitudes repeat after this (CRS units): 360 degrees; 0 in a projected CRS."""

    @classmethod
    def of(cls, scene: Scene, crs: CRS, to_scene: Transformer) -> "Surroundings | None":
        """The surroundings of a scene in a CRS; None where no point of it has a place there."""
        across, down = (np.linspace(0, side, _SAMPLES) for side in (scene.width, scene.height))
        cols, rows = np.tile(across, _SAMPLES), np.repeat(down, _SAMPLES)
        x, y = apply_affine(scene.affine, cols, rows)
        u, v = to_scene.transform(x, y, direction="INVERSE")
        with np.errstate(invalid="ignore"):  # infinite where a point has no place
            back = apply_affine(~scene.affine, *to_scene.transform(u, v))
            error = np.hypot(back[0] - cols, back[1] - rows)
            usable = error < max(scene.width, scene.height) / _SAMPLES
        if not usable.any():
            return None
        ends, bottom, top = np.unique(u[usable]), v[usable].min(), v[usable].max()
        gaps = np.diff(ends, prepend=ends[0])
        split = int(gaps.argmax()) if gaps.max() > (ends[-1] - ends[0]) / 2 else 0
        parts = [ends[:split], ends[split:]] if split else [ends]
        size = max(top - bottom, *(part[-1] - part[0] for part in parts))
        geographic, unit = bool(crs.is_geographic), crs.axis_info[0].unit_conversion_factor
        radius = (1 if geographic else _EARTH_RADIUS) / unit
        # Near a pole, parallels are circles of the size of the scene, and size is 360 degrees.
        relative = min(size / radius, 1) / max(scene.width, scene.height)
        return cls(
            np.array([(part[0], bottom, part[-1], top) for part in parts]),
            radius,
            radius * math.sqrt(8 * _BEND * relative),
            2 * math.pi * radius if geographic else 0.0,
        )

    def area(self, margin: float = 0.0, least: float = 0.0) -> shapely.Geometry:
        """The rectangles, wider by a margin on each side, but not beyond the earth's edge.

        Args:
            margin: in widths and heights of the scene.
            least: least margin (CRS units).
        """
        left, bottom, right, top = self.rectangles.T
        wide = max(margin * (right - left).sum(), least)
        high = np.maximum(margin * (top - bottom), least)
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
        """The parts of geometries (n,) in the rectangles, with longitudes as those have them."""
        area, valid = self.area(margin), geometries.copy()
        invalid = ~shapely.is_valid(geometries)
        valid[invalid] = shapely.make_valid(geometries[invalid])
        parts = [shapely.intersection(_shifted(valid, shift), area) for shift in self._shifts]
        return _without_touches(shapely.union_all(np.array(parts), axis=0), geometries)

    def contains(self, bounds: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n,) which bounds (n, 4) lie near the scene."""
        left, bottom, right, top = bounds.T
        near: NDArray[np.bool_] = np.any(
            [
                (left >= a + shift) & (bottom >= b) & (right <= c + shift) & (top <= d)
                for a, b, c, d in _part_bounds(self.area(1.0, _NEAR * self.radius))
                for shift in self._shifts
            ],
            axis=0,
        )
        return near

    def touches(self, bounds: NDArray[np.float64], margin: float) -> NDArray[np.bool_]:
        """(n,) which bounds (n, 4) reach the area to which `clip` clips with this margin."""
        reached: NDArray[np.bool_] = np.any(
            [
                overlap(bounds + np.array([shift, 0, shift, 0]), part)
                for part in _part_bounds(self.area(margin))
                for shift in self._shifts
            ],
            axis=0,
        )
        return reached

    @property
    def _shifts(self) -> tuple[float, ...]:
        """What may be added to longitudes: some files have 0 to 360 degrees."""
        return (-self.period, 0.0, self.period) if self.period else (0.0,)


def _part_bounds(area: shapely.Geometry) -> NDArray[np.float64]:
    return np.asarray(shapely.bounds(shapely.get_parts(area)))


def _without_touches(clipped: NDArray[Any], originals: NDArray[Any]) -> NDArray[Any]:
    """Clipped polygons without lines, and lines without points, where they only touch the area."""
    kept, wanted = clipped.copy(), shapely.get_dimensions(originals)
    collection = shapely.get_type_id(clipped) == shapely.GeometryType.GEOMETRYCOLLECTION
    for i in np.flatnonzero(collection | (shapely.get_dimensions(clipped) < wanted)):
        parts = shapely.get_parts(clipped[i])
        kept[i] = shapely.union_all(parts[shapely.get_dimensions(parts) == wanted[i]])
    return kept


def _shifted(geometries: NDArray[Any], shift: float) -> NDArray[Any]:
    return np.asarray(shapely.transform(geometries, lambda xy: xy + np.array([shift, 0.0])))


def overlap(bounds: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,) which bounds (n, 4) share a point with a rectangle (4,)."""
    left, bottom, right, top = bounds.T
    return np.asarray(
        (left <= other[2]) & (right >= other[0]) & (bottom <= other[3]) & (top >= other[1])
    )
