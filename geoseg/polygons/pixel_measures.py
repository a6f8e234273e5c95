"""The pixels of a map on the ground, and what outlines along their sides measure there."""

from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.polynomial import chebyshev
from numpy.polynomial import polynomial as powers
from pyproj import CRS, Proj, Transformer
from pyproj.exceptions import ProjError

from geoseg.geodesy import (
    apply_affine,
    geodesic_lengths,
    planar_unit_or_ellipsoid,
    transform_separable,
)
from geoseg.polygons.arrays import Coords, Floats, PolygonArrays
from geoseg.polygons.jit import njit_cached
from geoseg.polygons.trace.components import Ints

_DEGREES = (0, 2, 4, 8)
"""Of the polynomial that the scale of a projection is put into."""
_PLANAR_TOLERANCE = 1e-9
"""Relative error that is allowed it; 1e-6 is what areas are asked for."""


@dataclass(frozen=True, slots=True)
class GridMeasures:
    """How long and large pixels are."""

    cell: float | None
    """Area of a pixel (m²) where all are equal in the CRS."""
    along: Floats
    """(height + 1,) length (m) of a pixel's side along each line between rows."""
    down: Floats
    """(height + 1,) distance (m) from the first line between rows."""
    area: Floats
    """(height + 1,) area (m²) of a column of pixels from the first line between rows."""
    excess: Floats | None
    """Coefficients (k, k) of the pixels that pixels from the first corner on truly are more than
    they seem, by column and row scaled to -1..1; None where ``area`` is true, or not known."""
    half: tuple[float, float]
    """Half the height and width of the map (px)."""
    known: bool
    """Whether true areas are known."""

    @classmethod
    def of(cls, transform: Affine, crs: str, height: int, width: int) -> "GridMeasures | None":
        """Of a grid; None where neither rows nor the plane tell, as each vertex has its scale."""
        metric = planar_unit_or_ellipsoid(crs)
        t = transform
        lines = np.arange(height + 1.0)
        half = (height / 2, width / 2)
        if isinstance(metric, float):
            cell = abs(t.determinant) * metric**2
            along, down = np.hypot(t.a, t.d) * metric, np.hypot(t.b, t.e) * metric
            excess = _excess(transform, crs, height, width)
            return cls(
                cell, np.full(lines.size, along), lines * down, lines * cell,
                excess, half, excess is not None,
            )  # fmt: skip
        if t.b or t.d:
            return None
        start = np.column_stack([np.zeros(lines.size), lines])
        end = np.column_stack([np.ones(lines.size), lines])
        flat = transform_separable(metric.equal_area, transform, np.concatenate([start, end]))
        sides = geodesic_lengths(metric, transform, start, end)
        steps = geodesic_lengths(metric, transform, start[:-1], start[1:])
        column = abs(flat[lines.size, 0] - flat[0, 0]) * np.abs(flat[: lines.size, 1] - flat[0, 1])
        return cls(
            None, sides, np.concatenate([[0.0], np.cumsum(steps)]), column, None, half, known=True
        )  # fmt: skip

    def measure(self, polygons: PolygonArrays) -> tuple[Floats, Floats, Floats]:
        """Areas (m²), perimeters (m) and true areas (m²) of polygons along sides of pixels.

        Returns:
            Three arrays (n,); true areas are NaN where they are not known.
        """
        area, perimeter, excess = np.zeros((3, len(polygons)))
        _measure_rings(
            polygons.coords, polygons.ring_offsets, polygons.polygon_offsets,
            self.along, self.down, self.area, area, perimeter,
        )  # fmt: skip
        if self.cell is None:
            return area, perimeter, area
        if self.excess is None:
            excess[:] = np.nan
        elif self.excess.any():
            _area_correction(
                polygons.coords, polygons.ring_offsets, polygons.polygon_offsets,
                self.excess, *self.half, excess,
            )  # fmt: skip
        area[:] = polygons.pixels * self.cell
        return area, perimeter, area + excess * self.cell


def _excess(transform: Affine, crs: str, height: int, width: int) -> Floats | None:
    """`Ground.excess` of a projection: the integral of what its scale makes pixels smaller."""
    projected = CRS.from_user_input(crs)
    geographic = projected.geodetic_crs
    if geographic is None:
        return None
    to_degrees = Transformer.from_crs(projected, geographic, always_xy=True)

    def scale(u: Floats, v: Floats) -> Floats:
        col, row = (u + 1) * width / 2, (v + 1) * height / 2
        lon, lat = to_degrees.transform(*apply_affine(transform, col, row), errcheck=True)
        return np.asarray(1 / Proj(projected).get_factors(lon, lat).areal_scale - 1)

    test = np.stack(np.meshgrid(*[np.linspace(-1, 1, 12)] * 2)).reshape(2, -1)
    try:
        wanted = scale(*test)
        for degree in _DEGREES:
            at = np.stack(np.meshgrid(*[chebyshev.chebpts1(degree + 1)] * 2)).reshape(2, -1)
            vander = powers.polyvander2d(at[0], at[1], [degree, degree])
            fitted = np.linalg.solve(vander, scale(*at)).reshape(degree + 1, degree + 1)
            off = np.asarray(powers.polyval2d(test[0], test[1], fitted)) - wanted
            if np.abs(off).max() < _PLANAR_TOLERANCE:
                integral = powers.polyint(powers.polyint(fitted, lbnd=-1), lbnd=-1, axis=1)
                return np.asarray(integral * height * width / 4)
    except (ProjError, np.linalg.LinAlgError):
        pass
    return None


@njit_cached
def _measure_rings(
    coords: Coords, ring_offsets: Ints, polygon_offsets: Ints,
    along: Floats, down: Floats, column: Floats, area: Floats, perimeter: Floats,
) -> None:  # fmt: skip
    """Green's theorem over the sides along columns, counted from each polygon's first vertex."""
    for polygon in range(area.size):
        origin = coords[ring_offsets[polygon_offsets[polygon]], 0]
        for ring in range(polygon_offsets[polygon], polygon_offsets[polygon + 1]):
            before = ring_offsets[ring + 1] - 1
            for here in range(ring_offsets[ring], ring_offsets[ring + 1]):
                row = coords[before, 1]
                row_end = coords[here, 1]
                if row == row_end:
                    perimeter[polygon] += abs(coords[here, 0] - coords[before, 0]) * along[row]
                else:
                    perimeter[polygon] += abs(down[row_end] - down[row])
                    area[polygon] += (coords[here, 0] - origin) * (column[row] - column[row_end])
                before = here


@njit_cached
def _area_correction(
    coords: Coords, ring_offsets: Ints, polygon_offsets: Ints,
    excess: Floats, half_height: float, half_width: float, found: Floats,
) -> None:  # fmt: skip
    """Green's theorem once more: each corner counts once, as a side along a column ends there."""
    size = excess.shape[0]
    for polygon in range(found.size):
        for ring in range(polygon_offsets[polygon], polygon_offsets[polygon + 1]):
            begin = ring_offsets[ring]
            end = ring_offsets[ring + 1]
            before = end - 1
            for here in range(begin, end):
                after = here + 1 if here + 1 < end else begin
                arrives = coords[before, 0] == coords[here, 0]
                leaves = coords[after, 0] == coords[here, 0]
                if arrives != leaves:
                    u = coords[here, 0] / half_width - 1
                    v = coords[here, 1] / half_height - 1
                    value = 0.0
                    for i in range(size - 1, -1, -1):
                        inner = 0.0
                        for j in range(size - 1, -1, -1):
                            inner = inner * v + excess[i, j]
                        value = value * u + inner
                    found[polygon] += -value if arrives else value
                before = here
