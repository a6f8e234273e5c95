"""The area of interest: polygons that limit a map. They are saved in the run folder."""

import hashlib
import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from geoseg.errors import RunError, SceneError, count_of, redact
from geoseg.files import atomic_file
from geoseg.geodesy import apply_affine
from geoseg.grid import Window, chunks
from geoseg.raster import Scene
from geoseg.vectors import Reprojector, burn, read_vector

if TYPE_CHECKING:
    import geopandas

log = logging.getLogger("geoseg")

_POLYGONAL = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)
_LAST_SIMPLE = shapely.GeometryType.POLYGON
"""Types of geometries with a larger number are collections of others."""
_SEARCH_WINDOW = 2048
"""Side (px) of the windows that are searched for a pixel in a polygon."""


@dataclass(frozen=True, slots=True)
class AreaOfInterest:
    """Polygons in the CRS of a scene; pixels whose centre is outside them become nodata."""

    wkb: bytes
    """One collection of geometries."""

    @classmethod
    def read(cls, path: str, scene: Scene, layer: str | None = None) -> "AreaOfInterest":
        """Read a layer of any vector file into the CRS of a scene.

        If ``layer`` is None, the first layer with geometries is read.

        Raises:
            VectorError: if it cannot be read, or only one of file and scene has a CRS.
            RunError: if it has no polygon.
            SceneError: if it covers the centre of no pixel of the scene.
        """
        frame = read_vector(path, layer)
        frame = frame[frame.geometry.notna() & ~frame.geometry.is_empty]
        if frame.empty:
            raise RunError(f"area of interest {path} has no geometry, add one, or leave it out")
        frame = _only_polygons(frame, path)
        reprojector = Reprojector(frame, path)
        geometries, bounds = reprojector.onto(scene)
        geometries = geometries[np.isfinite(bounds).all(axis=1)]
        aoi = cls(shapely.to_wkb(shapely.GeometryCollection(list(geometries))))
        if not len(geometries) or not aoi._covers_a_pixel(scene):
            raise SceneError(
                f"area of interest {path} covers no pixel of scene {scene.path}: "
                f"{reprojector.describe_extents(scene)}, check its coordinates and its CRS"
            )
        return aoi

    @property
    def sha256(self) -> str:
        """Checksum of the polygons, which is part of the identity of a run."""
        return hashlib.sha256(self.wkb).hexdigest()

    def save(self, folder: Path) -> None:
        """Save it in a run folder, for `load_aoi`."""
        path = _aoi_path(folder, self.sha256)
        if not path.exists():
            with atomic_file(path, durable=True) as temporary:
                temporary.write_bytes(self.wkb)

    def mask(self, scene: Scene, window: Window) -> NDArray[np.bool_]:
        """Return (height, width) of a window, True where the centre of a pixel is in a polygon."""
        shapes = shapely.get_parts(shapely.from_wkb(self.wkb))
        burnt = burn(shapes, np.ones(len(shapes), np.uint8), scene, window, outside=0)
        return np.asarray(burnt == 1)

    def _covers_a_pixel(self, scene: Scene) -> bool:
        """Whether the centre of a pixel of a scene is in a polygon."""
        left, bottom, right, top = shapely.bounds(shapely.from_wkb(self.wkb))
        corners = np.array([(left, bottom), (left, top), (right, bottom), (right, top)])
        cols, rows = apply_affine(~scene.affine, *corners.T)
        size = [scene.height, scene.width]
        first = np.clip([rows.min(), cols.min()], 0, size).astype(int)
        end = np.clip([rows.max() + 1, cols.max() + 1], 0, size).astype(int)
        if (end <= first).any():
            return False
        window = Window(*first.tolist(), *(end - first).tolist())
        windows = chunks(scene.height, scene.width, _SEARCH_WINDOW, window)
        return any(self.mask(scene, window).any() for window in windows)


def _only_polygons(frame: "geopandas.GeoDataFrame", path: str) -> "geopandas.GeoDataFrame":
    """Return the polygons of a layer, and warn if it has other geometries.

    A point or a line has no area, but would be burnt as the pixels that it touches.

    Raises:
        RunError: if there are no polygons.
    """
    shapes = frame.geometry.to_numpy().copy()
    others = np.flatnonzero(~np.isin(shapely.get_type_id(shapes), _POLYGONAL))
    polygons = [_polygons_of(shape) for shape in shapes[others]]
    mixed = [index for index, polygon in zip(others, polygons, strict=True) if polygon is not None]
    # What has only polygons stays as it is: parts of earlier runs are found by its checksum.
    if not mixed:
        return frame
    for index, polygon in zip(others, polygons, strict=True):
        shapes[index] = shapes[index] if polygon is None else polygon
    kept = ~shapely.is_empty(shapes)
    if not kept.any():
        raise RunError(
            f"area of interest {path} has points or lines but no polygon, draw the area as a "
            "polygon, or name another layer (--aoi-layer)"
        )
    log.warning(
        "area of interest %s: points and lines are left out (in %s of %d), as they have no area",
        redact(path), count_of(len(mixed), "feature"), len(shapes),
    )  # fmt: skip
    return frame.set_geometry(shapes, crs=frame.crs)[kept]


def _polygons_of(shape: BaseGeometry) -> shapely.MultiPolygon | None:
    """Return the polygons of a collection, which may be nested; None if it has nothing else."""
    parts = shapely.get_parts(shape)
    while (nested := shapely.get_type_id(parts) > _LAST_SIMPLE).any():
        parts = np.concatenate([parts[~nested], shapely.get_parts(parts[nested])])
    polygon = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    return None if polygon.all() else shapely.MultiPolygon(list(parts[polygon]))


@lru_cache(maxsize=1)
def load_aoi(folder: str, sha256: str) -> AreaOfInterest:
    """Load the area of interest from a run folder.

    Raises:
        RunError: if it is missing or damaged.
    """
    path = _aoi_path(Path(folder), sha256)
    try:
        aoi = AreaOfInterest(path.read_bytes())
    except OSError as error:
        raise RunError(
            f"cannot read {path} ({error.strerror}), run the same command again"
        ) from None
    if aoi.sha256 != sha256:
        path.unlink(missing_ok=True)
        raise RunError(f"{path} is damaged, run the same command again")
    return aoi


def _aoi_path(folder: Path, sha256: str) -> Path:
    return folder / f"aoi-{sha256[:16]}.wkb"
