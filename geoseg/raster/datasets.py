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

from geoseg.errors import LinkError, SceneError, root_message
from geoseg.raster.remote import clear_vsi_cache, http_options, is_remote, remote_etag

CACHE_BYTES = 128 << 20
"""GDAL's block cache; its default of 5 % of the machine's memory would count against the scene."""

GDAL_ERRORS = (RasterioError, CPLE_BaseError, OSError)
"""What GDAL raises by way of rasterio, which lets some of its errors pass as they are."""

DAMAGED = "the file may be truncated or damaged"
"""What to suspect when a local file opens but cannot be read."""

Fingerprint = tuple[int | None, int | None, str | None]
"""Size (bytes) and time of last change (ns) of a local file; a server's version of a remote one."""

_DONT_RETRY = re.compile(
    r"(response|error)[_ ]code ?[:=] ?4(?!08|29)\d\d|does not exist|not recognized|No such file"
    r"|Access ?Denied|signature we calculated|has expired"
)
"""What GDAL, or S3 through it, says of remote files that another try will not bring."""

_NO_RANGES = "Range downloading not supported"
"""What GDAL says of a server that sends whole files only."""

_ARCHIVE = re.compile(r"(zip|tar)(?:\+file)?://([^!]+)!/?(.+)")

_thread_datasets = threading.local()


def fingerprint(path: str) -> Fingerprint:
    """Size, time and ETag, which tell a file from a later one of its name; needs `gdal_env`."""
    if is_remote(path):
        return None, None, remote_etag(path)
    try:
        found = Path(path).stat()
    except (OSError, ValueError):  # a URL, or the text of a VRT
        return None, None, None
    file = stat.S_ISREG(found.st_mode)
    return (found.st_size, found.st_mtime_ns, None) if file else (None, None, None)


def gdal_env() -> rasterio.Env:
    """How GDAL is to open and read."""
    return rasterio.Env(
        GDAL_CACHEMAX=CACHE_BYTES,
        # The PNG driver's short cut for whole images takes half a file for a complete one.
        GDAL_PNG_WHOLE_IMAGE_OPTIM="NO",
        **http_options(),
    )


@contextmanager
def opened(path: str) -> Iterator[rasterio.DatasetReader]:
    """Open a raster for a moment.

    Raises:
        SceneError: if GDAL cannot open it, or if GDAL fails while the caller reads from it.
    """
    with gdal_env(), _open(path) as dataset:
        try:
            yield dataset
        except (*GDAL_ERRORS, UnicodeDecodeError) as error:
            raise raster_error(
                path, f"cannot read {path} ({root_message(error)})", DAMAGED
            ) from None


def cached_dataset(path: str, described: Fingerprint) -> rasterio.DatasetReader:
    """This thread's open dataset: GDAL handles must not be shared, and opening is slow.

    Raises:
        SceneError: if it cannot be opened, or is no longer the file that was described.
    """
    cached = getattr(_thread_datasets, "handle", None)
    if cached is None or cached[:2] != (path, described):
        if fingerprint(path) != described:
            raise SceneError(f"{path} changed while it was in use, start again")
        cached = _thread_datasets.handle = (path, described, _open(path))
    dataset: rasterio.DatasetReader = cached[2]
    return dataset


def drop_cached(path: str) -> None:
    """Close this thread's open dataset, after it failed."""
    _thread_datasets.handle = None
    if is_remote(path):
        clear_vsi_cache(path)


def raster_error(path: str, what: str, advice: str) -> SceneError:
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
    if _DONT_RETRY.search(what):
        return SceneError(f"{what}, check the address and your credentials")
    return LinkError(f"{what}, the link or the server may be down, run the same again later")


def _open(path: str) -> rasterio.DatasetReader:
    try:
        return rasterio.open(_in_archive(path))
    except GDAL_ERRORS as error:
        if is_remote(path):
            clear_vsi_cache(path)
        reason = root_message(error).rpartition(f"{path}:")[2].strip().removeprefix(f"'{path}' ")
        raise raster_error(
            path, f"cannot open {path}: {reason}", "check the path and the format"
        ) from None


def _in_archive(path: str) -> str:
    """GDAL's name of a file in an archive, for ``zip://a.zip!b.tif``; other paths as they are.

    rasterio does this too, but not where the archive's path has no folder.
    """
    named = _ARCHIVE.fullmatch(path)
    return f"/vsi{named[1]}/{named[2]}/{named[3]}" if named else path
