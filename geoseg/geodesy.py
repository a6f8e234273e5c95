"""Areas and perimeters of polygons that are given in pixel coordinates.

In a projected CRS these are planar, times the square (the first power) of its unit in metres. In
a geographic CRS and in Mercator projections, whose scale changes from row to row, they are those
on the ellipsoid; true areas are so in every CRS. Such areas are found by a cylindrical equal-area
projection, in which meridians and parallels stay straight, so that the cells of a north-up scene
in degrees are exact; such lengths by geodesics, where a side along a row counts as many times as
it has pixels, so that they add up over its parts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from pyproj import CRS, Geod, Transformer

Floats = npt.NDArray[np.float64]
Polygons = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """How a CRS maps to its ellipsoid; longitudes are not wrapped."""

    equal_area: Transformer
    """CRS to metres in which areas are true."""
    lon_lat: Transformer
    """CRS to degrees."""
    geod: Geod


def apply_affine(transform: Affine, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Apply an affine transform to coordinates.

    The order of operations is fixed, ``a*x + b*y + c`` and ``d*x + e*y + f``, so that the same
    point has the same bits everywhere.

    Args:
        transform: pixels to coordinates of a CRS, or the inverse.
        x: columns, or x coordinates: any shape.
        y: rows, or y coordinates: the same shape.

    Returns:
        Two arrays of this shape: x and y, or columns and rows.
    """
    return (
        transform.a * x + transform.b * y + transform.c,
        transform.d * x + transform.e * y + transform.f,
    )


def polygon_areas(polygons: Polygons, transform: Affine, crs: str | None) -> Floats:
    """Areas in m².

    Args:
        polygons: (n,) shapely polygons, vertices (col, row) (px).
        transform: pixels to coordinates of the CRS.
        crs: the CRS as WKT, or None where it is unknown.

    Returns:
        (n,) m², NaN where the CRS is unknown.
    """
    if crs is None:
        return np.full(polygons.size, np.nan)
    metric = planar_unit_or_ellipsoid(crs)
    if isinstance(metric, float):
        return np.asarray(shapely.area(polygons) * abs(transform.determinant) * metric**2)

    def flatten(pixels: Floats) -> Floats:
        return transform_separable(metric.equal_area, transform, pixels)

    return np.asarray(shapely.area(shapely.transform(polygons, flatten)))


def pixel_areas(transform: Affine, crs: str | None, rows: npt.NDArray[np.integer]) -> Floats:
    """Area (m²) of a pixel in each of ``rows`` (n,), of the first column; see `polygon_areas`."""
    return polygon_areas(shapely.box(0, rows, 1, rows + 1), transform, crs)


def polygon_perimeters(polygons: Polygons, transform: Affine, crs: str | None) -> Floats:
    """Lengths of all rings, holes included, in m.

    Args:
        polygons: (n,) shapely polygons, vertices (col, row) (px).
        transform: pixels to coordinates of the CRS.
        crs: the CRS as WKT, or None where it is unknown.

    Returns:
        (n,) m, NaN where the CRS is unknown.
    """
    if crs is None or not polygons.size:
        return np.full(polygons.size, np.nan)
    _, coords, (ring_offsets, polygon_offsets) = shapely.to_ragged_array(polygons)
    start, end = coords[:-1], coords[1:]
    metric = planar_unit_or_ellipsoid(crs)
    if isinstance(metric, float):
        dx, dy = (end - start).T
        along = (transform.a * dx + transform.b * dy, transform.d * dx + transform.e * dy)
        length = np.hypot(*along) * metric
    else:
        length = geodesic_lengths(metric, transform, start, end)
    # The last vertex of a ring begins no side.
    length = np.append(length, 0.0)
    length[ring_offsets[1:] - 1] = 0.0
    return np.asarray(np.add.reduceat(length, ring_offsets[polygon_offsets[:-1]]))


def ellipsoidal_areas(polygons: Polygons, transform: Affine, crs: str | None) -> Floats:
    """Areas on the ellipsoid in m², whatever the CRS.

    Args:
        polygons: (n,) shapely polygons, vertices (col, row) (px).
        transform: pixels to coordinates of the CRS.
        crs: the CRS as WKT, or None where it is unknown.

    Returns:
        (n,) m², NaN where the CRS is unknown or has no ellipsoid.
    """
    figure = None if crs is None else ellipsoid(crs)
    if crs is None or figure is None:
        return np.full(polygons.size, np.nan)
    if isinstance(planar_unit_or_ellipsoid(crs), Ellipsoid):
        return polygon_areas(polygons, transform, crs)

    def flatten(pixels: Floats) -> Floats:
        return np.column_stack(figure.equal_area.transform(*apply_affine(transform, *pixels.T)))

    return np.asarray(shapely.area(shapely.transform(polygons, flatten)))


@lru_cache(maxsize=8)
def planar_unit_or_ellipsoid(wkt: str) -> float | Ellipsoid:
    """Metres in a unit of a CRS that is fit for planar measures, else its ellipsoid."""
    crs = _horizontal(CRS.from_user_input(wkt))
    operation = crs.coordinate_operation
    method = operation.method_name.casefold() if operation else ""
    mercator = "mercator" in method and not ("transverse" in method or "oblique" in method)
    if not (crs.is_geographic or mercator):
        return float(crs.axis_info[0].unit_conversion_factor) if crs.axis_info else float("nan")
    found = ellipsoid(wkt)
    if found is None:
        raise ValueError(f"the CRS {crs.name} has no ellipsoid")
    return found


@lru_cache(maxsize=8)
def ellipsoid(wkt: str) -> Ellipsoid | None:
    """The ellipsoid of a CRS, None where it has none."""
    crs = _horizontal(CRS.from_user_input(wkt))
    figure = crs.ellipsoid
    if figure is None:
        return None
    size = f"+a={figure.semi_major_metre!r} +b={figure.semi_minor_metre!r}"
    return Ellipsoid(
        _transformer(crs, f"+proj=cea +lat_ts=0 +lon_0=0 {size} +units=m +type=crs"),
        _transformer(crs, f"+proj=longlat {size} +type=crs"),
        Geod(a=figure.semi_major_metre, b=figure.semi_minor_metre),
    )


def _horizontal(crs: CRS) -> CRS:
    """The part of a CRS that places columns and rows."""
    if crs.is_bound and crs.source_crs is not None:
        return _horizontal(crs.source_crs)
    return _horizontal(crs.sub_crs_list[0]) if crs.is_compound else crs


def _transformer(source: CRS, target: str) -> Transformer:
    # The target has the same ellipsoid and no datum: PROJ then shifts nothing.
    return Transformer.from_crs(source, CRS.from_proj4(target), always_xy=True, force_over=True)


def transform_separable(transformer: Transformer, transform: Affine, pixels: Floats) -> Floats:
    """Pixel coordinates (m, 2) transformed, by distinct columns and rows where these suffice."""
    if transform.b or transform.d or not pixels.size:
        return np.column_stack(transformer.transform(*apply_affine(transform, *pixels.T)))
    (cols, at_col), (rows, at_row) = (np.unique(pixels[:, i], return_inverse=True) for i in (0, 1))
    at_first_row = np.column_stack([cols, np.full(cols.size, rows[0])])
    at_first_col = np.column_stack([np.full(rows.size, cols[0]), rows])
    x, _ = transformer.transform(*apply_affine(transform, *at_first_row.T))
    _, y = transformer.transform(*apply_affine(transform, *at_first_col.T))
    return np.column_stack([x[at_col], y[at_row]])


def geodesic_lengths(metric: Ellipsoid, transform: Affine, start: Floats, end: Floats) -> Floats:
    """Lengths (m,) of the sides between pixel coordinates ``start`` and ``end`` (m, 2)."""

    def distance(one: Floats, other: Floats) -> Floats:
        lon, lat = metric.lon_lat.transform(*apply_affine(transform, *one.T))
        lon_end, lat_end = metric.lon_lat.transform(*apply_affine(transform, *other.T))
        # The edge of a map of the world may be rounded to just beyond the pole.
        lat, lat_end = np.clip([lat, lat_end], -90, 90)
        return np.asarray(metric.geod.inv(lon, lat, lon_end, lat_end)[2])

    length = np.empty(start.shape[0])
    plain = not (transform.b or transform.d)
    level = plain & (start[:, 1] == end[:, 1])
    upright = plain & (start[:, 0] == end[:, 0]) & ~level
    length[level] = _along_parallel(distance, start[level], end[level])
    length[upright] = _along_meridian(distance, start[upright], end[upright])
    other = ~(level | upright)
    length[other] = distance(start[other], end[other])
    return length


def _along_parallel(
    distance: Callable[[Floats, Floats], Floats], start: Floats, end: Floats
) -> Floats:
    """Lengths of sides along rows: pixels times the width of one pixel there."""
    rows, at_row = np.unique(start[:, 1], return_inverse=True)
    begin = np.column_stack([np.zeros(rows.size), rows])
    width = distance(begin, begin + np.array([1.0, 0.0]))
    return np.asarray(np.abs(end[:, 0] - start[:, 0]) * width[at_row])


def _along_meridian(
    distance: Callable[[Floats, Floats], Floats], start: Floats, end: Floats
) -> Floats:
    """Lengths of sides along columns: parts of one meridian."""
    rows, at_row = np.unique(np.stack([start[:, 1], end[:, 1]]), return_inverse=True)
    points = np.column_stack([np.zeros(rows.size), rows])
    south = np.concatenate([[0.0], np.cumsum(distance(points[:-1], points[1:]))])
    at_start, at_end = at_row.reshape(2, -1)
    return np.asarray(np.abs(south[at_end] - south[at_start]))
