"""Pixels of a map to longitude and latitude (EPSG:4326), for GeoJSON and PMTiles."""

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
from geoseg.polygons.arrays import Floats, offsets_of
from geoseg.polygons.trace.components import Ints
from geoseg.polygons.write.wkb import to_wkb

CRS_NAME = "EPSG:4326"

_ROUNDING = 0.001
"""Largest move of a vertex by rounding (px); below the distance of a vertex from other sides."""
_MIN_DECIMALS = 7
_MAX_DECIMALS = 12
"""A double holds 15 significant digits, 3 of them before the point."""
_BEND = 0.1
"""Largest distance (px) of a straight side in longitude and latitude from the side on the map."""
_POLE = 0.5
"""The same for sides of one pixel: where they bend more, a pole is close."""
_SAMPLES = 33
"""Points of the map along each axis at which the projection is examined."""
_STENCIL = np.array(
    [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1)]
) / 2  # fmt: skip
"""Offsets (px) around a sample: itself, then pairs of opposite points."""


@dataclass(frozen=True, slots=True)
class LonLat:
    """How coordinates of a map become longitudes and latitudes."""

    path: Path
    """The file to write, for messages."""
    crs: str
    """WKT of the map's CRS."""
    meridian: float | None
    """Longitudes are taken within 180 degrees of it; None where PROJ's are continuous."""
    shift: int
    """Degrees, a multiple of 360, to add so that the middle of the map is in -180..180."""
    bounds: tuple[float, float, float, float]
    """West, south, east, north of the map (degrees); east may exceed 180, west be below -180."""
    pixels_per_degree: float
    """Largest move (px) of a point whose longitude and latitude both move by one degree."""
    decimals: int
    """Decimals that coordinates are rounded to."""
    longest: float
    """Length (px) of a side that still bends by less than a tenth of a pixel."""
    seam: int | None
    """Column that is the same meridian as column 0, other than 180 degrees; None if there is none.
    """

    @classmethod
    def of(cls, path: Path, transform: Affine, crs: str | None, size: tuple[int, int]) -> "LonLat":
        """Examine the grid of a map.

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
        centres = _samples(transformer, transform, size)
        points = centres[:, None] + _STENCIL
        lon, lat = transformer.transform(*apply_affine(transform, *np.moveaxis(points, -1, 0)))
        x, y = transformer.transform(lon, lat, direction=TransformDirection.INVERSE)
        with np.errstate(invalid="ignore"):  # PROJ gives inf where it cannot
            back = np.stack(apply_affine(~transform, x, y), -1)
        if not np.abs(back - points).max() < _BEND:  # nan is not less
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
        per_degree, bend = _scale(np.stack([lon, lat], -1))
        if not bend < _POLE:
            refuse(path, "a pole is in it or close to it")
        decimals = max(ceil(log10(per_degree / 2 / _ROUNDING)), _MIN_DECIMALS)
        if decimals > _MAX_DECIMALS:
            refuse(path, "its pixels are too small for coordinates in degrees")
        # The deviation of a chord grows with the square of its length, 1 px in the stencil.
        longest = float(np.sqrt(_BEND / max(bend, 1e-12)))
        whole = bounds[2] - bounds[0] > 360 - 1e-6 and abs(bounds[0] + 180) > 1e-6
        seam = size[1] if whole else None
        return cls(path, crs, meridian, shift, bounds, per_degree, decimals, longest, seam)

    def divide(self, vertices: Floats, ring_offsets: Ints) -> tuple[Floats, Ints]:
        """Add vertices to long sides, so that they stay where they are on the map.

        Args:
            vertices: (m, 2) vertices (col, row) of open rings (px).
            ring_offsets: (rings + 1,) first vertex of each ring.

        Returns:
            Vertices and offsets. A side that two polygons share gets the same vertices in both.
        """
        following = np.arange(1, vertices.shape[0] + 1)
        following[ring_offsets[1:] - 1] = ring_offsets[:-1]
        length = np.hypot(*(vertices[following] - vertices).T)
        pieces = np.maximum(np.ceil(length / self.longest), 1).astype(np.int64)
        if self.seam is not None:  # polygons of both ends of the map meet there
            col, end = vertices[:, 0], vertices[following, 0]
            on_seam = (col == end) & ((col == 0) | (col == self.seam))
            pieces[on_seam] = length[on_seam]
        if (pieces == 1).all():
            return vertices, ring_offsets
        offsets = offsets_of(pieces)
        side = np.repeat(np.arange(pieces.size), pieces)
        step = (np.arange(offsets[-1]) - offsets[side])[:, None]
        count = pieces[side][:, None]
        # This sum is the same, to the last bit, from either end of the side.
        ends = (count - step) * vertices[side] + step * vertices[following[side]]
        return ends / count, offsets[ring_offsets]

    def project(self, xy: Floats) -> Floats:
        """Longitudes and latitudes (m, 2) of coordinates (m, 2) in the map's CRS, rounded."""
        lon, lat = _transformer(self.crs).transform(xy[:, 0], xy[:, 1])
        degrees = np.column_stack([_unwrap(lon, self.meridian) + self.shift, lat])
        np.round(degrees, self.decimals, out=degrees)
        np.clip(degrees[:, 1], -90, 90, out=degrees[:, 1])
        return degrees

    def geometry(self, degrees: Floats, ring_offsets: Ints, polygon_offsets: Ints) -> pa.Array:
        """WKB of projected polygons; those across 180 degrees are cut there.

        Args:
            degrees: (m, 2) of `project`, closed rings.
            ring_offsets: (rings + 1,) first vertex of each ring.
            polygon_offsets: (n + 1,) first ring of each polygon.

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
        across = np.flatnonzero((west < -180) | (east > 180))
        column = wkb.to_numpy(zero_copy_only=False)
        column[across] = shapely.to_wkb(_cut_at_antimeridian(shapes[across], 10.0**-self.decimals))
        return pa.array(column, pa.binary())


def refuse(path: Path, reason: str) -> NoReturn:
    """Say why a format in longitude and latitude cannot hold the map, and what can.

    Raises:
        OutputError: always.
    """
    raise OutputError(
        f"{path} needs longitude and latitude, which cannot represent the map: {reason}, "
        "write .gpkg or .parquet instead"
    )


def _transformer(crs: str) -> Transformer:
    # force_over: longitudes beyond 180 degrees stay what they are, so that they are continuous.
    return Transformer.from_crs(crs, CRS_NAME, always_xy=True, force_over=True)


def _samples(transformer: Transformer, transform: Affine, size: tuple[int, int]) -> Floats:
    """Points (n, 2) as (col, row): a grid over the map, then those closest to the poles."""
    last = np.array([size[1], size[0]]) - 0.5
    cols, rows = (np.linspace(0.5, end, _SAMPLES) for end in last)
    grid = np.stack(np.meshgrid(cols, rows), -1).reshape(-1, 2)
    xy = transformer.transform([0, 0], [90, -90], direction=TransformDirection.INVERSE)
    poles = np.stack(xy, -1)
    poles = poles[np.isfinite(poles).all(1)]
    at_poles = np.stack(apply_affine(~transform, *poles.T), -1)
    return np.concatenate([grid, np.clip(at_poles, 0.5, last)])


def _meridian(path: Path, lon: Floats) -> float | None:
    """`LonLat.meridian` of a grid (n, n) of longitudes.

    Raises:
        OutputError: if no range of 360 degrees makes them continuous.
    """
    for meridian in (None, float(lon[_SAMPLES // 2, _SAMPLES // 2])):
        near = _unwrap(lon, meridian)
        if max(np.abs(np.diff(near, axis=axis)).max() for axis in (0, 1)) < 180:
            return meridian
    refuse(path, "it goes around a pole, or more than once around the earth")


def _unwrap(lon: Floats, meridian: float | None) -> Floats:
    return lon if meridian is None else lon - 360 * np.round((lon - meridian) / 360)


def _scale(degrees: Floats) -> tuple[float, float]:
    """Pixels in a degree, and how far a side of one pixel bends (px), at the worst sample.

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
    """Polygons (n,) cut at odd multiples of 180 degrees and put into -180..180."""
    parts: list[list[shapely.Geometry]] = [[] for _ in shapes]
    for shift in (-360, 0, 360):
        box = shapely.box(shift - 180, -90, shift + 180, 90)
        inside = shapely.intersection(shapes, box, grid_size=grid)
        pieces, index = shapely.get_parts(inside, return_index=True)
        area = shapely.get_dimensions(pieces) == 2
        moved = shapely.transform(pieces[area], lambda xy, shift=shift: xy - [shift, 0])
        for number, piece in zip(index[area], moved, strict=True):
            parts[number].append(piece)
    return [p[0] if len(p) == 1 else shapely.multipolygons(p) for p in parts]
