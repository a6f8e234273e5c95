"""Write GeoTIFFs: small ones at once, large ones window by window into a COG."""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import MemoryFile
from rasterio.windows import Window as RasterWindow

from geoseg.files import atomic_file, temporary_path, translate_write_errors
from geoseg.grid import CHUNK_BLOCK, Window
from geoseg.raster.creation_options import normalise_creation_options
from geoseg.raster.datasets import CACHE_BYTES, GDAL_ERRORS


@dataclass(frozen=True, slots=True)
class RasterProfile:
    """Size, georeferencing, bands and colours of a raster to write; its pixels are uint8."""

    height: int
    width: int
    bands: int
    transform: tuple[float, float, float, float, float, float]
    crs: str | None
    nodata: int | None = None
    names: tuple[str, ...] = ()
    """Band descriptions."""
    colormap: Mapping[int, tuple[int, int, int]] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    overviews: str = "average"
    """Resampling of the overviews: "mode" for classes."""


def write_tile(
    path: Path,
    pixels: NDArray[Any],
    *,
    transform: Affine,
    crs: str | None,
    valid: NDArray[np.bool_] | None = None,
    nodata: int | None = None,
) -> None:
    """Write a small GeoTIFF.

    Args:
        path: of the file.
        pixels: (bands, height, width).
        transform: affine, pixel to CRS units.
        crs: WKT; None for no CRS.
        valid: (height, width), written as an internal mask unless all are True.
        nodata: value of pixels without data.

    Raises:
        OutputError: if it cannot be written.
    """
    bands, height, width = pixels.shape
    # Through memory: GDAL reports no error if the disk is full when a file is closed.
    with (
        translate_write_errors(path, GDAL_ERRORS),
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        MemoryFile() as file,
    ):
        with file.open(
            driver="GTiff", count=bands, height=height, width=width, nodata=nodata,
            dtype=pixels.dtype, transform=transform, crs=crs, compress="deflate", zlevel=1,
            predictor=1, alpha="no",
        ) as out:  # fmt: skip
            out.write(pixels)
            if valid is not None and not valid.all():
                out.write_mask(valid)
        path.write_bytes(file.getbuffer())


_COG_DEFAULTS = {
    "BLOCKSIZE": str(CHUNK_BLOCK), "COMPRESS": "DEFLATE", "PREDICTOR": "NO", "BIGTIFF": "IF_SAFER",
}  # fmt: skip


def write_cog(
    path: Path,
    profile: RasterProfile,
    windows: Iterable[tuple[Window, NDArray[np.uint8]]],
    *,
    creation_options: Mapping[str, str] | None = None,
    threads: int = 1,
) -> None:
    """Write a Cloud-Optimized GeoTIFF from windows, in bounded memory, and read it back.

    Args:
        path: of the file, which appears when it is complete.
        profile: size, georeferencing, bands and colours.
        windows: windows that partition the raster, with their pixels (bands, height, width).
        creation_options: options of GDAL's COG driver, see `normalise_creation_options`; None for
            DEFLATE in blocks of 512 px.
        threads: number of threads that compress.

    Raises:
        OutputError: if it cannot be written, or does not read back as it was written.
    """
    plain = temporary_path(path)
    try:
        with (
            atomic_file(path, errors=GDAL_ERRORS) as cog,
            rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES, GDAL_PAM_ENABLED=False),
        ):
            sums = _write_plain(plain, profile, windows)
            options = _COG_DEFAULTS | normalise_creation_options(creation_options)
            rasterio.shutil.copy(
                plain, cog, driver="COG", OVERVIEW_RESAMPLING=profile.overviews.upper(),
                NUM_THREADS=threads, **options,
            )  # fmt: skip
            _verify(cog, sums)
    finally:
        plain.unlink(missing_ok=True)


def _write_plain(
    path: Path, profile: RasterProfile, windows: Iterable[tuple[Window, NDArray[np.uint8]]]
) -> dict[Window, int]:
    sums = {}
    with rasterio.open(
        path, "w", driver="GTiff", count=profile.bands, height=profile.height, width=profile.width,
        dtype="uint8", nodata=profile.nodata, transform=Affine(*profile.transform), crs=profile.crs,
        tiled=True, blockxsize=CHUNK_BLOCK, blockysize=CHUNK_BLOCK, compress="deflate", zlevel=1,
        bigtiff="if_safer", interleave="band", photometric="minisblack", alpha="no",
    ) as out:  # fmt: skip
        if profile.colormap:
            out.write_colormap(1, dict(profile.colormap))
        for band, name in enumerate(profile.names, 1):
            out.set_band_description(band, name)
        out.update_tags(**profile.tags)
        for window, pixels in windows:
            out.write(pixels, window=RasterWindow.from_slices(*window.slices))
            sums[window] = _checksum(pixels)
    return sums


def _verify(path: Path, sums: Mapping[Window, int]) -> None:
    """Compare checksums: GDAL does not always report a failed write, for example on a full disk."""
    with rasterio.open(path) as written:
        for window, crc in sums.items():
            pixels = written.read(window=RasterWindow.from_slices(*window.slices))
            if _checksum(pixels) != crc:
                raise OSError(f"{window} did not read back as written")


def _checksum(pixels: NDArray[np.uint8]) -> int:
    return zlib.crc32(np.ascontiguousarray(pixels).data)
