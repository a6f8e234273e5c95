"""Scale, offset and nodata of a band of a STAC item, also if they are left out or wrong in it."""

from typing import Any

import pystac

_LANDSAT_TEMPERATURE = (0.00341802, 149.0)
_LANDSAT_REFLECTANCE = (2.75e-5, -0.2)
"""Scale and offset of Landsat Collection 2, level 2; the same in all products."""
_SENTINEL2_REFLECTANCE = (1e-4, -0.1)
"""Scale and offset of Sentinel-2 since the baseline 04.00."""


def is_of(item: pystac.Item, mission: str) -> bool:
    """Whether the constellation or platform of an item is of a mission, such as "sentinel-2"."""
    names = (item.properties.get(name) or "" for name in ("constellation", "platform"))
    return any(str(name).lower().replace(" ", "-").startswith(mission) for name in names)


def scale_of(
    item: pystac.Item, asset: pystac.Asset, band: dict[str, Any], common: str
) -> tuple[float, float, float | None]:
    """Return scale, offset and nodata of a band; nodata is None if unknown.

    If the item gives no scale, a band with a common name gets the scale that all products of
    Sentinel-2, or of Landsat Collection 2, level 2, have.

    Args:
        item: the item.
        asset: the asset of the band.
        band: the fields of the band.
        common: common name of the band, "" if it has none.

    Raises:
        TypeError, ValueError: if a field is not a number.
    """
    scale = band.get("raster:scale", band.get("scale"))
    offset = band.get("raster:offset", band.get("offset"))
    nodata = band.get("nodata")
    standard = _standard_scale(item) if scale is None and common else None
    if standard is not None:
        scale, offset = _LANDSAT_TEMPERATURE if _is_thermal(item, common) else standard
        nodata = 0 if nodata is None else nodata
    if is_of(item, "sentinel-2") and _has_no_offset(item, asset):
        offset = 0
    return (
        1.0 if scale is None else float(scale),
        0.0 if offset is None else float(offset),
        None if nodata is None else float(nodata),
    )


def _standard_scale(item: pystac.Item) -> tuple[float, float] | None:
    """Scale and offset of reflectance in the products of a mission; None if it is not certain."""
    properties = item.properties
    if is_of(item, "sentinel-2") and "s2:processing_baseline" in properties:
        return _SENTINEL2_REFLECTANCE
    level2 = str(properties.get("landsat:correction")).startswith("L2")
    collection2 = properties.get("landsat:collection_number") == "02"
    return _LANDSAT_REFLECTANCE if level2 and collection2 else None


def _is_thermal(item: pystac.Item, common: str) -> bool:
    return is_of(item, "landsat") and common.startswith("lwir")


def _has_no_offset(item: pystac.Item, asset: pystac.Asset) -> bool:
    """Whether the values of a Sentinel-2 asset have no offset, even if its metadata give one.

    Before the baseline 04.00 there is no offset. Earth Search has subtracted the offset in its
    GeoTIFFs, not in the JPEG 2000 files of the same item, but the metadata of both give it.
    """
    baseline = item.properties.get("s2:processing_baseline")
    if baseline is not None and float(baseline) < 4:
        return True
    subtracted = any(
        item.properties.get(f"{prefix}:boa_offset_applied") is True
        for prefix in ("earthsearch", "sentinel")
    )
    return subtracted and not (asset.media_type or "").startswith("image/jp2")
