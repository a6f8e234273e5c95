"""Open a scene as a value, and read its pixels window by window with their valid mask."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window as RasterWindow

from geoseg.errors import SceneError, root_message
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
from geoseg.raster.scene import Band, Scene
from geoseg.raster.warp import as_warped


def open_scene(
    path: str | Path, *, bands: tuple[int, ...] | None = None, nodata: float | None = None
) -> Scene:
    """Describe a raster without reading its pixels.

    Args:
        path: anything GDAL opens.
        bands: bands to read, from 1; None for all but transparency (alpha).
        nodata: overrides the nodata value of the file.

    Raises:
        SceneError: if it cannot be opened, or has no pixels that geoseg can read.
    """
    path = str(path)
    with opened(path) as dataset:
        file_bands = _file_bands(dataset)
        chosen = bands or tuple(i for i, band in enumerate(file_bands, 1) if not band.alpha)
        if not chosen:
            raise SceneError(f"{path} has no bands to read, only alpha or none at all")
        if dataset.transform.is_identity and dataset.gcps[0]:
            raise SceneError(
                f"{path} is placed by ground control points only, which have no pixel grid, "
                f"warp it first: gdalwarp {path} warped.tif"
            )
        size, modified, etag = fingerprint(path)
        file_nodata = dataset.nodatavals[chosen[0] - 1] if 1 <= chosen[0] <= dataset.count else None
        scene = Scene(
            path=path,
            height=dataset.height,
            width=dataset.width,
            dtype="",
            transform=tuple(dataset.transform)[:6],
            crs=dataset.crs.to_wkt() if dataset.crs else None,
            bands=(),
            band_names=(),
            nodata=file_nodata if nodata is None else nodata,
            masked=False,
            size=size,
            modified=modified,
            etag=etag,
            file_bands=file_bands,
        )
    return scene.with_bands(chosen)


def _file_bands(dataset: rasterio.DatasetReader) -> tuple[Band, ...]:
    """Return all bands of a file; each property of the dataset lists all, so it is read once."""
    named = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    try:
        descriptions = dataset.descriptions
    except UnicodeDecodeError:  # rasterio reads UTF-8 only; older files have other encodings
        descriptions = (None,) * dataset.count
    properties = zip(
        dataset.dtypes, descriptions, dataset.colorinterp, dataset.mask_flag_enums, strict=True
    )
    return tuple(
        Band(
            dtype=dtype,
            name=(description or (color.name if color in named else "")).strip().lower(),
            alpha=color == ColorInterp.alpha,
            masked=_is_masked(flags),
        )
        for dtype, description, color, flags in properties
    )


def _is_masked(flags: list[MaskFlags]) -> bool:
    """Whether a band has a mask for all bands that is not just the alpha band."""
    return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags


def read_window(scene: Scene, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read a window of a scene.

    Returns:
        Pixels (bands, height, width) in the scene's dtype, and valid (height, width), True where
        the pixel has data: not masked, not transparent, finite in all bands and not nodata in all.

    Raises:
        SceneError: if the pixels cannot be read, or are not all inside the scene.
    """
    if window.intersection(scene.window) != window:
        raise SceneError(f"{window} is outside of {scene.path}")
    try:
        with gdal_env():
            dataset = cached_dataset(scene.path, (scene.size, scene.modified, scene.etag))
            with as_warped(dataset, scene) as source:
                return read_valid(source, scene, RasterWindow.from_slices(*window.slices))
    except GDAL_ERRORS as error:
        drop_cached(scene.path)
        message = f"cannot read {scene.path} at {window} ({root_message(error)})"
        raise raster_error(scene.path, message, DAMAGED) from None


def pad_reflect(
    pixels: NDArray[Any], window: Window, *, above: int = 0, left: int = 0
) -> NDArray[Any]:
    """Continue pixels (bands, height, width) by reflection to the size of a window.

    Args:
        pixels: part of the window.
        window: gives the size of the result.
        above: rows of the window above the pixels.
        left: columns of the window on the left of the pixels.
    """
    below, right = window.height - above - pixels.shape[1], window.width - left - pixels.shape[2]
    if not (above or below or left or right):
        return pixels
    return np.pad(pixels, ((0, 0), (above, below), (left, right)), mode="reflect")


def read_valid(
    dataset: rasterio.DatasetReader,
    scene: Scene,
    rio_window: RasterWindow | None = None,
    *,
    shape: tuple[int, int] | None = None,
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read the bands of a scene from its open file, with their valid mask, see `read_window`.

    Args:
        dataset: the open file.
        scene: gives bands, dtype and nodata value.
        rio_window: pixels to read; None for all.
        shape: height and width (px) of the result; None to read at full size.
    """
    bands, dtypes = scene.bands, dataset.dtypes
    if len({dtypes[band - 1] for band in bands}) == 1:
        out_shape = shape and (len(bands), *shape)
        pixels = dataset.read(
            list(bands), window=rio_window, out_dtype=scene.dtype, out_shape=out_shape
        )
    else:  # which rasterio refuses to read together
        pixels = np.stack(
            [
                dataset.read(b, window=rio_window, out_dtype=scene.dtype, out_shape=shape)
                for b in bands
            ]
        )
    valid = np.ones(pixels.shape[1:], bool)
    if _is_masked(dataset.mask_flag_enums[bands[0] - 1]):
        valid &= dataset.read_masks(bands[0], window=rio_window, out_shape=shape) > 0
    # GDAL's own mask ignores alpha bands if the file has a nodata value.
    for band, color in enumerate(dataset.colorinterp, 1):
        if color == ColorInterp.alpha and band not in bands:
            valid &= dataset.read(band, window=rio_window, out_shape=shape) > 0
    if scene.nodata is not None and not math.isnan(scene.nodata):
        valid &= (pixels != scene.nodata).any(axis=0)
    if np.issubdtype(pixels.dtype, np.floating):
        valid &= np.isfinite(pixels).all(axis=0)
    return pixels, valid


def read_whole(path: str | Path) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read a small raster at once, all bands as they are.

    Returns:
        Pixels (bands, height, width) and valid (height, width), False where a mask hides them.

    Raises:
        SceneError: if it cannot be read.
    """
    with opened(str(path)) as dataset:
        pixels = dataset.read()
        masked = MaskFlags.per_dataset in dataset.mask_flag_enums[0]
        return pixels, dataset.read_masks(1) > 0 if masked else np.ones(pixels.shape[1:], bool)


def read_palette(path: str | Path) -> dict[int, str]:
    """Read the colour table of a raster's first band: value to #rrggbb; empty if it has none.

    Raises:
        SceneError: if the raster cannot be opened.
    """
    with opened(str(path)) as dataset:
        try:
            table = dataset.colormap(1)
        except ValueError:
            return {}
    return {value: "#{:02x}{:02x}{:02x}".format(*color[:3]) for value, color in table.items()}
