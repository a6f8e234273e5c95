"""Reproject the geometries of a vector file into the CRS of scenes.

Geometries near a scene are reprojected by their vertices. Geometries that reach far beyond it or
have long edges are first clipped to the surroundings of the scene in their own CRS, and the edges
get more vertices: a projection such as UTM cannot show the other side of the earth, and in it the
long edges of a rectangle of degrees are not straight.

If the scene has longitudes, geometries are moved by whole turns to those of the scene.
"""

import logging
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from geoseg.errors import VectorError, count_of
from geoseg.longitudes import onto_longitudes, rejoined, turn_of
from geoseg.raster import Scene
from geoseg.vectors.surroundings import Surroundings, overlap

if TYPE_CHECKING:
    import geopandas

log = logging.getLogger(__name__)

_MAX_EXTENT = math.radians(20)
"""Geometries of a larger extent are always clipped (rad)."""
_MARGINS = 1.0, 0.1, 0.01
"""Margins around the scene for clipping, in widths and heights of the scene. The smaller ones are
for scenes at the limit of what their projection can show, such as Web Mercator near a pole."""


class Reprojector:
    """Reprojects the geometries of a vector file for many scenes, once for each CRS.

    Args:
        frame: what `read_vector` returns, without missing geometries.
        path: the file, for messages.
    """

    def __init__(self, frame: "geopandas.GeoDataFrame", path: str) -> None:
        self._path = path
        self._crs: CRS | None = frame.crs
        self._geometries: NDArray[Any] = frame.geometry.to_numpy()
        self._bounds: NDArray[np.float64] = shapely.bounds(self._geometries)
        self._edges = _longest_edges(self._geometries)
        self._cached: tuple[str | None, NDArray[Any], NDArray[np.float64]] | None = None
        """CRS of the last scene, and what `_transform_vertices` returned for it."""

    def onto(self, scene: Scene) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Reproject the geometries into the CRS of a scene.

        Law: a polygon of any extent covers the same pixels of the scene as in its own CRS.
        Polygons and lines may be clipped to the surroundings of the scene or become empty; points
        are all kept.

        Returns:
            The geometries (n,) in the order of the file, and their bounds (n, 4): left, bottom,
            right, top in CRS units; not finite for geometries that do not touch the scene.

        Raises:
            VectorError: if only one of file and scene has a CRS, or the two CRS are unrelated.
        """
        if scene.crs is None or self._crs is None:
            self._check_both_lack_a_crs(scene)
            return self._geometries, self._bounds
        geometries, bounds = self._in_crs_of(scene, self._crs)
        west, _, east, _ = shapely.bounds(_outline(scene))
        moved = onto_longitudes(geometries, west, east, turn_of(scene.crs))
        if moved is geometries:
            return geometries, bounds
        return moved, np.where(np.isnan(bounds), np.nan, shapely.bounds(moved))

    def describe_extents(self, scene: Scene) -> str:
        """Describe where the geometries and a scene lie, in the CRS of the file, for messages.

        Raises:
            VectorError: if only one of file and scene has a CRS, or the two CRS are unrelated.
        """
        scene_bounds = shapely.bounds(_outline(scene))
        name = "both without a CRS"
        if scene.crs is not None and self._crs is not None:
            surroundings = self._surroundings(scene, self._crs)[1]
            scene_bounds, name = shapely.bounds(surroundings.extent()), self._crs.name
        low, high = self._bounds[:, :2], self._bounds[:, 2:]
        own_bounds = [*np.nanmin(low, axis=0), *np.nanmax(high, axis=0)]
        return (
            f"it lies at {_bounds_text(own_bounds)}, the scene at {_bounds_text(scene_bounds)} "
            f"({name})"
        )

    def _in_crs_of(self, scene: Scene, crs: CRS) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Return the geometries and their bounds in the CRS of a scene, see `onto`.

        Longitudes are those of the file, or those of PROJ.
        """
        if crs.is_exact_same(CRS(scene.crs)):
            return self._geometries, self._bounds
        to_scene, surroundings = self._surroundings(scene, crs)
        geometries, bounds = self._transform_vertices(scene.crs, to_scene)
        to_clip = self._needs_clipping(scene, surroundings, bounds)
        if not to_clip.any():
            return geometries, bounds
        geometries, bounds = geometries.copy(), bounds.copy()
        pending = np.flatnonzero(to_clip)
        for margin in _MARGINS:
            clipped = surroundings.clip(self._geometries[pending], margin)
            dense = shapely.segmentize(clipped, surroundings.longest_edge)
            geometries[pending] = _transform(dense, to_scene, scene.crs)
            bounds[pending] = shapely.bounds(geometries[pending])
            pending = pending[np.isinf(bounds[pending]).any(axis=1)]
        if len(pending):
            geometries[pending], bounds[pending] = shapely.Polygon(), np.nan
            log.warning(
                "%s: %s that the CRS of %s cannot show left out",
                self._path, count_of(len(pending), "feature"), scene.path,
            )  # fmt: skip
        return geometries, bounds

    def _check_both_lack_a_crs(self, scene: Scene) -> None:
        if scene.crs is not None:
            raise VectorError(
                f"{self._path} has no CRS, but scene {scene.path} has one, assign the file its "
                "CRS with ogr2ogr -a_srs"
            )
        if self._crs is not None:
            raise VectorError(
                f"scene {scene.path} has no CRS, but {self._path} has one, assign the scene its "
                "CRS with gdal_edit -a_srs"
            )
        log.info(
            "neither %s nor %s has a CRS: both are assumed to have the same coordinates",
            self._path, scene.path,
        )  # fmt: skip

    def _surroundings(self, scene: Scene, crs: CRS) -> tuple[Transformer, Surroundings]:
        """The transformer from the CRS of the file to the scene's, and the scene's surroundings."""
        with suppress(ProjError):
            to_scene = Transformer.from_crs(crs, scene.crs, always_xy=True)
            surroundings = Surroundings.of(scene, crs, to_scene)
            if surroundings is not None:
                return to_scene, surroundings
        raise VectorError(
            f"{self._path} in the CRS {crs.name!r} cannot be moved into the CRS "
            f"{CRS(scene.crs).name!r} of scene {scene.path}, check that both are the right ones"
        )

    def _transform_vertices(
        self, crs: str | None, to_scene: Transformer
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """The geometries with their vertices transformed, and their bounds in the new CRS."""
        if self._cached is None or self._cached[0] != crs:
            geometries = _transform(self._geometries, to_scene, crs)
            bounds = shapely.bounds(geometries)
            bounds[np.isinf(bounds).any(axis=1)] = np.nan
            self._cached = crs, geometries, bounds
        return self._cached[1:]

    def _needs_clipping(
        self, scene: Scene, surroundings: Surroundings, bounds: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """(n,) which geometries may touch the scene and must be clipped before the transform.

        The bounds (n, 4) are those of the unclipped geometries in the CRS of the scene.
        """
        size = (self._bounds[:, 2:] - self._bounds[:, :2]).max(axis=1)
        far = size > surroundings.radius * _MAX_EXTENT
        far |= ~surroundings.contains(self._bounds) | ~np.isfinite(bounds).all(axis=1)
        far |= self._edges > surroundings.longest_edge
        far &= shapely.get_dimensions(self._geometries) > 0
        relevant = surroundings.touches(self._bounds, _MARGINS[0])
        outline, turn = shapely.bounds(_outline(scene)), turn_of(scene.crs)
        for shift in (-turn, 0.0, turn) if turn else (0.0,):
            relevant |= overlap(bounds + np.array([shift, 0, shift, 0]), outline)
        return np.asarray(far & relevant)


def _longest_edges(geometries: NDArray[Any]) -> NDArray[np.float64]:
    """Length (n,) of the longest edge of each geometry; 0 for points."""
    parts, of_part = shapely.get_parts(geometries, return_index=True)
    rings, of_ring = shapely.get_rings(parts, return_index=True)
    lines = np.flatnonzero(shapely.get_dimensions(parts) == 1)
    paths = np.concatenate([rings, parts[lines]])
    of_path = np.concatenate([of_part[of_ring], of_part[lines]])
    ends, path = shapely.get_coordinates(paths, return_index=True)
    lengths = np.hypot(*np.diff(ends, axis=0).T)
    longest = np.zeros(len(geometries))
    same = path[1:] == path[:-1]
    np.maximum.at(longest, of_path[path[1:][same]], lengths[same])
    return longest


def _outline(scene: Scene) -> shapely.Polygon:
    """The border of a scene in its CRS."""
    corners = [(0, 0), (scene.width, 0), (scene.width, scene.height), (0, scene.height)]
    return shapely.Polygon([scene.affine @ corner for corner in corners])


def _transform(geometries: NDArray[Any], transformer: Transformer, crs: str | None) -> NDArray[Any]:
    """Transform the vertices of geometries (n,) to a CRS."""
    moved = shapely.transform(geometries, transformer.transform, interleaved=False)
    return rejoined(np.asarray(moved), turn_of(crs))


def _bounds_text(bounds: Any) -> str:  # noqa: ANN401 - any four numbers
    left, bottom, right, top = bounds
    return f"x {left:.10g} to {right:.10g}, y {bottom:.10g} to {top:.10g}"
