"""Metadata of a raster: how the file is stored, and its tags."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rasterio.enums import MaskFlags

from geoseg.raster.datasets import has_own_mask, opened


@dataclass(frozen=True, slots=True)
class RasterMetadata:
    """How a file is stored, and its tags."""

    driver: str
    """GDAL's short name of the format."""
    dtypes: tuple[str, ...]
    """Dtype of each band of the file, alpha included."""
    nodata: tuple[float | None, ...]
    """Nodata value of each band of the file, alpha included."""
    mask: str
    """What marks pixels without data: "alpha", "mask", "nodata" or "none"."""
    compression: str | None
    """Name of the compression; None without compression, or if the format does not name it."""
    block: tuple[int, int]
    """Height and width of a block of the first band (px)."""
    overviews: tuple[int, ...]
    """Reduction of each overview of the first band."""
    tags: dict[str, str]
    """Metadata of the file as a whole."""


def read_metadata(path: str | Path) -> RasterMetadata:
    """Read a raster's metadata, not its pixels.

    Raises:
        SceneError: if the raster cannot be opened.
    """
    with opened(str(path)) as dataset:
        flags = dataset.mask_flag_enums[0]
        kinds = (
            ("alpha", MaskFlags.alpha), ("mask", MaskFlags.per_dataset),
            ("nodata", MaskFlags.nodata),
        )  # fmt: skip
        return RasterMetadata(
            driver=dataset.driver,
            dtypes=tuple(dataset.dtypes),
            nodata=tuple(dataset.nodatavals),
            mask="mask"
            if has_own_mask(flags)
            else next((name for name, flag in kinds if flag in flags), "none"),
            # `dataset.compression` knows the compressions of GeoTIFF only.
            compression=dataset.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION", "").lower() or None,
            block=dataset.block_shapes[0],
            overviews=tuple(dataset.overviews(1)),
            tags=dataset.tags(),
        )


_DATE_TAGS = (
    ("ACQUISITIONDATETIME", "IMAGERY"), ("ACQUISITIONDATETIME", None), ("DATETIME", None),
    ("TIFFTAG_DATETIME", None),
)  # fmt: skip
"""Tags that hold a date, and the domain of each tag, the most reliable first."""


def date_in_tags(path: str | Path) -> datetime | None:
    """Read the date on which a raster was acquired, or else the date on which it was made.

    Returns:
        The date, in UTC if the tag gives no time zone; None if no tag holds a date.

    Raises:
        SceneError: if the raster cannot be opened.
    """
    with opened(str(path)) as dataset:
        for name, domain in _DATE_TAGS:
            date = _parse_date(dataset.tags(ns=domain).get(name, ""))
            if date is not None:
                return date
    return None


def _parse_date(text: str) -> datetime | None:
    """Parse a date in ISO 8601, or in the form of TIFF, such as 2024:05:31 10:00:00."""
    text = text.strip()
    if text[4:5] == ":":
        text = text.replace(":", "-", 2)
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
