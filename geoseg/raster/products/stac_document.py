"""STAC items as JSON: which paths are items, and reading one from a file or an address."""

import base64
import json
import re
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from geoseg.errors import RemoteError, SceneError, root_message
from geoseg.raster.remote import is_remote

_SUFFIXES = (".json", ".geojson")
_API_ITEM = re.compile(r".*/collections/[^/]+/items/[^/]+/?")
_TIMEOUT = 30
"""Longest time to wait for the server (s)."""
_MAX_BYTES = 16 << 20
"""Largest size of an item."""
_TRY_LATER = (408, 429)
"""Status codes of HTTP below 500 after which a later try may succeed; all from 500 may."""
_NOT_ITEMS = {
    "FeatureCollection": "a collection of features", "Catalog": "a STAC catalog",
    "Collection": "a STAC collection", "Feature": "a GeoJSON feature",
}  # fmt: skip


def may_be_item(path: str) -> bool:
    """Whether a path may be that of a STAC item: a JSON file, or an item of a STAC API."""
    place = path.partition("?")[0] if is_remote(path) else path
    return place.lower().endswith(_SUFFIXES) or (
        is_remote(path) and _API_ITEM.fullmatch(place) is not None
    )


def is_stac_document(path: str) -> bool:
    """Whether a JSON file or address is a document of STAC, not another kind of GeoJSON.

    Raises:
        RemoteError: if a server does not answer.
        SceneError: if it cannot be read.
    """
    if not may_be_item(path) or (not is_remote(path) and _is_large(path)):
        return False
    try:
        document = json.loads(_download(path) if is_remote(path) else _read(path))
    except ValueError:
        return False
    is_collection = isinstance(document, dict) and document.get("type") == "FeatureCollection"
    return isinstance(document, dict) and "stac_version" in document and not is_collection


def _is_large(path: str) -> bool:
    """Whether a file is too large for an item, such as a GeoJSON file of many features."""
    try:
        return Path(path).stat().st_size > _MAX_BYTES
    except OSError:
        return False


def read_document(path: str) -> dict[str, Any] | None:
    """Read the document of a STAC item from a file or an http(s) address; None if it is other JSON.

    Raises:
        RemoteError: if the server does not answer.
        SceneError: if it cannot be read, or is GeoJSON or STAC that is not an item.
    """
    content = _download(path) if is_remote(path) else _read(path)
    try:
        document = json.loads(content)
    except ValueError:
        raise SceneError(f"{path} is not JSON, give a raster or a STAC item") from None
    if not isinstance(document, dict) or "type" not in document:
        return None
    if document["type"] != "Feature" or "stac_version" not in document:
        kind = _NOT_ITEMS.get(str(document["type"]), "not a STAC item")
        raise SceneError(f"{path} is {kind}, give a raster or a STAC item")
    version = str(document["stac_version"])
    if version.startswith("0."):
        raise SceneError(
            f"{path} is an item of STAC {version}, geoseg reads 1.0 and later, give its files with "
            "--stack"
        )
    return document


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SceneError(f"cannot read {path} ({root_message(error)}), check the path") from None


def _download(address: str) -> bytes:
    if not address.startswith(("http://", "https://")):
        raise SceneError(
            f"geoseg reads STAC items from files and http(s) addresses, not {address}, download it"
        )
    try:
        with urllib.request.urlopen(_request(address), timeout=_TIMEOUT) as answer:  # noqa: S310 - http(s) only
            content: bytes = answer.read(_MAX_BYTES + 1)
    except urllib.error.HTTPError as error:
        error.close()  # it holds the connection
        problem = f"cannot read {address} (HTTP status {error.code})"
        if error.code >= 500 or error.code in _TRY_LATER:
            raise RemoteError(f"{problem}, run the same again later") from None
        raise SceneError(f"{problem}, check the address and your credentials") from None
    except (OSError, ValueError, HTTPException) as error:
        reason = root_message(getattr(error, "reason", None) or error)
        raise RemoteError(
            f"cannot read {address} ({reason}), check the address, or run the same again later"
        ) from None
    if len(content) > _MAX_BYTES:
        raise SceneError(f"{address} is too large for a STAC item, give the item of one scene")
    return content


def _request(address: str) -> urllib.request.Request:
    """The request for an address; a login becomes a header, because urllib does not send it."""
    parts = urlsplit(address)
    login, _, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(urlunsplit(parts._replace(netloc=host)))  # noqa: S310 - http(s) only
    request.add_header("Accept", "application/geo+json, application/json")
    if login:
        token = base64.b64encode(unquote(login).encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    return request
