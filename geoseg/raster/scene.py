"""Scenes: described once as a value, then read window by window with their valid mask."""

import math
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import Geod, Transformer
from pyproj.exceptions import ProjError
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window as RasterWindow

from geoseg.errors import SceneError, redact, root_message
from geoseg.grid import Window
from geoseg.raster.datasets import (
    DAMAGED,
    GDAL_ERRORS,
    cached_dataset,
    drop_cached,
    fingerprint,
    gdal_env,
    opened,
    raster_error,
)
from geoseg.raster.warp import as_warped


@dataclass(frozen=True, slots=True)
class Scene:
    """A raster that can be read: where it is, its grid, the bands to read, what is invalid."""

    path: str = field(repr=False)
    """Anything GDAL opens; it may hold a credential, so it is not shown."""
    height: int
    width: int
    dtype: str
    transform: tuple[float, float, float, float, float, float]
    """Affine coefficients a..f, pixel (col, row) to CRS units."""
    crs: str | None
    """WKT, None where the file has none."""
    bands: tuple[int, ...]
    """Bands to read, from 1, in this order; alpha only where it was asked for by number."""
    band_names: tuple[str, ...]
    """Description or colour of each of ``bands``, lower case, "" where the file has none."""
    nodata: float | None
    """Pixels where all bands have this value are invalid."""
    masked: bool
    """Whether the file has a mask, or an alpha band that is not one of ``bands``."""
    size: int | None
    """Bytes of the file, None where it is not a local file."""
    modified: int | None
    """Time of last change (ns), None where it is not a local file."""
    warped: bool = False
    """Whether the file has another grid, and is warped onto this one as it is read."""
    etag: str | None = None
    """What a server says of a remote file's version; None where it is local."""

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
        """Ground size of a pixel (m) at the centre; None where the CRS is not tied to the earth."""
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

    def with_bands(self, bands: tuple[int, ...]) -> "Scene":
        """The same scene, read through other bands (from 1, any order).

        Raises:
            SceneError: if the file has no such band, or no pixels in it that geoseg can read.
        """
        with opened(self.path) as dataset:
            return _with_bands(self, dataset, bands)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON; without logins and queries of a URL."""
        return {**asdict(self), "path": redact(self.path)}


def open_scene(
    path: str | Path, *, bands: tuple[int, ...] | None = None, nodata: float | None = None
) -> Scene:
    """Describe a raster without reading its pixels.

    Args:
        path: anything GDAL opens.
        bands: bands to read, from 1; None for all but alpha.
        nodata: overrides the file's own value.

    Raises:
        SceneError: if it cannot be opened, or has no pixels geoseg can read.
    """
    path = str(path)
    with opened(path) as dataset:
        chosen = bands or tuple(
            i for i, c in enumerate(dataset.colorinterp, 1) if c != ColorInterp.alpha
        )
        if not chosen:
            raise SceneError(f"{path} has no bands to read, only alpha or none at all")
        if dataset.transform.is_identity and dataset.gcps[0]:
            raise SceneError(
                f"{path} is placed by ground control points only, which have no pixel grid, "
                f"warp it first: gdalwarp {path} warped.tif"
            )
        size, modified, etag = fingerprint(path)
        own = dataset.nodatavals[chosen[0] - 1] if 1 <= chosen[0] <= dataset.count else None
        scene = Scene(
            path=path,
            height=dataset.height,
            width=dataset.width,
            dtype="",
            transform=tuple(dataset.transform)[:6],
            crs=dataset.crs.to_wkt() if dataset.crs else None,
            bands=(),
            band_names=(),
            nodata=own if nodata is None else nodata,
            masked=False,
            size=size,
            modified=modified,
            etag=etag,
        )
        return _with_bands(scene, dataset, chosen)


def read_window(scene: Scene, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read a window of a scene.

    Returns:
        Pixels (bands, height, width) in the scene's dtype, and valid (height, width), True where
        the pixel has data: not masked, not transparent, finite in all bands and not nodata in all.

    Raises:
        SceneError: if the pixels cannot be read, or are not all inside of the scene.
    """
    if window.intersection(scene.window) != window:
        raise SceneError(f"{window} is outside of {scene.path}")
    area = RasterWindow(window.col, window.row, window.width, window.height)
    try:
        with gdal_env():
            dataset = cached_dataset(scene.path, (scene.size, scene.modified, scene.etag))
            with as_warped(dataset, scene) as source:
                return read_valid(source, scene, area=area)
    except GDAL_ERRORS as error:
        drop_cached(scene.path)
        said = f"cannot read {scene.path} at {window} ({root_message(error)})"
        raise raster_error(scene.path, said, DAMAGED) from None


def pad_reflect(pixels: NDArray[Any], window: Window) -> NDArray[Any]:
    """Pixels continued by reflection, where a scene is smaller than a window.

    Args:
        pixels: (bands, height, width), the upper left part of the window.
        window: gives the height and width wanted.
    """
    below, right = window.height - pixels.shape[1], window.width - pixels.shape[2]
    if not below and not right:
        return pixels
    return np.pad(pixels, ((0, 0), (0, below), (0, right)), mode="reflect")


def read_valid(
    dataset: rasterio.DatasetReader,
    scene: Scene,
    *,
    area: RasterWindow | None = None,
    shape: tuple[int, int] | None = None,
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read the bands of a scene from its open file, and say which pixels have data.

    Args:
        dataset: the scene's file.
        scene: what to read.
        area: part to read; None for all.
        shape: height and width (px) to reduce it to; None for none.
    """
    bands, dtypes = scene.bands, dataset.dtypes
    if len({dtypes[band - 1] for band in bands}) == 1:
        whole = shape and (len(bands), *shape)
        pixels = dataset.read(list(bands), window=area, out_dtype=scene.dtype, out_shape=whole)
    else:  # which rasterio refuses to read together
        pixels = np.stack(
            [dataset.read(b, window=area, out_dtype=scene.dtype, out_shape=shape) for b in bands]
        )
    valid = np.ones(pixels.shape[1:], bool)
    if _has_mask(dataset, bands):
        valid &= dataset.read_masks(bands[0], window=area, out_shape=shape) > 0
    for band in _alphas(dataset, bands):
        valid &= dataset.read(band, window=area, out_shape=shape) > 0
    if scene.nodata is not None and not math.isnan(scene.nodata):
        valid &= (pixels != scene.nodata).any(axis=0)
    if np.issubdtype(pixels.dtype, np.floating):
        valid &= np.isfinite(pixels).all(axis=0)
    return pixels, valid


def _with_bands(scene: Scene, dataset: rasterio.DatasetReader, bands: tuple[int, ...]) -> Scene:
    if not bands or min(bands) < 1 or max(bands) > dataset.count:
        has = "1 band" if dataset.count == 1 else f"bands 1 to {dataset.count}"
        raise SceneError(
            f"{scene.path} has {has}, not {', '.join(map(str, bands))}, "
            "choose others (bands, --bands)"
        )
    dtypes = dataset.dtypes  # a list that rasterio makes anew at each call
    dtype = np.result_type(*{np.dtype(dtypes[band - 1]) for band in bands})
    if not (np.issubdtype(dtype, np.integer) or np.issubdtype(dtype, np.floating)):
        raise SceneError(
            f"{scene.path} has {dtype} pixels, but geoseg reads integers and floats, "
            "convert it with gdal_translate -ot"
        )
    return replace(
        scene,
        dtype=str(dtype),
        bands=tuple(bands),
        band_names=_band_names(dataset, bands),
        masked=_has_mask(dataset, bands) or bool(_alphas(dataset, bands)),
    )


def _has_mask(dataset: rasterio.DatasetReader, bands: tuple[int, ...]) -> bool:
    """Whether there is a mask for all bands that is not just the alpha band."""
    flags = dataset.mask_flag_enums[bands[0] - 1]
    return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags


def _alphas(dataset: rasterio.DatasetReader, bands: tuple[int, ...]) -> list[int]:
    """Alpha bands that are not read as data; GDAL's own mask leaves them out beside nodata."""
    colors = enumerate(dataset.colorinterp, 1)
    return [band for band, c in colors if c == ColorInterp.alpha and band not in bands]


def _band_names(dataset: rasterio.DatasetReader, bands: tuple[int, ...]) -> tuple[str, ...]:
    """Names of the bands; each property of the dataset is read once, as it lists all bands."""
    named = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    colors = [c.name if c in named else "" for c in dataset.colorinterp]
    try:
        descriptions = dataset.descriptions
    except UnicodeDecodeError:  # rasterio reads UTF-8 only; older files have other encodings
        descriptions = (None,) * dataset.count
    return tuple((descriptions[b - 1] or colors[b - 1]).strip().lower() for b in bands)


def read_whole(path: str | Path) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read a small raster at once, all bands as they are.

    Returns:
        Pixels (bands, height, width) and valid (height, width), True where no mask hides them.

    Raises:
        SceneError: if it cannot be read.
    """
    with opened(str(path)) as dataset:
        try:
            pixels = dataset.read()
            masked = MaskFlags.per_dataset in dataset.mask_flag_enums[0]
            valid = dataset.read_masks(1) > 0 if masked else np.ones(pixels.shape[1:], bool)
        except GDAL_ERRORS as error:
            raise SceneError(
                f"cannot read {path} ({root_message(error)}), it may be damaged"
            ) from None
    return pixels, valid


def read_palette(path: str | Path) -> dict[int, str]:
    """The colour table of a raster's first band: value to #rrggbb; empty where it has none.

    Raises:
        SceneError: if the raster cannot be opened.
    """
    with opened(str(path)) as dataset:
        try:
            table = dataset.colormap(1)
        except ValueError:
            return {}
    return {value: "#{:02x}{:02x}{:02x}".format(*color[:3]) for value, color in table.items()}
