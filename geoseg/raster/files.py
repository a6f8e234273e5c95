"""Files open for reading: one handle a thread, and errors in one sentence."""

import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

from geoseg.errors import SceneError

CACHE_BYTES = 128 << 20
"""GDAL's block cache; its default of 5 % of the machine's memory would count against the scene."""

GDAL_ERRORS = (RasterioError, CPLE_BaseError, OSError)
"""What GDAL raises by way of rasterio, which lets some of its errors pass as they are."""

Stamp = tuple[int | None, int | None]
"""Size (bytes) and time of last change (ns) of a file; None where it is not a local one."""

_open_here = threading.local()


def stamp(path: str) -> Stamp:
    """What tells a file from another one that takes its place."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):  # a URL, or the text of a VRT
        return None, None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else (None, None)


def reading() -> rasterio.Env:
    """How GDAL is to open and read."""
    return rasterio.Env(
        GDAL_CACHEMAX=CACHE_BYTES,
        # The PNG driver's short cut for whole images takes half a file for a complete one.
        GDAL_PNG_WHOLE_IMAGE_OPTIM="NO",
    )


@contextmanager
def opened(path: str) -> Iterator[rasterio.DatasetReader]:
    """Open a raster for a moment.

    Raises:
        SceneError: if GDAL cannot open it.
    """
    with reading(), _open(path) as dataset:
        yield dataset


def handle(path: str, described: Stamp) -> rasterio.DatasetReader:
    """This thread's open dataset: GDAL handles must not be shared, and opening is slow.

    Raises:
        SceneError: if it cannot be opened, or is no longer the file that was described.
    """
    cached = getattr(_open_here, "handle", None)
    if cached is None or cached[:2] != (path, described):
        if stamp(path) != described:
            raise SceneError(f"{path} changed while it was in use, start again")
        cached = _open_here.handle = (path, described, _open(path))
    dataset: rasterio.DatasetReader = cached[2]
    return dataset


def forget() -> None:
    """Close this thread's open dataset, after it failed."""
    _open_here.handle = None


def cause(error: BaseException) -> str:
    """GDAL's own words, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _open(path: str) -> rasterio.DatasetReader:
    try:
        return rasterio.open(path)
    except GDAL_ERRORS as error:
        reason = cause(error).rpartition(f"{path}:")[2].strip().removeprefix(f"'{path}' ")
        raise SceneError(f"cannot open {path}: {reason}, check the path and the format") from None
