"""Rasters behind a network: settings of GDAL for reading them, and the version of a remote file.

rasterio has no public call for the version of a remote file. What is taken from its private modules
goes through `rasterio_private`; without it, geoseg works, but does not notice that a remote file
was replaced during a run.
"""

import ctypes
import os
import re
from importlib import import_module
from typing import Any

_REMOTE = re.compile(
    r"^((/vsi(zip|tar|gzip)(/\{)?/?(?=/vsi))*/vsi(curl|s3|gs|az|adls|oss|swift|webhdfs)[/_?]"
    r"|(?!file)([a-z0-9]+\+)*(https?|ftp|s3|gs|az|oss)://)"
)
"""How addresses begin, also those of archives: /vsizip//vsicurl/https://host/a.zip/b.tif."""
_HTTP_OPTIONS = {
    "GDAL_HTTP_MAX_RETRY": "5",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
    # Less than 1 kB/s during this time (s) counts as a broken link.
    "GDAL_HTTP_LOW_SPEED_TIME": "60",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1000",
}
"""Settings of GDAL for an unreliable link; environment variables override them."""


def is_remote(path: str) -> bool:
    """Whether GDAL reads a path over a network."""
    return _REMOTE.match(path) is not None


def http_options() -> dict[str, str]:
    """The settings of `_HTTP_OPTIONS` that are not set in the environment."""
    return {name: value for name, value in _HTTP_OPTIONS.items() if name not in os.environ}


def rasterio_private(module: str, name: str) -> Any | None:  # noqa: ANN401 - of any type
    """Return an attribute of a private module of rasterio; None if it does not exist."""
    try:
        return getattr(import_module(f"rasterio.{module}"), name)
    except (ImportError, AttributeError):
        return None


def remote_etag(path: str) -> str | None:
    """Return the ETag of a remote file, or its length and time of change, or None if unknown.

    GDAL asks the server, because it has the credentials. A rasterio environment must be set.
    """
    headers = {
        name.lower(): value for name, _, value in (line.partition("=") for line in _headers(path))
    }
    length = headers.get("content-range", "").rpartition("/")[2] or headers.get(
        "content-length", ""
    )
    changed = headers.get("last-modified")
    return headers.get("etag") or (f"{length} bytes, {changed}" if changed else None)


def clear_vsi_cache(path: str) -> None:
    """Empty GDAL's cache for a remote file, which also keeps failed answers of the server."""
    clear = _gdal_function("VSICurlPartialClearCache")
    if clear is not None:
        clear(gdal_name(path).encode())


def _headers(path: str) -> list[str]:
    """Return the lines "Name=value" of the server's answer; none if GDAL cannot be asked."""
    get, free = _gdal_function("VSIGetFileMetadata"), _gdal_function("CSLDestroy")
    if get is None or free is None:
        return []
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p]
    free.argtypes = [ctypes.c_void_p]
    pointer = get(gdal_name(path).encode(), b"HEADERS", None)
    if not pointer:
        return []
    lines: list[str] = []
    array = ctypes.cast(pointer, ctypes.POINTER(ctypes.c_char_p))
    while (line := array[len(lines)]) is not None:
        lines.append(line.decode(errors="replace"))
    free(pointer)
    return lines


def gdal_name(path: str) -> str:
    """GDAL's name of a file, as rasterio makes it: /vsicurl/https://... for https://..."""
    parse, vsi = (rasterio_private("_path", name) for name in ("_parse_path", "_vsi_path"))
    return path if parse is None or vsi is None else str(vsi(parse(path)))


def _gdal_function(name: str) -> Any | None:  # noqa: ANN401 - a function of ctypes
    """A function of the GDAL library that rasterio is linked to."""
    library = rasterio_private("_base", "__file__")
    try:
        return None if library is None else getattr(ctypes.CDLL(library), name)
    except (OSError, AttributeError):
        return None
