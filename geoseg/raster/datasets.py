"""Open files: a few cached datasets for each thread, and errors of GDAL in one sentence."""

import hashlib
import os
import platform
import re
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rasterio
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError

from geoseg.errors import RemoteError, SceneError, root_message
from geoseg.raster.remote import (
    clear_vsi_cache,
    http_options,
    is_remote,
    rasterio_private,
    remote_etag,
)

CACHE_BYTES = 128 << 20
"""GDAL's block cache (bytes), unless the environment has GDAL_CACHEMAX.

GDAL's own default is 5 % of the memory of the machine.
"""

_GDAL_BASE_ERROR = rasterio_private("_err", "CPLE_BaseError")
GDAL_ERRORS: tuple[type[Exception], ...] = (
    RasterioError, OSError, *([_GDAL_BASE_ERROR] if _GDAL_BASE_ERROR else []),
)  # fmt: skip
"""Errors of rasterio, and those of GDAL that pass through it and have no public class."""
_READ_ERRORS: tuple[type[Exception], ...] = (*GDAL_ERRORS, UnicodeDecodeError)

DAMAGED = "the file may be truncated or damaged"
"""Advice for a local file that opens but cannot be read."""

Fingerprint = tuple[int | None, int | None, str | None]
"""Size (bytes) and time of last change (ns) of a local file; version of a remote one (ETag), or of
the files that GDAL reads with a local one."""

_DONT_RETRY = re.compile(
    r"(response|error)[_ ]code ?[:=] ?4(?!08|29)\d\d|does not exist|not recognized|No such file"
    r"|Access ?Denied|signature we calculated|has expired"
)
"""Messages of GDAL, or of S3, about remote files for which a retry is useless."""

_NO_RANGES = "Range downloading not supported"
"""Message of GDAL about a server that sends whole files only."""

_IN_ARCHIVE = re.compile(r"^/vsi(zip|tar|gzip)/")
_ARCHIVE = re.compile(r"(zip|tar)(?:\+file)?://([^!]+)!/?(.+)")

_thread_datasets = threading.local()
_CACHED = 8
"""Largest number of datasets that a thread keeps open."""


def fingerprint(path: str, files: Iterable[str] = ()) -> Fingerprint:
    """Return what changes when a raster is replaced; needs `gdal_env`.

    Args:
        path: of the raster.
        files: that GDAL reads with it: sources of a VRT, a mask, an archive.
    """
    if is_remote(path):
        return None, None, remote_etag(path)
    size, modified = _size_and_time(path)
    others = set(map(_on_disk, files)) - {"", str(Path(path))}
    if not others:
        return size, modified, None
    known = sorted((Path(file).name, *map(str, _size_and_time(file))) for file in others)
    return size, modified, hashlib.sha256(repr(known).encode()).hexdigest()[:16]


def _size_and_time(path: str) -> tuple[int | None, int | None]:
    """Return size (bytes) and time of change (ns) of a file; None for what is no file."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):  # a URL, or the text of a VRT
        return None, None
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else (None, None)


def _on_disk(file: str) -> str:
    """Return the local file that has a file of GDAL's list: itself or its archive; "" for none.

    Overviews and ``.aux.xml`` do not count: other programs write them when they show the raster.
    """
    if file.lower().endswith((".ovr", ".aux.xml")):
        return ""
    path = Path(_IN_ARCHIVE.sub("", file))
    return next((str(place) for place in (path, *path.parents) if place.is_file()), "")


def is_masked(flags: list[MaskFlags]) -> bool:
    """Whether a band has a mask, its own or that of all bands; an alpha band is no mask."""
    return (MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags) or has_own_mask(flags)


def has_own_mask(flags: list[MaskFlags]) -> bool:
    """Whether a band has a mask that no other band has; GDAL has no flag for it."""
    return not flags


def gdal_env() -> rasterio.Env:
    """Return the environment in which GDAL opens and reads."""
    cache = {} if "GDAL_CACHEMAX" in os.environ else {"GDAL_CACHEMAX": CACHE_BYTES}
    return rasterio.Env(
        # With this optimisation the PNG driver reads a truncated file without an error.
        GDAL_PNG_WHOLE_IMAGE_OPTIM="NO",
        **cache,
        **http_options(),
    )


@contextmanager
def opened(path: str) -> Iterator[rasterio.DatasetReader]:
    """Open a raster, and close it at the end of the block.

    Raises:
        SceneError: if GDAL cannot open it, or if GDAL fails while the caller reads from it.
    """
    with gdal_env(), _open(path) as dataset:
        try:
            yield dataset
        except _READ_ERRORS as error:
            raise raster_error(
                path, f"cannot read {path} ({root_message(error)})", DAMAGED
            ) from None


def cached_dataset(
    name: str, versions: Mapping[str, Fingerprint], *, overview: int | None = None
) -> rasterio.DatasetReader:
    """Return an open dataset of this thread: threads must not share one, and opening is slow.

    Args:
        name: anything GDAL opens, also the text of a VRT.
        versions: expected fingerprint of each file that the dataset reads.
        overview: number of the overview to open in place of the full size, from 0.

    Raises:
        SceneError: if it cannot be opened, or a file has another fingerprint than expected.
    """
    cache = _cache()
    files = tuple(versions.items())
    key = name, overview, files
    if key not in cache:
        for path, expected in versions.items():
            _check_version(path, expected)
        replaced = [other for other in cache if other[0] == name and other[2] != files]
        for other in replaced:
            del cache[other]
        cache[key] = _open(name, overview)
        if len(cache) > _CACHED:
            cache.popitem(last=False)
    cache.move_to_end(key)
    return cache[key]


def _check_version(path: str, expected: Fingerprint) -> None:
    files = ()
    if expected[2] is not None and not is_remote(path):
        with _open(path) as dataset:
            files = dataset.files
    current = fingerprint(path, files)
    if current == expected:
        return
    if expected[0] is not None and current[0] is None:
        raise SceneError(
            f"{path} is not there on {platform.node()}: it was moved or deleted, or this worker "
            "does not see it under the same path, check it"
        )
    raise SceneError(f"{path} changed while it was in use, start again")


def drop_cached(paths: tuple[str, ...]) -> None:
    """Close all open datasets of this thread, after an error in reading these files."""
    _cache().clear()
    for path in paths:
        if is_remote(path):
            clear_vsi_cache(path)


def _cache() -> OrderedDict[Any, rasterio.DatasetReader]:
    """The open datasets of this thread, the most recently used one last."""
    if not hasattr(_thread_datasets, "cache"):
        _thread_datasets.cache = OrderedDict()
    cache: OrderedDict[Any, rasterio.DatasetReader] = _thread_datasets.cache
    return cache


def raster_error(path: str, problem: str, advice: str) -> SceneError:
    """Return the error for a raster that cannot be opened or read.

    It is a `RemoteError` if a retry may succeed. ``advice`` says what to do about a local file.
    """
    if not is_remote(path):
        return SceneError(f"{problem}, {advice}")
    if _NO_RANGES in problem:
        return SceneError(
            f"cannot read {path}: its server sends whole files only (no range requests), download "
            "the file and give its local path"
        )
    if _DONT_RETRY.search(problem):
        return SceneError(f"{problem}, check the address and your credentials")
    return RemoteError(f"{problem}, the link or the server may be down, run the same again later")


def _open(path: str, overview: int | None = None) -> rasterio.DatasetReader:
    options = {} if overview is None else {"overview_level": overview}
    try:
        return rasterio.open(_in_archive(path), **options)
    except GDAL_ERRORS as error:
        if is_remote(path):
            clear_vsi_cache(path)
        reason = root_message(error).rpartition(f"{path}:")[2].strip().removeprefix(f"'{path}' ")
        raise raster_error(
            path, f"cannot open {path}: {reason}", "check the path and the format"
        ) from None


def _in_archive(path: str) -> str:
    """GDAL's name of a file in an archive, for ``zip://a.zip!b.tif``; other paths unchanged.

    rasterio does this too, but not if the path of the archive has no folder.
    """
    match = _ARCHIVE.fullmatch(path)
    return f"/vsi{match[1]}/{match[2]}/{match[3]}" if match else path
