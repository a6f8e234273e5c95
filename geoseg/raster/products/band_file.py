"""Products as values: the bands of a scene that lie in several files."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from geoseg.errors import SceneError, count_of


@dataclass(frozen=True, slots=True)
class BandFile:
    """A band of a product, and where its pixels are.

    Raises:
        SceneError: if a value is out of its range.
    """

    path: str = field(repr=False)
    """Anything GDAL opens; it may hold a credential, so it is not shown."""
    name: str
    """Common name of STAC ("red", "swir16"), else the name in the product ("vv"); lower case."""
    number: int = 1
    """Band of the file, from 1."""
    scale: float = 1.0
    """Physical value (reflectance, K, dB) = stored value * `scale` + `offset`."""
    offset: float = 0.0
    nodata: float | None = None
    """Stored value of pixels without data; None for that of the file."""
    aliases: tuple[str, ...] = ()
    """Other names of this band ("b04", "sr_b4"), lower case."""

    def __post_init__(self) -> None:
        """Check the values."""
        for name in (self.name, *self.aliases):
            if not name or name != name.strip().lower():
                raise SceneError(
                    f"a band of {self.path} has the name {name!r}, give a name in lower case"
                )
        if self.number < 1:
            raise SceneError(f"{self.path} has no band {self.number}, bands are counted from 1")
        if not (math.isfinite(self.scale) and self.scale and math.isfinite(self.offset)):
            raise SceneError(
                f"band {self.name} of {self.path} has the scale {self.scale} and the offset "
                f"{self.offset}, correct its metadata"
            )


@dataclass(frozen=True, slots=True)
class Product:
    """The bands of one scene as they were delivered: a folder, an archive or a STAC item.

    Raises:
        SceneError: if there is no band, or if two bands have one name.
    """

    path: str = field(repr=False)
    """As the user gave it."""
    kind: str
    """"Sentinel-2 L2A", "Landsat 8 L2", "STAC item" or "folder"."""
    bands: tuple[BandFile, ...]
    """In the order of the sensor, of the item or of the file names; names differ."""
    date: datetime | None = None
    """When it was acquired, in UTC; None if unknown."""

    def __post_init__(self) -> None:
        """Check the bands and the date."""
        if not self.bands:
            raise SceneError(f"{self.path} ({self.kind}) has no bands, give the band files")
        by_name: dict[str, BandFile] = {}
        for band in self.bands:
            twin = by_name.setdefault(band.name, band)
            if twin is not band:
                raise SceneError(
                    f"{self.path} has two bands with the name {band.name} ({twin.path} and "
                    f"{band.path}), give a pattern that matches one of them with "
                    "--stack, such as 'folder/*_10m.tif'"
                )
        if self.date is not None and self.date.tzinfo is None:
            raise SceneError(f"the date of {self.path} has no time zone, give it in UTC")


def check_complete(path: str, missing: Sequence[str]) -> None:
    """Refuse a product that lacks files.

    Args:
        path: the product, as the user gave it.
        missing: band files that its metadata name, but that do not exist.

    Raises:
        SceneError: if a file is missing.
    """
    if missing:
        raise SceneError(
            f"{path} lacks {count_of(len(missing), 'band file')} that its metadata name, such as "
            f"{missing[0]}, download it again, or give the files that are there with --stack"
        )
