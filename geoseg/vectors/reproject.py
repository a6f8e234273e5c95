"""Move the geometries of a vector file into the CRS of scenes.

Moving the vertices alone is right for geometries near a scene. It fails for those that reach far
beyond it: a projection such as UTM has no place for the other side of the earth, and the edges of
a rectangle around the world are not straight in it. Such geometries are first clipped to the
surroundings of the scene, in their own CRS, and their long edges get more vertices.
"""

import logging
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from geoseg.errors import VectorError, count_of
from geoseg.raster import Scene
from geoseg.vectors.surroundings import Surroundings, overlap

if TYPE_CHECKING:
    import geopandas

log = logging.getLogger(__name__)

_LARGE = math.radians(20)
"""Geometries of a larger extent are never moved by their vertices alone (rad)."""
_MARGINS = 1.0, 0.1, 0.01
"""Margins around the scene for clipping, in widths and heights of the scene. The smaller ones are
for scenes at the limit of what their projection can show, such as Web Mercator near a pole."""


class Reprojector:
    """The geometries of a vector file, for many scenes; vertices are moved once for each CRS.

    Args:
        frame: what `read_vector` returns, without missing geometries.
        path: the file, for messages.
    """

    def __init__(self, frame: "geopandas.GeoDataFrame", path: str) -> None:
        self._path = path
        self._crs: CRS | None = frame.crs
        self._geometries: NDArray[Any] = frame.geometry.to_numpy()
        self._bounds: NDArray[np.float64] = shapely.bounds(self._geometries)
        self._moved: tuple[str, NDArray[Any], NDArray[np.float64]] | None = None

    def onto(self, scene: Scene) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """The geometries in the CRS of a scene.

        Law: on the pixels of the scene, a polygon covers what it covers in its own CRS, however
        far it reaches. Polygons and lines beyond the surroundings of the scene may be cut off
        there or become empty; points are all kept.

        Returns:
            The geometries (n,) in the order of the file, and their bounds (n, 4): left, bottom,
            right, top in CRS units; not finite for geometries that do not touch the scene.

        Raises:
            VectorError: if only one of file and scene has a CRS, or the two CRS are unrelated.
        """
        if scene.crs is None or self._crs is None:
            self._check_both_lack_a_crs(scene)
            return self._geometries, self._bounds
        if self._crs.is_exact_same(CRS(scene.crs)):
            return self._geometries, self._bounds
        to_scene = self._transformer(scene)
        moved, bounds = self._moved_vertices(scene.crs, to_scene)
        nearby = Surroundings.of(scene, self._crs, to_scene)
        if nearby is None:
            raise self._unrelated(scene)
        to_clip = self._needs_clipping(scene, nearby, bounds)
        if not to_clip.any():
            return moved, bounds
        moved, bounds = moved.copy(), bounds.copy()
        failed = np.flatnonzero(to_clip)
        for margin in _MARGINS:
            clipped = nearby.clip(self._geometries[failed], margin)
            moved[failed] = _transform(shapely.segmentize(clipped, nearby.longest_edge), to_scene)
            bounds[failed] = shapely.bounds(moved[failed])
            failed = failed[np.isinf(bounds[failed]).any(axis=1)]
        if len(failed):
            moved[failed], bounds[failed] = shapely.Polygon(), np.nan
            log.warning(
                "%s: %s that the CRS of %s cannot show left out",
                self._path, count_of(len(failed), "feature"), scene.path,
            )  # fmt: skip
        return moved, bounds

    def whereabouts(self, scene: Scene) -> str:
        """Where the geometries and a scene lie, in the CRS of the file, for messages.

        Raises:
            VectorError: if only one of file and scene has a CRS, or the two CRS are unrelated.
        """
        corners = shapely.bounds(_outline(scene))
        name = "both without a CRS"
        if scene.crs is not None and self._crs is not None:
            nearby = Surroundings.of(scene, self._crs, self._transformer(scene))
            if nearby is None:
                raise self._unrelated(scene)
            corners, name = shapely.bounds(nearby.area()), self._crs.name
        low, high = self._bounds[:, :2], self._bounds[:, 2:]
        own = [*np.nanmin(low, axis=0), *np.nanmax(high, axis=0)]
        return f"it lies at {_union_bounds(own)}, the scene at {_union_bounds(corners)} ({name})"

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
            "neither %s nor %s has a CRS: both are taken to have the same coordinates",
            self._path, scene.path,
        )  # fmt: skip

    def _transformer(self, scene: Scene) -> Transformer:
        try:
            return Transformer.from_crs(self._crs, scene.crs, always_xy=True)
        except ProjError:
            raise self._unrelated(scene) from None

    def _unrelated(self, scene: Scene) -> VectorError:
        assert self._crs is not None  # noqa: S101 - else there would be nothing to relate
        return VectorError(
            f"{self._path} in the CRS {self._crs.name!r} cannot be moved into the CRS "
            f"{CRS(scene.crs).name!r} of scene {scene.path}, check that both are the right ones"
        )

    def _moved_vertices(
        self, crs: str, to_scene: Transformer
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """The geometries with their vertices moved into a CRS, and their bounds."""
        if self._moved is None or self._moved[0] != crs:
            moved = _transform(self._geometries, to_scene)
            bounds = shapely.bounds(moved)
            bounds[np.isinf(bounds).any(axis=1)] = np.nan
            self._moved = crs, moved, bounds
        return self._moved[1:]

    def _needs_clipping(
        self, scene: Scene, nearby: Surroundings, moved: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """(n,) which geometries may touch the scene and may not be moved by vertices alone."""
        size = (self._bounds[:, 2:] - self._bounds[:, :2]).max(axis=1)
        wrong = size > nearby.radius * _LARGE
        wrong |= ~nearby.contains(self._bounds) | ~np.isfinite(moved).all(axis=1)
        wrong &= shapely.get_dimensions(self._geometries) > 0
        seen = nearby.touches(self._bounds, _MARGINS[0])
        seen |= overlap(moved, shapely.bounds(_outline(scene)))
        return np.asarray(wrong & seen)


def _outline(scene: Scene) -> shapely.Polygon:
    """The border of a scene in its CRS."""
    ends = [(0, 0), (scene.width, 0), (scene.width, scene.height), (0, scene.height)]
    return shapely.Polygon([scene.affine @ end for end in ends])


def _transform(geometries: NDArray[Any], transformer: Transformer) -> NDArray[Any]:
    return np.asarray(shapely.transform(geometries, transformer.transform, interleaved=False))


def _union_bounds(bounds: Any) -> str:  # noqa: ANN401 - any four numbers
    left, bottom, right, top = bounds
    return f"x {left:.10g} to {right:.10g}, y {bottom:.10g} to {top:.10g}"
