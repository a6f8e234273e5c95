"""Scenes as values: where a raster is, its pixel grid, and which of its bands are read."""

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from affine import Affine
from pyproj import Geod, Transformer
from pyproj.exceptions import ProjError

from geoseg.errors import SceneError, redact
from geoseg.grid import Window


@dataclass(frozen=True, slots=True)
class Band:
    """A band of a file."""

    dtype: str
    name: str
    """Description or colour, lower case, "" if the file has none."""
    alpha: bool
    """Whether it is tagged as transparency."""
    masked: bool
    """Whether the file has a mask for it that is not the alpha band."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A raster that can be read: its path, its grid, the bands to read, its nodata value.

    It holds no open file; `open_scene` makes it, and `read_window` reads its pixels.
    """

    path: str = field(repr=False)
    """Anything GDAL opens; it may hold a credential, so it is not shown."""
    height: int
    width: int
    dtype: str
    transform: tuple[float, float, float, float, float, float]
    """Affine coefficients a..f, pixel (col, row) to CRS units."""
    crs: str | None
    """WKT, None if the file has none."""
    bands: tuple[int, ...]
    """Bands to read, from 1, in this order; alpha only if chosen by number."""
    band_names: tuple[str, ...]
    """Description or colour of the ``bands``, lower case, "" if the file has none."""
    nodata: float | None
    """Pixels where all bands have this value are invalid."""
    masked: bool
    """Whether the file has a mask, or an alpha band that is not one of ``bands``."""
    size: int | None
    """Size of a local file (bytes), else None."""
    modified: int | None
    """Time of last change of a local file (ns), else None."""
    warped: bool = False
    """Whether the file has another grid, and is warped onto this one as it is read."""
    etag: str | None = None
    """Version of a remote file according to its server; None for a local file."""
    file_bands: tuple[Band, ...] = field(default=(), repr=False)
    """All bands of the file."""

    @property
    def affine(self) -> Affine:
        """`transform` as an Affine."""
        return Affine(*self.transform)

    @property
    def window(self) -> Window:
        """All pixels of the scene."""
        return Window(0, 0, self.height, self.width)

    @property
    def pixel_size(self) -> float | None:
        """Ground size of a pixel (m) at the centre; None if the CRS is not tied to the earth."""
        if self.crs is None:
            return None
        row, col = self.height / 2, self.width / 2
        corners = [self.affine @ xy for xy in ((col, row), (col + 1, row), (col, row + 1))]
        x, y = np.transpose(corners)
        try:
            to_earth = Transformer.from_crs(self.crs, "EPSG:4326", always_xy=True)
            lon, lat = to_earth.transform(x, y, errcheck=True)
            starts = np.repeat(lon[0], 2), np.repeat(lat[0], 2)
            azimuths, _, sides = Geod(ellps="WGS84").inv(*starts, lon[1:], lat[1:])
        except ProjError:
            return None
        area = abs(sides[0] * sides[1] * math.sin(math.radians(azimuths[1] - azimuths[0])))
        return math.sqrt(area) if math.isfinite(area) else None

    @property
    def unread_alphas(self) -> tuple[int, ...]:
        """Bands of the file that are tagged as transparency (alpha) and not read as data."""
        bands = enumerate(self.file_bands, 1)
        return tuple(n for n, band in bands if band.alpha and n not in self.bands)

    def with_bands(self, bands: tuple[int, ...]) -> "Scene":
        """Return the same scene with other bands to read (from 1, any order).

        Raises:
            SceneError: if the file has no such band, or no pixels in it that geoseg can read.
        """
        count = len(self.file_bands)
        if not bands or min(bands) < 1 or max(bands) > count:
            has = "1 band" if count == 1 else f"bands 1 to {count}"
            raise SceneError(
                f"{self.path} has {has}, not {', '.join(map(str, bands))}, "
                "choose others (bands, --bands)"
            )
        chosen = [self.file_bands[number - 1] for number in bands]
        dtype = np.result_type(*{np.dtype(band.dtype) for band in chosen})
        if not (np.issubdtype(dtype, np.integer) or np.issubdtype(dtype, np.floating)):
            raise SceneError(
                f"{self.path} has {dtype} pixels, but geoseg reads integers and floats, "
                "convert it with gdal_translate -ot"
            )
        scene = replace(
            self,
            dtype=str(dtype),
            bands=tuple(bands),
            band_names=tuple(band.name for band in chosen),
        )
        return replace(scene, masked=chosen[0].masked or bool(scene.unread_alphas))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON: what is read; without logins and queries of a URL."""
        values = {**asdict(self), "path": redact(self.path)}
        del values["file_bands"]
        return values
