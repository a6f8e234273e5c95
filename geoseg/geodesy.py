"""Measure areas and perimeters of pixels and polygons in m² and m.

In a projected CRS measures are planar, in its unit converted to metres. In a geographic CRS and in
Mercator projections, whose scale changes from row to row, they are ellipsoidal. `ellipsoidal_areas`
are ellipsoidal in every CRS.

Ellipsoidal areas use a cylindrical equal-area projection: meridians and parallels stay straight, so
the pixels of a north-up scene in degrees are exact. Ellipsoidal lengths are geodesic; a side along
a row counts the width of one pixel for each of its pixels, so that lengths add up over its parts.
"""

from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from pyproj import CRS, Geod, Transformer

Floats = npt.NDArray[np.float64]
Polygons = npt.NDArray[np.object_]

_OUTLINE_POINTS = 64
"""Points along each side of `rectangle_outline`."""
_LONGEST_SIDE = 1000
"""Length (m) above which a side is divided where its image in another projection is a curve."""
_NEAR_POLE = 89.9
"""Latitude beyond which sides of `_LONGEST_SIDE` are too long."""
_MAX_LATITUDE = 95
"""Latitude up to which a pixel may reach beyond the pole, such as one whose centre lies on it."""


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """The ellipsoid of a CRS, and transformers to it; longitudes are not wrapped."""

    lonlat: Transformer
    """Transforms CRS coordinates to longitude and latitude (degrees)."""
    equal_area: Transformer
    """Transforms these to a cylindrical equal-area projection (m)."""
    geod: Geod
    """Geodesic calculations on the ellipsoid."""
    rotated: bool
    """Whether the CRS is in degrees around a rotated pole, so that its meridians are curves."""

    def to_lonlat(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return longitude and latitude; latitudes just beyond a pole become the pole."""
        lon, lat = self.lonlat.transform(x, y)
        return lon, np.where(np.abs(lat) <= _MAX_LATITUDE, np.clip(lat, -90, 90), np.inf)

    def to_equal_area(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return x and y of a cylindrical equal-area projection (m)."""
        projected: tuple[Floats, Floats] = self.equal_area.transform(*self.to_lonlat(x, y))
        return projected


def rectangle_outline(
    left: float, bottom: float, right: float, top: float
) -> tuple[Floats, Floats]:
    """Return x and y of points along the sides of a rectangle.

    Transformed to another CRS, where the sides are curves, the points show where the rectangle
    lies.
    """
    share = np.linspace(0, 1, _OUTLINE_POINTS)
    zero, one = np.zeros_like(share), np.ones_like(share)
    x = left + (right - left) * np.concatenate([share, share, zero, one])
    y = bottom + (top - bottom) * np.concatenate([zero, one, share, share])
    return x, y


def apply_affine(transform: Affine, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Apply an affine transform to coordinates: ``a*x + b*y + c`` and ``d*x + e*y + f``.

    The order of operations is fixed, so that the same point has the same bits everywhere.

    Args:
        transform: pixels to coordinates of a CRS, or the inverse.
        x: columns, or x coordinates: any shape.
        y: rows, or y coordinates: the same shape.
    """
    return (
        transform.a * x + transform.b * y + transform.c,
        transform.d * x + transform.e * y + transform.f,
    )


def transform_geometries(geometries: Polygons, transform: Affine) -> Polygons:
    """Apply an affine transform to all vertices of geometries, in an array of any shape."""
    moved = shapely.transform(
        geometries, lambda x, y: apply_affine(transform, x, y), interleaved=False
    )
    return np.asarray(moved)


def polygon_areas(polygons: Polygons, transform: Affine, crs: str | None) -> Floats:
    """Return the areas of polygons.

    Args:
        polygons: (n,) shapely polygons, vertices (col, row) (px).
        transform: pixels to coordinates of the CRS.
        crs: the CRS as WKT, or None where it is unknown.

    Returns:
        (n,) m², NaN where the CRS is unknown.
    """
    if crs is None:
        return np.full(polygons.size, np.nan)
    scale = planar_unit_or_ellipsoid(crs)
    if isinstance(scale, float):
        return np.asarray(shapely.area(polygons) * abs(transform.determinant) * scale**2)
    if scale.rotated:
        return _rotated_areas(polygons, transform, scale)
    to_equal_area = partial(transform_separable, scale, transform)
    with np.errstate(invalid="ignore"):  # coordinates that are not on the ellipsoid are infinite
        return np.asarray(shapely.area(shapely.transform(polygons, to_equal_area)))


def pixel_areas(
    transform: Affine, crs: str | None, rows: npt.NDArray[np.integer], width: int
) -> Floats:
    """Return the mean area of the pixels in each row.

    Pixels of a row differ in area where the CRS is in degrees or Mercator, and the scene is rotated
    or its pole is. The area of any pixels of a row is then right to 1 %, or unknown.

    Args:
        transform: pixels to coordinates of the CRS.
        crs: the CRS as WKT, or None where it is unknown.
        rows: (n,) rows (px).
        width: columns of the scene (px).

    Returns:
        (n,) m², NaN where the CRS is unknown, or where pixels of a row differ by more than 1 %.
    """

    def areas(col: float) -> Floats:
        return polygon_areas(shapely.box(col, rows, col + 1, rows + 1), transform, crs)

    scale = None if crs is None else planar_unit_or_ellipsoid(crs)
    if not isinstance(scale, Ellipsoid) or not (transform.b or transform.d or scale.rotated):
        return areas(0)
    first, middle, last = of_columns = np.stack([areas(x) for x in np.linspace(0, width - 1, 3)])
    mean = (first + 4 * middle + last) / 6  # Simpson's rule
    return np.asarray(np.where(np.ptp(of_columns, axis=0) > 0.01 * mean, np.nan, mean))


def polygon_perimeters(polygons: Polygons, transform: Affine, crs: str | None) -> Floats:
    """Return the lengths of all rings of polygons, holes included.

    Takes the arguments of `polygon_areas`.

    Returns:
        (n,) m, NaN where the CRS is unknown.
    """
    if crs is None or not polygons.size:
        return np.full(polygons.size, np.nan)
    _, coords, (ring_offsets, polygon_offsets) = shapely.to_ragged_array(polygons)
    start, end = coords[:-1], coords[1:]
    scale = planar_unit_or_ellipsoid(crs)
    if isinstance(scale, float):
        dx, dy = (end - start).T
        side = (transform.a * dx + transform.b * dy, transform.d * dx + transform.e * dy)
        length = np.hypot(*side) * scale
    else:
        length = geodesic_lengths(scale, transform, start, end)
    return np.asarray(np.add.reduceat(sum_sides(length, ring_offsets), polygon_offsets[:-1]))


def ellipsoidal_areas(polygons: Polygons, transform: Affine, crs: str | None) -> Floats:
    """Return the areas of polygons on the ellipsoid, in any CRS.

    Takes the arguments of `polygon_areas`.

    Returns:
        (n,) m², NaN where the CRS is unknown or has no ellipsoid.
    """
    of_crs = None if crs is None else ellipsoid(crs)
    if crs is None or of_crs is None:
        return np.full(polygons.size, np.nan)
    unit = planar_unit_or_ellipsoid(crs)
    if isinstance(unit, Ellipsoid):
        return polygon_areas(polygons, transform, crs)
    return _curved_areas(polygons, transform, of_crs, unit)


def _rotated_areas(polygons: Polygons, transform: Affine, of_crs: Ellipsoid) -> Floats:
    """Return areas in degrees around a rotated pole.

    The rotation is that of a sphere, so it keeps areas on it. Each is scaled by the radius of the
    ellipsoid at the centre of the polygon, which is exact to 1e-3 for a polygon of 2000 km.
    """

    def to_sphere(pixels: Floats) -> Floats:
        lon, lat = np.radians(apply_affine(transform, *pixels.T))
        return np.column_stack([lon, np.sin(np.clip(lat, -np.pi / 2, np.pi / 2))])

    center = shapely.get_coordinates(shapely.centroid(polygons))
    _, lat = of_crs.to_lonlat(*apply_affine(transform, *center.T))
    geod = of_crs.geod
    squared_radius = geod.a**2 * (1 - geod.es) / (1 - geod.es * np.sin(np.radians(lat)) ** 2) ** 2
    return np.asarray(shapely.area(shapely.transform(polygons, to_sphere)) * squared_radius)


def _curved_areas(polygons: Polygons, transform: Affine, of_crs: Ellipsoid, unit: float) -> Floats:
    """Return ellipsoidal areas in a CRS in which meridians or parallels are curved.

    Sides are divided where their chords in the equal-area projection would differ from them.
    Longitudes may jump by 360 degrees along a ring, and a ring may lie around a pole.

    Args:
        polygons: (n,) shapely polygons, vertices (col, row) (px).
        transform: pixels to coordinates of the CRS.
        of_crs: ellipsoid of the CRS.
        unit: metres per unit of the CRS.

    Returns:
        (n,) m², NaN where a vertex is not on the ellipsoid, or so near to a pole that chords of
        divided sides would differ from them.
    """
    if not polygons.size:
        return np.zeros(0)
    longest_side = _LONGEST_SIDE / (np.sqrt(abs(transform.determinant)) * unit)
    divided = shapely.segmentize(polygons, longest_side)
    _, coords, (ring_offsets, polygon_offsets) = shapely.to_ragged_array(divided)
    lon, lat = of_crs.to_lonlat(*apply_affine(transform, *coords.T))
    _, y = of_crs.equal_area.transform(np.zeros_like(lat), lat)
    radius, pole = of_crs.geod.a, of_crs.equal_area.transform(0, 90)[1]
    first = ring_offsets[:-1]
    with np.errstate(invalid="ignore"):
        turn = np.diff(lon)
        turn = np.radians(turn - 360 * np.round(turn / 360))
        # Heights count from the first vertex of the ring, so that small areas stay exact.
        above = np.repeat(y[first], np.diff(ring_offsets)) - y
        area = sum_sides(turn * (above[1:] + above[:-1]) / 2, ring_offsets)
        turns = np.round(sum_sides(turn, ring_offsets) / (2 * np.pi))
    # A ring around a pole bounds the part up to the north pole and the rest of the ellipsoid.
    area = radius * np.abs(area + turns * 2 * np.pi * (pole - y[first]))
    area = np.minimum(area, radius * 4 * np.pi * pole - area)
    area[np.maximum.reduceat(np.abs(lat), first) > _NEAR_POLE] = np.nan
    is_hole = np.ones(area.size, np.bool_)
    is_hole[polygon_offsets[:-1]] = False
    return np.asarray(np.add.reduceat(np.where(is_hole, -area, area), polygon_offsets[:-1]))


def sum_sides(measures: Floats, ring_offsets: npt.NDArray[np.integer]) -> Floats:
    """Return the sum of a measure of the sides, such as their length, over each ring.

    Args:
        measures: (m - 1,) for m vertices: that of the side that starts at the vertex.
        ring_offsets: (rings + 1,) first vertex of each ring, whose last one starts no side.
    """
    of_sides = np.append(measures, 0.0)
    of_sides[ring_offsets[1:] - 1] = 0.0
    return np.asarray(np.add.reduceat(of_sides, ring_offsets[:-1]))


@lru_cache(maxsize=8)
def planar_unit_or_ellipsoid(wkt: str) -> float | Ellipsoid:
    """Return metres per unit of a CRS in which measures are planar, else its ellipsoid.

    Raises:
        ValueError: if measures are not planar and the CRS has no ellipsoid.
    """
    crs = _horizontal(CRS.from_user_input(wkt))
    operation = crs.coordinate_operation
    method = operation.method_name.casefold() if operation else ""
    mercator = "mercator" in method and not ("transverse" in method or "oblique" in method)
    if not (crs.is_geographic or mercator):
        return float(crs.axis_info[0].unit_conversion_factor) if crs.axis_info else float("nan")
    of_crs = ellipsoid(wkt)
    if of_crs is None:
        raise ValueError(f"the CRS {crs.name} has no ellipsoid")
    return of_crs


@lru_cache(maxsize=8)
def ellipsoid(wkt: str) -> Ellipsoid | None:
    """Return the ellipsoid of a CRS; None where it has none."""
    crs = _horizontal(CRS.from_user_input(wkt))
    shape = crs.ellipsoid
    if shape is None:
        return None
    size = f"+a={shape.semi_major_metre!r} +b={shape.semi_minor_metre!r}"
    lonlat = CRS.from_proj4(f"+proj=longlat {size} +type=crs")
    return Ellipsoid(
        _transformer(crs, lonlat),
        _transformer(lonlat, CRS.from_proj4(f"+proj=cea +lat_ts=0 {size} +units=m +type=crs")),
        Geod(a=shape.semi_major_metre, b=shape.semi_minor_metre),
        rotated=crs.is_geographic and crs.is_derived,
    )


def _horizontal(crs: CRS) -> CRS:
    """Return the horizontal part of a CRS, without datum shift or height."""
    if crs.is_bound and crs.source_crs is not None:
        return _horizontal(crs.source_crs)
    return _horizontal(crs.sub_crs_list[0]) if crs.is_compound else crs


def _transformer(source: CRS, target: CRS) -> Transformer:
    # The target has the same ellipsoid and no datum: PROJ then shifts nothing.
    return Transformer.from_crs(source, target, always_xy=True, force_over=True)


def transform_separable(of_crs: Ellipsoid, transform: Affine, pixels: Floats) -> Floats:
    """Transform pixel coordinates to the equal-area projection, which keeps meridians straight.

    On a north-up grid, only distinct columns and rows are transformed.

    Args:
        of_crs: ellipsoid of the CRS.
        transform: pixels to coordinates of the CRS.
        pixels: (m, 2) columns and rows (px).

    Returns:
        (m, 2) x and y.
    """
    if transform.b or transform.d or not pixels.size:
        return np.column_stack(of_crs.to_equal_area(*apply_affine(transform, *pixels.T)))
    (cols, col_index), (rows, row_index) = (
        np.unique(pixels[:, i], return_inverse=True) for i in (0, 1)
    )
    at_first_row = np.column_stack([cols, np.full(cols.size, rows[0])])
    at_first_col = np.column_stack([np.full(rows.size, cols[0]), rows])
    x, _ = of_crs.to_equal_area(*apply_affine(transform, *at_first_row.T))
    _, y = of_crs.to_equal_area(*apply_affine(transform, *at_first_col.T))
    return np.column_stack([x[col_index], y[row_index]])


def geodesic_lengths(of_crs: Ellipsoid, transform: Affine, start: Floats, end: Floats) -> Floats:
    """Return the geodesic lengths of sides.

    Args:
        of_crs: ellipsoid of the CRS.
        transform: pixels to coordinates of the CRS.
        start: (n, 2) column and row where each side starts (px).
        end: (n, 2) where it ends (px).

    Returns:
        (n,) m.
    """

    def distance(start: Floats, end: Floats) -> Floats:
        first = of_crs.to_lonlat(*apply_affine(transform, *start.T))
        last = of_crs.to_lonlat(*apply_affine(transform, *end.T))
        return np.asarray(of_crs.geod.inv(*first, *last)[2])

    length = np.empty(start.shape[0])
    north_up = not (transform.b or transform.d or of_crs.rotated)
    in_row = north_up & (start[:, 1] == end[:, 1])
    in_col = north_up & (start[:, 0] == end[:, 0]) & ~in_row
    # Along a row: pixels times the width of one pixel of the row.
    rows, row_index = np.unique(start[in_row, 1], return_inverse=True)
    first = np.column_stack([np.zeros(rows.size), rows])
    width = distance(first, first + np.array([1.0, 0.0]))
    length[in_row] = np.abs(end[in_row, 0] - start[in_row, 0]) * width[row_index]
    # Along a column: differences of the distance along one meridian.
    ends = np.stack([start[in_col, 1], end[in_col, 1]])
    rows, row_index = np.unique(ends, return_inverse=True)
    points = np.column_stack([np.zeros(rows.size), rows])
    cumulative = np.concatenate([[0.0], np.cumsum(distance(points[:-1], points[1:]))])
    start_index, end_index = row_index.reshape(2, -1)
    length[in_col] = np.abs(cumulative[end_index] - cumulative[start_index])
    slanted = ~(in_row | in_col)
    length[slanted] = distance(start[slanted], end[slanted])
    return length
