"""Convert polygons to longitude and latitude (EPSG:4326), for GeoJSON and PMTiles.

The polygons must stay a valid coverage. So the projection of the map must be continuous and far
from the poles, or the map is refused. Coordinates get so many decimals that rounding causes no
crossing, long sides that would bend get extra vertices, and polygons across 180 degrees are cut.
"""

from dataclasses import dataclass
from math import ceil, log10
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa
import shapely
from affine import Affine
from pyproj import CRS, Transformer
from pyproj.enums import TransformDirection
from pyproj.exceptions import ProjError

from geoseg.errors import OutputError, count_of
from geoseg.geodesy import apply_affine
from geoseg.polygons.arrays import Floats, Ints, offsets_of
from geoseg.polygons.write.wkb import to_wkb

CRS_NAME = "EPSG:4326"

_ROUNDING = 0.001
"""Largest move of a vertex by rounding (px), far below the distance of a vertex from a side."""
_MIN_DECIMALS = 7
_MAX_DECIMALS = 12
"""A double holds 15 significant digits, 3 of them before the point."""
_MAX_BEND = 0.1
"""Largest distance (px) between a straight side in longitude and latitude and that on the map."""
_MAX_PIXEL_BEND = 0.5
"""The same for sides of one pixel (px); they bend more only close to a pole."""
_SAMPLES = 33
"""Sample points along each axis of the map, at which the projection is examined."""
_STENCIL = np.array(
    [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1)]
) / 2  # fmt: skip
"""Offsets (px) around a sample point: itself, then four pairs of opposite points."""


@dataclass(frozen=True, slots=True)
class LonLat:
    """The conversion of a map to longitude and latitude."""

    path: Path
    """The file to write, for messages."""
    crs: str
    """WKT of the map's CRS."""
    meridian: float | None
    """Longitudes are taken within 180 degrees of it; None where those of PROJ are continuous."""
    shift: int
    """Multiple of 360 degrees to add, so that the middle of the map is in -180..180."""
    bounds: tuple[float, float, float, float]
    """West, south, east, north of the map (degrees); east may exceed 180, west be below -180."""
    pixels_per_degree: float
    """Largest move of a point (px) if its longitude and latitude both change by one degree."""
    decimals: int
    """Decimals that coordinates are rounded to."""
    max_side: float
    """Longest side (px) that bends by less than a tenth of a pixel."""
    closing_col: int | None
    """Column on the same meridian as column 0, on a map of the world; None if there is none, or if
    it is 180 degrees."""

    @classmethod
    def of(cls, path: Path, transform: Affine, crs: str | None, size: tuple[int, int]) -> "LonLat":
        """Examine the projection of a map.

        Args:
            path: the file to write, for messages.
            transform: pixels to coordinates of ``crs``.
            crs: WKT of the map's CRS, or None.
            size: height and width of the map (px).

        Raises:
            OutputError: if longitude and latitude cannot represent the map.
        """
        if crs is None:
            refuse(path, "it has no CRS (assign one with gdal_edit -a_srs)")
        try:
            transformer = _transformer(crs)
        except ProjError:
            refuse(
                path, f"its CRS {CRS.from_user_input(crs).name} cannot be converted to {CRS_NAME}"
            )
        samples = _sample_points(transformer, transform, size)
        points = samples[:, None] + _STENCIL
        lon, lat = transformer.transform(*apply_affine(transform, *np.moveaxis(points, -1, 0)))
        x, y = transformer.transform(lon, lat, direction=TransformDirection.INVERSE)
        with np.errstate(invalid="ignore"):  # PROJ returns inf where it cannot convert
            back = np.stack(apply_affine(~transform, x, y), -1)
        if not np.abs(back - points).max() < _MAX_BEND:  # also for nan
            refuse(path, "parts of it have no longitude and latitude")
        grid = slice(0, _SAMPLES**2)
        meridian = _meridian(path, lon[grid, 0].reshape(_SAMPLES, _SAMPLES))
        lon = _unwrap(lon, meridian)
        shift = -360 * round((lon.min() + lon.max()) / 720)
        bounds = (lon.min() + shift, lat.min(), lon.max() + shift, lat.max())
        if bounds[2] - bounds[0] > 360 + 1e-6:
            refuse(path, "it reaches more than once around the earth")
        if max(-bounds[1], bounds[3]) > 90 + 1e-6:
            refuse(path, "it reaches beyond a pole")
        pixels_per_degree, bend = _scale_and_bend(np.stack([lon, lat], -1))
        if not bend < _MAX_PIXEL_BEND:
            refuse(path, "a pole is in it or close to it")
        decimals = max(ceil(log10(pixels_per_degree / 2 / _ROUNDING)), _MIN_DECIMALS)
        if decimals > _MAX_DECIMALS:
            refuse(path, "its pixels are too small for coordinates in degrees")
        # The deviation of a chord grows with the square of its length, 1 px in the stencil.
        max_side = float(np.sqrt(_MAX_BEND / max(bend, 1e-12)))
        is_closed = bounds[2] - bounds[0] > 360 - 1e-6 and abs(bounds[0] + 180) > 1e-6
        return cls(
            path, crs, meridian, shift, bounds, pixels_per_degree, decimals, max_side,
            closing_col=size[1] if is_closed else None,
        )  # fmt: skip

    def divide_sides(self, vertices: Floats, ring_offsets: Ints) -> tuple[Floats, Ints]:
        """Add vertices to long sides, so that they bend with the map.

        Args:
            vertices: (m, 2) vertices (col, row) of open rings (px).
            ring_offsets: (rings + 1,) first vertex of each ring.

        Returns:
            New vertices and offsets. A shared side gets the same vertices in both polygons.
        """
        next_vertex = np.arange(1, vertices.shape[0] + 1)
        next_vertex[ring_offsets[1:] - 1] = ring_offsets[:-1]
        length = np.hypot(*(vertices[next_vertex] - vertices).T)
        pieces = np.maximum(np.ceil(length / self.max_side), 1).astype(np.int64)
        if self.closing_col is not None:  # polygons of both ends of the map meet there
            col, end = vertices[:, 0], vertices[next_vertex, 0]
            closing = (col == end) & ((col == 0) | (col == self.closing_col))
            pieces[closing] = length[closing]
        if (pieces == 1).all():
            return vertices, ring_offsets
        offsets = offsets_of(pieces)
        side = np.repeat(np.arange(pieces.size), pieces)
        step = (np.arange(offsets[-1]) - offsets[side])[:, None]
        count = pieces[side][:, None]
        # This sum has the same bits from either end of the side.
        weighted = (count - step) * vertices[side] + step * vertices[next_vertex[side]]
        return weighted / count, offsets[ring_offsets]

    def project(self, xy: Floats) -> Floats:
        """Convert coordinates (m, 2) of the map to rounded longitudes and latitudes (m, 2)."""
        lon, lat = _transformer(self.crs).transform(xy[:, 0], xy[:, 1])
        degrees = np.column_stack([_unwrap(lon, self.meridian) + self.shift, lat])
        np.round(degrees, self.decimals, out=degrees)
        np.clip(degrees[:, 1], -90, 90, out=degrees[:, 1])
        return degrees

    def to_wkb(self, degrees: Floats, ring_offsets: Ints, polygon_offsets: Ints) -> pa.Array:
        """Return WKB of projected polygons; those across 180 degrees are cut there.

        Takes the arguments of `geoseg.polygons.write.wkb.to_wkb`, with ``degrees`` of `project`.

        Returns:
            (n,) WKB of Polygons, MultiPolygons where cut.

        Raises:
            OutputError: if a polygon is invalid.
        """
        shapes = shapely.from_ragged_array(
            shapely.GeometryType.POLYGON, degrees, (ring_offsets, polygon_offsets)
        )
        invalid = int((~shapely.is_valid(shapes)).sum())
        if invalid:
            themselves = "itself" if invalid == 1 else "themselves"
            refuse(self.path, f"{count_of(invalid, 'polygon')} would cross {themselves}")
        wkb = to_wkb(degrees, ring_offsets, polygon_offsets)
        if self.bounds[0] >= -180 and self.bounds[2] <= 180:
            return wkb
        west, _, east, _ = shapely.bounds(shapes).T
        crossing = np.flatnonzero((west < -180) | (east > 180))
        column = wkb.to_numpy(zero_copy_only=False)
        cut = _cut_at_antimeridian(shapes[crossing], 10.0**-self.decimals)
        column[crossing] = shapely.to_wkb(cut)
        return pa.array(column, pa.binary())


def refuse(path: Path, reason: str) -> NoReturn:
    """Raise an OutputError: longitude and latitude cannot represent the map of ``path``."""
    raise OutputError(
        f"{path} needs longitude and latitude, which cannot represent the map: {reason}, "
        "write .gpkg or .parquet instead"
    )


def _transformer(crs: str) -> Transformer:
    # force_over: longitudes beyond 180 degrees stay what they are, so that they are continuous.
    return Transformer.from_crs(crs, CRS_NAME, always_xy=True, force_over=True)


def _sample_points(transformer: Transformer, transform: Affine, size: tuple[int, int]) -> Floats:
    """Return points (n, 2) as (col, row): a grid over the map, then those closest to the poles."""
    last = np.array([size[1], size[0]]) - 0.5
    cols, rows = (np.linspace(0.5, end, _SAMPLES) for end in last)
    grid = np.stack(np.meshgrid(cols, rows), -1).reshape(-1, 2)
    xy = transformer.transform([0, 0], [90, -90], direction=TransformDirection.INVERSE)
    poles = np.stack(xy, -1)
    poles = poles[np.isfinite(poles).all(1)]
    pole_pixels = np.stack(apply_affine(~transform, *poles.T), -1)
    return np.concatenate([grid, np.clip(pole_pixels, 0.5, last)])


def _meridian(path: Path, lon: Floats) -> float | None:
    """Find `LonLat.meridian` for a grid (n, n) of longitudes.

    Raises:
        OutputError: if no range of 360 degrees makes them continuous.
    """
    for meridian in (None, float(lon[_SAMPLES // 2, _SAMPLES // 2])):
        unwrapped = _unwrap(lon, meridian)
        if max(np.abs(np.diff(unwrapped, axis=axis)).max() for axis in (0, 1)) < 180:
            return meridian
    refuse(path, "it goes around a pole, or more than once around the earth")


def _unwrap(lon: Floats, meridian: float | None) -> Floats:
    return lon if meridian is None else lon - 360 * np.round((lon - meridian) / 360)


def _scale_and_bend(degrees: Floats) -> tuple[float, float]:
    """Return pixels per degree and the bend of a side of one pixel (px), at the worst sample.

    Args:
        degrees: (n, 9, 2) longitude and latitude of the stencil around each sample.
    """
    along_col, along_row = degrees[:, 1] - degrees[:, 2], degrees[:, 3] - degrees[:, 4]
    jacobian = np.stack([along_col, along_row], -1)
    if not np.abs(np.linalg.det(jacobian)).min() > 0:
        return np.inf, np.inf
    inverse = np.linalg.inv(jacobian)
    middles = (degrees[:, 1::2] + degrees[:, 2::2]) / 2 - degrees[:, :1]
    off = np.einsum("nij,nkj->nki", inverse, middles)
    # A middle that is off along the side leaves the side where it is.
    (x, y), (dx, dy) = np.moveaxis(off, -1, 0), 2 * _STENCIL[1::2].T
    bend = np.abs(x * dy - y * dx) / np.hypot(dx, dy)
    return float(np.abs(inverse).sum(-1).max()), float(bend.max())


def _cut_at_antimeridian(shapes: shapely.Geometry, grid: float) -> list[shapely.Geometry]:
    """Cut polygons (n,) at odd multiples of 180 degrees, and move the pieces into -180..180."""
    pieces: list[list[shapely.Geometry]] = [[] for _ in shapes]
    for shift in (-360, 0, 360):
        box = shapely.box(shift - 180, -90, shift + 180, 90)
        inside = shapely.intersection(shapes, box, grid_size=grid)
        cut, index = shapely.get_parts(inside, return_index=True)
        is_polygon = (shapely.get_dimensions(cut) == 2) & ~shapely.is_empty(cut)
        moved = shapely.transform(cut[is_polygon], lambda xy, shift=shift: xy - [shift, 0])
        for number, piece in zip(index[is_polygon], moved, strict=True):
            pieces[number].append(piece)
    return [p[0] if len(p) == 1 else shapely.multipolygons(p) for p in pieces]
