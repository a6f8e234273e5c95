"""The area of interest: polygons that limit a map. They are saved in the run folder."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.errors import RunError, SceneError
from geoseg.files import atomic_file
from geoseg.geodesy import apply_affine
from geoseg.grid import Window, chunks
from geoseg.raster import Scene
from geoseg.vectors import Reprojector, burn, read_vector

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
            RunError: if it has no geometry.
            SceneError: if it covers the centre of no pixel of the scene.
        """
        frame = read_vector(path, layer)
        frame = frame[frame.geometry.notna() & ~frame.geometry.is_empty]
        if frame.empty:
            raise RunError(f"area of interest {path} has no geometry, add one, or leave it out")
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
