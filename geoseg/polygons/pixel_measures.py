"""Measure polygons along pixel sides from sums over the rows of their grid.

The area and perimeter of such a polygon follow from a few numbers for each row (Green's theorem),
without a projected copy of its vertices. `geoseg.geodesy` measures all other polygons; areas agree
to 1e-9, ellipsoidal ones to 1e-6. With it alone, `vectorise` takes 1.4 to 3 times as long
(benchmarks/RESULTS.md).
"""

from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.polynomial import chebyshev, legendre
from numpy.polynomial import polynomial as powers
from pyproj import CRS, Proj, Transformer
from pyproj.exceptions import ProjError

from geoseg.geodesy import (
    apply_affine,
    geodesic_lengths,
    planar_unit_or_ellipsoid,
    sum_sides,
    transform_separable,
)
from geoseg.polygons.arrays import Coords, Floats, Ints, PolygonArrays
from geoseg.polygons.jit import njit_cached

_DEGREES = (0, 2, 4, 8, 16, 24)
"""Degrees of the polynomial that is fitted to the areal scale of a projection."""
_FIT_TOLERANCE = 1e-6
"""Largest relative error of the fit, less than maps can tell."""
_MAX_NODES = 5
"""Points on each side at which `GridMeasures.corrections` evaluates a polynomial of degree 4 or
more: enough, because no side is as long as the map."""


@dataclass(frozen=True, slots=True)
class GridMeasures:
    """Lengths and areas of the pixels of a grid."""

    pixel_area: float | None
    """Area of a pixel in the CRS (m²); None where it changes from row to row."""
    side_length: Floats
    """(height + 1,) length of a pixel side along each line between rows (m)."""
    cumulative_height: Floats
    """(height + 1,) distance from the first line between rows (m)."""
    cumulative_area: Floats
    """(height + 1,) area of a column of pixels from the first line between rows (m²)."""
    area_correction: Floats | None
    """(k, k) polynomial of column and row, each scaled to -1..1: the ellipsoidal area of the pixels
    above and left of a corner, minus their area in the CRS (pixels). None where ``cumulative_area``
    is ellipsoidal, or the ellipsoidal area is unknown."""
    half_size: tuple[float, float]
    """Half the height and half the width of the map (px)."""

    @classmethod
    def of(cls, transform: Affine, crs: str, height: int, width: int) -> "GridMeasures | None":
        """Measure the rows of a grid.

        Args:
            transform: pixels to coordinates of the CRS.
            crs: the CRS as WKT.
            height: rows of the map (px).
            width: columns of the map (px).

        Returns:
            None where the scale changes along rows: then each polygon is to be measured.
        """
        unit_or_ellipsoid = planar_unit_or_ellipsoid(crs)
        t = transform
        lines = np.arange(height + 1.0)
        half_size = (height / 2, width / 2)
        if isinstance(unit_or_ellipsoid, float):
            unit = unit_or_ellipsoid
            pixel_area = abs(t.determinant) * unit**2
            side, pixel_height = np.hypot(t.a, t.d) * unit, np.hypot(t.b, t.e) * unit
            correction = _area_correction(transform, crs, height, width)
            return cls(
                pixel_area, np.full(lines.size, side), lines * pixel_height, lines * pixel_area,
                correction, half_size,
            )  # fmt: skip
        if t.b or t.d or unit_or_ellipsoid.rotated:
            return None
        start = np.column_stack([np.zeros(lines.size), lines])
        end = np.column_stack([np.ones(lines.size), lines])
        x_start, y = transform_separable(unit_or_ellipsoid, transform, start).T
        x_end, _ = transform_separable(unit_or_ellipsoid, transform, end).T
        sides = geodesic_lengths(unit_or_ellipsoid, transform, start, end)
        heights = geodesic_lengths(unit_or_ellipsoid, transform, start[:-1], start[1:])
        cumulative_height = np.concatenate([[0.0], np.cumsum(heights)])
        with np.errstate(invalid="ignore"):  # infinite where a row is not on the ellipsoid
            cumulative_area = abs(x_end[0] - x_start[0]) * np.abs(y - y[0])
        return cls(None, sides, cumulative_height, cumulative_area, None, half_size)

    def measure(self, polygons: PolygonArrays) -> tuple[Floats, Floats, Floats]:
        """Measure polygons along pixel sides.

        Returns:
            Areas (m²), perimeters (m) and ellipsoidal areas (m²), (n,) each; the last are NaN where
            they are unknown.
        """
        area, perimeter, correction = np.zeros((3, len(polygons)))
        _measure_rings(
            polygons.coords, polygons.ring_offsets, polygons.polygon_offsets,
            self.side_length, self.cumulative_height, self.cumulative_area, area, perimeter,
        )  # fmt: skip
        if self.pixel_area is None:
            return area, perimeter, area
        if self.area_correction is None:
            correction[:] = np.nan
        elif self.area_correction.any():
            _add_corrections(
                polygons.coords, polygons.ring_offsets, polygons.polygon_offsets,
                self.area_correction, *self.half_size, correction,
            )  # fmt: skip
        area[:] = polygons.pixels * self.pixel_area
        return area, perimeter, area + correction * self.pixel_area

    def corrections(self, coords: Floats, ring_offsets: Ints, polygon_offsets: Ints) -> Floats:
        """Return by how much ellipsoidal areas exceed those in the CRS, for any outlines.

        Applies Green's theorem to the integral of the areal scale along rows, with Gaussian
        quadrature over each side.

        Args:
            coords: (m, 2) vertices (col, row) of closed rings (px).
            ring_offsets: (rings + 1,) first vertex of each ring.
            polygon_offsets: (n + 1,) first ring of each polygon.

        Returns:
            (n,) m², NaN where they are unknown.
        """
        if self.area_correction is None or self.pixel_area is None:
            return np.full(polygon_offsets.size - 1, np.nan)
        along_row = powers.polyder(self.area_correction, axis=1)
        nodes = min(len(along_row) - 1, _MAX_NODES)
        scaled = np.ascontiguousarray(coords.T) / np.array(self.half_size)[::-1, None] - 1
        half = np.diff(scaled) / 2
        middle = scaled[:, :-1] + half
        of_sides = np.zeros(half.shape[1])
        for node, weight in zip(*legendre.leggauss(nodes), strict=True):
            u, v = middle + node * half
            of_sides -= weight * half[1] * powers.polyval2d(u, v, along_row)
        of_rings = sum_sides(of_sides, ring_offsets)
        return np.asarray(np.add.reduceat(of_rings, polygon_offsets[:-1]) * self.pixel_area)


def _area_correction(transform: Affine, crs: str, height: int, width: int) -> Floats | None:
    """Fit `GridMeasures.area_correction` to the areal scale of a projection."""
    projected = CRS.from_user_input(crs)
    geographic = projected.geodetic_crs
    if geographic is None:
        return None
    to_degrees = Transformer.from_crs(projected, geographic, always_xy=True)

    def relative_excess(u: Floats, v: Floats) -> Floats:
        col, row = (u + 1) * width / 2, (v + 1) * height / 2
        lon, lat = to_degrees.transform(*apply_affine(transform, col, row), errcheck=True)
        return np.asarray(1 / Proj(projected).get_factors(lon, lat).areal_scale - 1)

    test = np.stack(np.meshgrid(*[np.linspace(-1, 1, 12)] * 2)).reshape(2, -1)
    try:
        expected = relative_excess(*test)
        for degree in _DEGREES:
            nodes = np.stack(np.meshgrid(*[chebyshev.chebpts1(degree + 1)] * 2)).reshape(2, -1)
            vander = powers.polyvander2d(nodes[0], nodes[1], [degree, degree])
            fitted = np.linalg.solve(vander, relative_excess(*nodes))
            fitted = fitted.reshape(degree + 1, degree + 1)
            error = np.asarray(powers.polyval2d(test[0], test[1], fitted)) - expected
            if np.abs(error).max() < _FIT_TOLERANCE:
                integral = powers.polyint(powers.polyint(fitted, lbnd=-1), lbnd=-1, axis=1)
                return np.asarray(integral * height * width / 4)
    except (ProjError, np.linalg.LinAlgError):
        pass
    return None


@njit_cached
def _measure_rings(
    coords: Coords, ring_offsets: Ints, polygon_offsets: Ints,
    side_length: Floats, cumulative_height: Floats, cumulative_area: Floats,
    area: Floats, perimeter: Floats,
) -> None:  # fmt: skip
    """Apply Green's theorem to the sides along columns.

    Columns count from the first vertex of each polygon, so that the sums stay small and exact.
    """
    for polygon in range(area.size):
        origin = coords[ring_offsets[polygon_offsets[polygon]], 0]
        for ring in range(polygon_offsets[polygon], polygon_offsets[polygon + 1]):
            previous = ring_offsets[ring + 1] - 1
            for current in range(ring_offsets[ring], ring_offsets[ring + 1]):
                row = coords[previous, 1]
                row_end = coords[current, 1]
                if row == row_end:
                    pixels = abs(coords[current, 0] - coords[previous, 0])
                    perimeter[polygon] += pixels * side_length[row]
                else:
                    perimeter[polygon] += abs(cumulative_height[row_end] - cumulative_height[row])
                    column_area = cumulative_area[row] - cumulative_area[row_end]
                    area[polygon] += (coords[current, 0] - origin) * column_area
                previous = current


@njit_cached
def _add_corrections(
    coords: Coords, ring_offsets: Ints, polygon_offsets: Ints,
    coefficients: Floats, half_height: float, half_width: float, correction: Floats,
) -> None:  # fmt: skip
    """Apply Green's theorem to the integral of the areal scale.

    Each corner counts once, plus or minus, because one side along a column starts or ends there.
    """
    size = coefficients.shape[0]
    for polygon in range(correction.size):
        for ring in range(polygon_offsets[polygon], polygon_offsets[polygon + 1]):
            begin = ring_offsets[ring]
            end = ring_offsets[ring + 1]
            previous = end - 1
            for current in range(begin, end):
                following = current + 1 if current + 1 < end else begin
                arrives = coords[previous, 0] == coords[current, 0]
                leaves = coords[following, 0] == coords[current, 0]
                if arrives != leaves:
                    u = coords[current, 0] / half_width - 1
                    v = coords[current, 1] / half_height - 1
                    value = 0.0  # Horner's scheme in u and v
                    for i in range(size - 1, -1, -1):
                        inner = 0.0
                        for j in range(size - 1, -1, -1):
                            inner = inner * v + coefficients[i, j]
                        value = value * u + inner
                    correction[polygon] += -value if arrives else value
                previous = current
