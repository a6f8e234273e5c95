"""Scale, offset and nodata of a band of a STAC item, where catalogs leave them out or err."""

from typing import Any

import pystac

_LANDSAT_TEMPERATURE = (0.00341802, 149.0)
_LANDSAT_REFLECTANCE = (2.75e-5, -0.2)
"""Scale and offset of Landsat Collection 2, level 2; the same in all products."""
_SENTINEL2_REFLECTANCE = (1e-4, -0.1)
"""Scale and offset of Sentinel-2 since the baseline 04.00."""


def is_of(item: pystac.Item, mission: str) -> bool:
    """Whether an item is of a mission, such as "sentinel-2"; the constellation or platform says."""
    names = (item.properties.get(name) or "" for name in ("constellation", "platform"))
    return any(str(name).lower().replace(" ", "-").startswith(mission) for name in names)


def scale_of(
    item: pystac.Item, asset: pystac.Asset, band: dict[str, Any], common: str
) -> tuple[float, float, float | None]:
    """Return scale, offset and nodata of a band with given fields; nodata is None if unknown.

    Where the item gives no scale, that of the format of Sentinel-2 and of Landsat Collection 2,
    level 2, is taken, for bands with a common name.

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
    """Scale and offset of reflectance in the format of a product; None if that is not certain."""
    properties = item.properties
    if is_of(item, "sentinel-2") and "s2:processing_baseline" in properties:
        return _SENTINEL2_REFLECTANCE
    level2 = str(properties.get("landsat:correction")).startswith("L2")
    collection2 = properties.get("landsat:collection_number") == "02"
    return _LANDSAT_REFLECTANCE if level2 and collection2 else None


def _is_thermal(item: pystac.Item, common: str) -> bool:
    return is_of(item, "landsat") and common.startswith("lwir")


def _has_no_offset(item: pystac.Item, asset: pystac.Asset) -> bool:
    """Whether the stored values of a Sentinel-2 asset have no offset, whatever its bands say.

    Before the baseline 04.00 there is none. Earth Search has subtracted it in its GeoTIFFs, not in
    the JPEG 2000 files of the same item, but the metadata of the bands repeat it.
    """
    baseline = item.properties.get("s2:processing_baseline")
    if baseline is not None and float(baseline) < 4:
        return True
    subtracted = any(
        item.properties.get(f"{prefix}:boa_offset_applied") is True
        for prefix in ("earthsearch", "sentinel")
    )
    return subtracted and not (asset.media_type or "").startswith("image/jp2")
