"""Rasters behind a network: how GDAL is to read them, and what tells their versions."""

import ctypes
import os
import re

import rasterio._base
from rasterio._path import _parse_path, _vsi_path

_REMOTE = re.compile(
    r"^(/vsi(curl|s3|gs|az|adls|oss|swift|webhdfs)[/_?]|(?!file)([a-z0-9]+\+)*(https?|ftp|s3|gs|az)://)"
)
HTTP_OPTIONS = {
    "GDAL_HTTP_MAX_RETRY": "5",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
    # Less than 1 kB/s for so long (s) is a broken link.
    "GDAL_HTTP_LOW_SPEED_TIME": "60",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1000",
}
"""GDAL's settings for a link that breaks now and then; the environment's own ones win."""


def is_remote(path: str) -> bool:
    """Whether GDAL reads a path over a network."""
    return _REMOTE.match(path) is not None


def http_options() -> dict[str, str]:
    """The settings of `HTTP_OPTIONS` that the environment leaves open."""
    return {name: value for name, value in HTTP_OPTIONS.items() if name not in os.environ}


def remote_etag(path: str) -> str | None:
    """ETag of a remote file, or else its length and time of change; None where nobody tells.

    Asked of GDAL, which knows the credentials. A rasterio environment must be set.
    """
    headers = dict(line.partition("=")[::2] for line in _headers(_vsi_path(_parse_path(path))))
    found = {name.lower(): value for name, value in headers.items()}
    length = found.get("content-range", "").rpartition("/")[2] or found.get("content-length", "")
    changed = found.get("last-modified")
    return found.get("etag") or (f"{length} bytes, {changed}" if changed else None)


def clear_vsi_cache(path: str) -> None:
    """Make GDAL forget what it knows of a remote file, such as that it could not be reached."""
    _gdal().VSICurlPartialClearCache(_vsi_path(_parse_path(path)).encode())


def _headers(path: str) -> list[str]:
    """Lines "Name=value" of the server's answer."""
    gdal = _gdal()
    ask, free = gdal.VSIGetFileMetadata, gdal.CSLDestroy
    ask.restype, ask.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p]
    free.argtypes = [ctypes.c_void_p]
    found = ask(path.encode(), b"HEADERS", None)
    if not found:
        return []
    lines: list[str] = []
    array = ctypes.cast(found, ctypes.POINTER(ctypes.c_char_p))
    while (line := array[len(lines)]) is not None:
        lines.append(line.decode(errors="replace"))
    free(found)
    return lines


def _gdal() -> ctypes.CDLL:
    """The GDAL that rasterio is bound to: rasterio has no call for these functions."""
    return ctypes.CDLL(rasterio._base.__file__)  # noqa: SLF001
