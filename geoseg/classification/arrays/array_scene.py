"""An array as a scene, and its pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError

from geoseg.errors import SceneError, check_list
from geoseg.grid import Window
from geoseg.raster import Band, Scene, has_values, read_window

NAME = "the array"
"""Name of the array in messages."""


def array_scene(
    shape: Sequence[int],
    dtype: np.dtype[Any],
    *,
    transform: Affine | Sequence[float] | None = None,
    crs: object = None,
    nodata: float | None = None,
    band_names: Sequence[str] | None = None,
) -> Scene:
    """Describe an array as a scene; `ArrayPixels` reads it.

    Args:
        shape: bands, height, width.
        dtype: dtype of the pixels.
        transform: affine coefficients a..f, pixel (col, row) to CRS units; None for the identity.
        crs: CRS in any form that pyproj reads; None if the array has none.
        nodata: pixels where all bands have this value are invalid.
        band_names: names of the bands, "" for a band without one; None if they have no names.

    Raises:
        GeosegError: if ``band_names`` is a text in place of a list.
        SceneError: if the array does not have three dimensions, or has no pixels; if the number of
            names is not that of the bands; if the dtype is no integer or float; if the transform
            is wrong, or the CRS unknown.
    """
    if len(shape) != 3 or 0 in shape:
        sizes = " x ".join(map(str, shape))
        raise SceneError(f"{NAME} is {sizes or 'a number'}, give bands x height x width")
    count, height, width = shape
    if not (np.issubdtype(dtype, np.integer) or np.issubdtype(dtype, np.floating)):
        raise SceneError(
            f"{NAME} has {dtype} pixels, but geoseg reads integers and floats, convert it (astype)"
        )
    if band_names is not None:
        check_list("band_names", band_names)
    names = [str(name or "").strip().lower() for name in band_names or [""] * count]
    if len(names) != count:
        raise SceneError(f"{NAME} has {count} bands, but {len(names)} names of bands, give all")
    if not isinstance(nodata, int | float | np.number | None):
        raise SceneError(f"the nodata value of {NAME} is {nodata!r}, give a number (nodata)")
    scene = Scene(
        path=NAME, height=height, width=width, dtype="", transform=_coefficients(transform),
        crs=_as_wkt(crs), bands=(), band_names=(), nodata=None if nodata is None else float(nodata),
        masked=False, size=None, modified=None,
        file_bands=tuple(Band(dtype.name, name, alpha=False, masked=False) for name in names),
    )  # fmt: skip
    return scene.with_bands(tuple(range(1, count + 1)))


def _coefficients(
    transform: Affine | Sequence[float] | None,
) -> tuple[float, float, float, float, float, float]:
    try:
        values = tuple(map(float, Affine.identity() if transform is None else transform))
    except (TypeError, ValueError):
        values = ()
    if len(values) < 6 or not np.isfinite(values).all() or not Affine(*values[:6]).determinant:
        raise SceneError(
            f"the transform of {NAME} is {transform}, give six affine coefficients a..f, such as "
            "those of rasterio (transform)"
        )
    a, b, c, d, e, f = values[:6]
    return a, b, c, d, e, f


def _as_wkt(crs: object) -> str | None:
    if crs is None:
        return None
    try:
        wkt: str = CRS.from_user_input(crs).to_wkt()
    except CRSError:
        raise SceneError(f"unknown CRS {crs!r}, give a code such as EPSG:32640 (crs)") from None
    return wkt


@dataclass(frozen=True, slots=True, eq=False)
class ArrayPixels:
    """The pixels of an array, or those of a window of it."""

    array: NDArray[Any]
    """(bands, height, width), all bands of the array; it is not changed. In a masked array, a pixel
    that is masked in all bands is invalid."""
    valid: NDArray[np.bool_] | None
    """(height, width), False where a pixel is invalid whatever its value; None if the values alone
    decide."""
    window: Window
    """Position of these pixels in the whole array."""

    def read(self, scene: Scene, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Read a window of the scene of the array, on its grid or on another; see `read_window`.

        The pixels are a copy, which the caller may change.
        """
        return read_window(scene, window, self._read_array)

    def _read_array(self, scene: Scene, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        rows, cols = window.relative_to(self.window)
        selected = self.array[[number - 1 for number in scene.bands], rows, cols]
        pixels = np.asarray(selected, scene.dtype)
        valid = has_values(scene, pixels)
        if np.ma.isMaskedArray(selected):
            valid &= ~np.ma.getmaskarray(selected).all(axis=0)
        if self.valid is not None:
            valid &= self.valid[rows, cols]
        return pixels, valid
