"""Settings for cleaning the polygons of a map before they are written."""

from dataclasses import dataclass

import numpy as np
from affine import Affine

from geoseg.errors import RunError
from geoseg.geodesy import pixel_areas
from geoseg.polygons.clean.sieve import SieveThreshold
from geoseg.polygons.clean.smooth import MAX_ROUNDS

_MAX_WEIGHT = 2**62
"""Largest threshold: the sieve adds weights as int64."""


@dataclass(frozen=True, slots=True)
class Cleaning:
    """Merging of small areas, simplifying and smoothing, applied in this order.

    Polygons stay a valid coverage: no gaps, no overlaps, equal shared sides. Simplifying and
    smoothing move outlines, also those at nodata and at the edge of the map, so that the polygons
    cover slightly more or less than the valid pixels.

    Raises:
        RunError: if a value is out of range.
    """

    min_area: float = 0.0
    """Smallest area (m²), 0 for no limit; smaller ones are merged into the class with which
    they share the longest border."""
    simplify: float = 0.0
    """Visvalingam-Whyatt tolerance (px), 0 for none: square root of the area of the triangles that
    are removed."""
    smooth: int = 0
    """Rounds of corner cutting (Chaikin), 0 to 3; each about doubles the number of vertices."""

    def __post_init__(self) -> None:
        if not 0 <= self.min_area < np.inf:
            raise RunError(f"min_area is {self.min_area} m², it must be 0 or more")
        if not 0 <= self.simplify < np.inf:
            raise RunError(f"simplify is {self.simplify} px, it must be 0 or more")
        smooth: object = self.smooth
        if not isinstance(smooth, int) or not 0 <= smooth <= MAX_ROUNDS:
            raise RunError(
                f"smooth is {self.smooth} rounds, it must be a whole number from 0 to {MAX_ROUNDS}"
            )

    def sieve_threshold(
        self, transform: Affine, crs: str | None, height: int, width: int
    ) -> SieveThreshold | None:
        """Return which components of a map (height, width) are small; None for no limit.

        Raises:
            RunError: if areas in m² are unknown, such as without a CRS.
        """
        if not self.min_area:
            return None
        if crs is None:
            raise RunError(
                "the map has no CRS, so areas in m² are unknown: assign one (gdal_edit -a_srs), "
                "or set no smallest area (min_area, --min-area)"
            )
        area_by_row = pixel_areas(transform, crs, np.arange(height), width)
        largest = area_by_row.max()
        if not 0 < largest < np.inf:
            raise RunError(
                "the areas of the pixels of the map in m² are unknown or differ within rows: warp "
                "it to a projected CRS (gdalwarp), or set no smallest area (min_area, --min-area)"
            )
        # Weights are whole numbers, so that their sum does not depend on the order.
        scale = 1 if (area_by_row == largest).all() else 2**20
        weights = np.round(area_by_row / largest * scale).astype(np.int64)
        # Of an area that is the limit but for rounding errors, all pixels are to count.
        least = np.ceil(self.min_area / largest * scale * (1 - 1e-9))
        return SieveThreshold(weights, int(np.clip(least, 1, _MAX_WEIGHT)))
