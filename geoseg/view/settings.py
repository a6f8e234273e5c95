"""Settings of the page: further files to show, and how scene and map are read."""

from dataclasses import dataclass
from pathlib import Path

from geoseg.errors import check_list
from geoseg.legend import Legend


@dataclass(frozen=True, slots=True)
class ViewSettings:
    """Further files that the page shows, and how scene and map are read.

    Raises:
        GeosegError: if ``bands`` is a text in place of a list.
    """

    confidence: str | Path | None = None
    """Raster of the confidence of the map, one band: 1 to 255, 0 is nodata."""
    probabilities: str | Path | None = None
    """Raster of the probabilities, one band (0 to 255) for each class."""
    polygons: str | Path | None = None
    """GeoPackage or FlatGeobuf in the CRS of the map."""
    places: str | Path | None = None
    """Vector file of places to look at one after another, such as that of `geoseg.suggest`; None
    for the least certain places of the confidence."""
    compare: str | Path | None = None
    """A second map of the same place."""
    legend: Legend | str | Path | None = None
    """Classes of the maps, or their file; None for the palette and names of each map."""
    bands: tuple[int | str, ...] | None = None
    """Bands of the scene, by number (from 1) or name; the first three are shown as red, green and
    blue. None for all bands but transparency: those named red, green and blue are shown, else the
    first three."""
    nodata: float | None = None
    """Pixel value of the scene that means no data; None for the nodata value of its file."""

    def __post_init__(self) -> None:
        if self.bands is not None:
            check_list("bands", self.bands)
