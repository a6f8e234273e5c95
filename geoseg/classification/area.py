"""The area of interest: polygons that travel as a file in the folder of parts, not with the job."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import rasterio.features
import shapely
from numpy.typing import NDArray

from geoseg.classification.durable import write_durably
from geoseg.errors import RunError
from geoseg.grid import Window
from geoseg.raster import Scene


@dataclass(frozen=True, slots=True)
class Area:
    """Polygons in a scene's CRS; pixels whose centre lies outside of them become nodata."""

    wkb: bytes
    """One collection of geometries."""

    @classmethod
    def read(cls, path: str, scene: Scene) -> "Area":
        """Read any vector file into the scene's CRS.

        Raises:
            RunError: if it cannot be read or is empty, or it or the scene has no CRS.
        """
        import geopandas  # takes a third of a second, and most runs have no such area

        try:
            frame = geopandas.read_file(path)
        except Exception as error:  # noqa: BLE001 - each driver has its own
            reason = str(error).splitlines()[0]
            raise RunError(f"cannot read area of interest {path}: {reason}") from None
        if frame.crs is None or scene.crs is None:
            raise RunError(f"{path} or {scene.path} has no CRS, assign one to use --aoi")
        there = frame.to_crs(scene.crs).geometry.dropna()
        if there.empty:
            raise RunError(f"area of interest {path} has no geometry, nothing would be mapped")
        return cls(shapely.to_wkb(shapely.GeometryCollection(list(there))))

    @property
    def sha256(self) -> str:
        """What tells it from others."""
        return hashlib.sha256(self.wkb).hexdigest()

    def keep(self, folder: Path) -> None:
        """Leave it in a folder of parts, for `kept`."""
        path = _path(folder, self.sha256)
        if not path.exists():
            write_durably(path, self.wkb)

    def inside(self, scene: Scene, window: Window) -> NDArray[np.bool_]:
        """(height, width) of a window: whether each pixel's centre is in the area."""
        transform = scene.affine @ scene.affine.translation(window.col, window.row)
        shapes = shapely.get_parts(shapely.from_wkb(self.wkb))
        burnt: NDArray[np.bool_] = rasterio.features.geometry_mask(
            shapes, (window.height, window.width), transform, invert=True
        )
        return burnt


@lru_cache(maxsize=1)
def kept(folder: str, sha256: str) -> Area:
    """The area that a run's folder of parts keeps.

    Raises:
        RunError: if it is not there or damaged.
    """
    path = _path(Path(folder), sha256)
    try:
        area = Area(path.read_bytes())
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from None
    if area.sha256 != sha256:
        path.unlink(missing_ok=True)
        raise RunError(f"{path} is damaged, run the same command again")
    return area


def _path(folder: Path, sha256: str) -> Path:
    return folder / f"aoi-{sha256[:16]}.wkb"
