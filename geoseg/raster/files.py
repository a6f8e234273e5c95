"""Files open for reading: one handle a thread, and errors in one sentence."""

import re
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

from geoseg.errors import LinkError, SceneError
from geoseg.raster.remote import forget_remote, is_remote, patience, version

CACHE_BYTES = 128 << 20
"""GDAL's block cache; its default of 5 % of the machine's memory would count against the scene."""

GDAL_ERRORS = (RasterioError, CPLE_BaseError, OSError)
"""What GDAL raises by way of rasterio, which lets some of its errors pass as they are."""

DAMAGED = "the file may be truncated or damaged"
"""What to suspect when a local file opens but cannot be read."""

Stamp = tuple[int | None, int | None, str | None]
"""Size (bytes) and time of last change (ns) of a local file; a server's version of a remote one."""

_FINAL = re.compile(
    r"(response|error)[_ ]code ?[:=] ?4(?!08|29)\d\d|does not exist|not recognized|No such file"
    r"|Access ?Denied|signature we calculated|has expired"
)
"""What GDAL, or S3 through it, says of remote files that another try will not bring."""

_NO_RANGES = "Range downloading not supported"
"""What GDAL says of a server that sends whole files only."""

_ARCHIVE = re.compile(r"(zip|tar)(?:\+file)?://([^!]+)!/?(.+)")

_open_here = threading.local()


def stamp(path: str) -> Stamp:
    """What tells a file from another one that takes its place; needs `reading` for a remote one."""
    if is_remote(path):
        return None, None, version(path)
    try:
        found = Path(path).stat()
    except (OSError, ValueError):  # a URL, or the text of a VRT
        return None, None, None
    file = stat.S_ISREG(found.st_mode)
    return (found.st_size, found.st_mtime_ns, None) if file else (None, None, None)


def reading() -> rasterio.Env:
    """How GDAL is to open and read."""
    return rasterio.Env(
        GDAL_CACHEMAX=CACHE_BYTES,
        # The PNG driver's short cut for whole images takes half a file for a complete one.
        GDAL_PNG_WHOLE_IMAGE_OPTIM="NO",
        **patience(),
    )


@contextmanager
def opened(path: str) -> Iterator[rasterio.DatasetReader]:
    """Open a raster for a moment.

    Raises:
        SceneError: if GDAL cannot open it, or if GDAL fails while the caller reads from it.
    """
    with reading(), _open(path) as dataset:
        try:
            yield dataset
        except (*GDAL_ERRORS, UnicodeDecodeError) as error:
            raise trouble(path, f"cannot read {path} ({cause(error)})", DAMAGED) from None


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


def forget(path: str) -> None:
    """Close this thread's open dataset, after it failed."""
    _open_here.handle = None
    if is_remote(path):
        forget_remote(path)


def trouble(path: str, what: str, advice: str) -> SceneError:
    """The error for a raster that cannot be opened or read.

    A link that breaks passes, and so another try may succeed; a file that is not there does not.

    Args:
        path: of the raster.
        what: what went wrong.
        advice: for a local file.
    """
    if not is_remote(path):
        return SceneError(f"{what}, {advice}")
    if _NO_RANGES in what:
        return SceneError(
            f"cannot read {path}: its server sends whole files only (no range requests), download "
            "the file and give its local path"
        )
    if _FINAL.search(what):
        return SceneError(f"{what}, check the address and your credentials")
    return LinkError(f"{what}, the link or the server may be down, run the same again later")


def cause(error: BaseException) -> str:
    """GDAL's own words, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _open(path: str) -> rasterio.DatasetReader:
    try:
        return rasterio.open(_in_archive(path))
    except GDAL_ERRORS as error:
        if is_remote(path):
            forget_remote(path)
        reason = cause(error).rpartition(f"{path}:")[2].strip().removeprefix(f"'{path}' ")
        raise trouble(
            path, f"cannot open {path}: {reason}", "check the path and the format"
        ) from None


def _in_archive(path: str) -> str:
    """GDAL's name of a file in an archive, for ``zip://a.zip!b.tif``; other paths as they are.

    rasterio does this too, but not where the archive's path has no folder.
    """
    named = _ARCHIVE.fullmatch(path)
    return f"/vsi{named[1]}/{named[2]}/{named[3]}" if named else path
