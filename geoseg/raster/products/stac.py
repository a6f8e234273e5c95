"""Bands of a STAC item: which assets are bands, their names, and their scales.

Items of STAC 1.0 describe bands by the extensions eo and raster (lists ``eo:bands`` and
``raster:bands`` of an asset), those of 1.1 by a list ``bands``; there, a band has the fields of its
asset too, unless it has its own.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pystac

from geoseg.errors import SceneError, root_message
from geoseg.raster.datasets import opened
from geoseg.raster.products.band_file import BandFile, Product
from geoseg.raster.products.folder import SUFFIXES, band_description
from geoseg.raster.products.names import refined_name, sentinel2_names
from geoseg.raster.products.stac_scale import is_of, scale_of
from geoseg.raster.remote import is_remote

_MEDIA_TYPES = ("image/tiff", "image/vnd.stac.geotiff", "image/jp2", "application/vrt+xml")
_DATA_ROLES = {"data", "reflectance"}
_OTHER_ROLES = {"thumbnail", "overview", "visual", "metadata"}
_RESOLUTION_SUFFIX = re.compile(r"_(\d+)m$")
_VSI = {"http": "/vsicurl/http://", "https": "/vsicurl/https://", "s3": "/vsis3/", "gs": "/vsigs/",
        "az": "/vsiaz/", "ftp": "/vsicurl/ftp://"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _AssetBand:
    """A band of an asset; several assets may hold the same band at different resolutions."""

    href: str
    number: int
    own: str
    """Name of the band within the item, lower case; the same for all resolutions of a band."""
    common: str
    """Common name of STAC, "" if it has none."""
    key: str
    """Key of the asset if this is its only band, else ""."""
    scale: float
    offset: float
    nodata: float | None
    resolution: float
    """Pixel size in units of the CRS, infinite if unknown."""
    siblings: int
    """Number of bands of the asset."""


def read_stac(path: str, document: dict[str, Any]) -> Product:
    """Return the bands of the assets of an item that are data, each at its finest resolution.

    Args:
        path: the item, as the user gave it; relative addresses of assets start from it.
        document: the JSON of the item.

    Raises:
        SceneError: if the item is not valid, or has no raster asset with data.
        RemoteError: if an asset without a list of bands cannot be reached.
    """
    place = path if is_remote(path) else str(Path(path).absolute())
    try:
        item = pystac.Item.from_dict(document, href=place)
        assets = _data_assets(item)
        bands = [
            band for key, asset in assets.items() for band in _asset_bands(item, key, asset, assets)
        ]
    except (pystac.STACError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise SceneError(
            f"{path} is not a valid STAC item ({root_message(error)}), correct it"
        ) from None
    if not bands:
        raise SceneError(
            f"the STAC item {path} has no raster assets with data, it has "
            f"{', '.join(item.assets) or 'none'}, give another item"
        )
    finest: dict[str, _AssetBand] = {}
    for band in bands:
        best = finest.setdefault(band.own, band)
        if (band.resolution, band.siblings) < (best.resolution, best.siblings):
            finest[band.own] = band
    return Product(path, "STAC item", _named(item, list(finest.values())), _date(item))


def asset_path(href: str) -> str:
    """Return GDAL's name of the address of an asset; a local path stays as it is.

    Unlike `remote.gdal_name` it keeps a # in an address, and understands file://.

    >>> asset_path("https://host/a.tif?sig=b"), asset_path("s3://bucket/a.tif")
    ('/vsicurl/https://host/a.tif?sig=b', '/vsis3/bucket/a.tif')
    """
    scheme, separator, rest = href.partition("://")
    if not separator:
        return href
    if scheme == "file":
        return unquote(urlsplit(href).path)
    return f"{_VSI[scheme]}{rest}" if scheme in _VSI else href


def _data_assets(item: pystac.Item) -> dict[str, pystac.Asset]:
    """Raster assets with a role of data; if the item gives none, those without another role."""
    rasters = {
        key: asset
        for key, asset in item.assets.items()
        if _is_raster(asset) and not _OTHER_ROLES & set(asset.roles or ())
    }
    data = {key: asset for key, asset in rasters.items() if _DATA_ROLES & set(asset.roles or ())}
    return data or {key: asset for key, asset in rasters.items() if not asset.roles}


def _is_raster(asset: pystac.Asset) -> bool:
    if asset.media_type:
        return asset.media_type.partition(";")[0].strip().lower() in _MEDIA_TYPES
    return Path(urlsplit(asset.href).path).suffix.lower() in SUFFIXES


def _asset_bands(
    item: pystac.Item, key: str, asset: pystac.Asset, assets: dict[str, pystac.Asset]
) -> list[_AssetBand]:
    href = asset.get_absolute_href()
    if href is None:
        raise ValueError(f"the address of {key} is relative")
    path = asset_path(href)
    fields = _band_fields(asset)
    if not fields:
        # If other assets list their bands, this one has a single band, such as the quality band in
        # many catalogs; otherwise only the file says how many bands it has.
        described = any(_band_fields(other) for other in assets.values())
        fields = [{**asset.extra_fields}] if described else _file_bands(path, asset)
    return [
        _asset_band(item, key, path, asset, number, band, len(fields))
        for number, band in enumerate(fields, 1)
    ]


def _band_fields(asset: pystac.Asset) -> list[dict[str, Any]]:
    """The fields of each band that an asset lists; a band inherits the fields of its asset."""
    extra = asset.extra_fields
    lists = [extra.get(name) or [] for name in ("eo:bands", "raster:bands", "bands")]
    return [
        {**extra, **{k: v for part in parts for k, v in part.items() if v is not None}}
        for parts in zip_longest(*lists, fillvalue={})
    ]


def _file_bands(path: str, asset: pystac.Asset) -> list[dict[str, Any]]:
    """The fields of each band of an asset that lists none, from its file."""
    with opened(path) as dataset:
        return [
            {**asset.extra_fields, "name": band_description(text, colour)}
            for text, colour in zip(dataset.descriptions, dataset.colorinterp, strict=True)
        ]


def _asset_band(
    item: pystac.Item, key: str, path: str, asset: pystac.Asset, number: int,
    band: dict[str, Any], siblings: int,
) -> _AssetBand:  # fmt: skip
    short = _RESOLUTION_SUFFIX.sub("", key.lower())
    own = str(band.get("name") or (short if siblings == 1 else f"{short}_{number}")).strip().lower()
    common = str(band.get("eo:common_name") or band.get("common_name") or "").strip().lower()
    centre = band.get("eo:center_wavelength") or band.get("center_wavelength")
    if is_of(item, "sentinel-2") and (names := sentinel2_names(own)):
        common, own = names[0], names[1][0]  # catalogs call one band "B02" or "blue"
    scale, offset, nodata = scale_of(item, asset, band, common)
    return _AssetBand(
        path, number, own, refined_name(common, centre), key.lower() if siblings == 1 else "",
        scale, offset, nodata, _resolution(key, band), siblings,
    )  # fmt: skip


def _resolution(key: str, band: dict[str, Any]) -> float:
    """Pixel size of a band; infinite if neither the item nor the key of the asset give it."""
    for name in ("raster:spatial_resolution", "spatial_resolution"):
        if band.get(name):
            return float(band[name])
    transform = band.get("proj:transform")
    if transform:
        return math.hypot(float(transform[0]), float(transform[3]))
    suffix = _RESOLUTION_SUFFIX.search(key)
    return float(band.get("gsd") or (suffix[1] if suffix else math.inf))


def _named(item: pystac.Item, bands: list[_AssetBand]) -> tuple[BandFile, ...]:
    """The bands in the order of the item, with their common names if no other band has these."""
    if is_of(item, "sentinel-2"):
        known = [(band, names) for band in bands if (names := sentinel2_names(band.own))]
        if known:  # the rest is classes, aerosol and water vapour
            return tuple(_band_file(band, *names) for band, names in known)
    has_nir = any("nir" in (band.common, band.own) for band in bands)
    files = []
    for band in bands:
        name = band.common if _is_clear(band, bands) else band.own
        files.append(_band_file(band, name, ("nir",) if name == "nir08" and not has_nir else ()))
    return tuple(files)


def _is_clear(band: _AssetBand, bands: list[_AssetBand]) -> bool:
    """Whether a band has a common name, and no other band has this name."""
    others = (other for other in bands if other is not band)
    return band.common != "" and not any(
        band.common in (other.common, other.own) for other in others
    )


def _band_file(band: _AssetBand, name: str, synonyms: tuple[str, ...]) -> BandFile:
    """The band under a name; its own name and the key of its asset are aliases."""
    others = dict.fromkeys(other for other in (*synonyms, band.own, band.key) if other)
    return BandFile(
        band.href, name, band.number, band.scale, band.offset, band.nodata,
        tuple(other for other in others if other != name),
    )  # fmt: skip


def _date(item: pystac.Item) -> datetime | None:
    date = item.datetime or item.common_metadata.start_datetime
    if date is None:
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
