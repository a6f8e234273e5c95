"""What is done to a map's areas and outlines before they are written."""

from dataclasses import dataclass

import numpy as np
from affine import Affine

from geoseg.errors import RunError
from geoseg.polygons.measure import cell_areas
from geoseg.polygons.sieve import Limit
from geoseg.polygons.smooth import ROUNDS


@dataclass(frozen=True, slots=True)
class Cleaning:
    """In this order. Polygons stay a coverage: no gap, no overlap, shared sides equal.

    Raises:
        RunError: if a value is out of range.
    """

    min_area: float = 0.0
    """Areas smaller than this (m²) take the class along the longest part of their border."""
    simplify: float = 0.0
    """Side (px) of what outlines may leave out: square root of the area of a triangle."""
    smooth: int = 0
    """Rounds of corner cutting, 0 to 3; each about doubles the vertices."""

    def __post_init__(self) -> None:
        if not 0 <= self.min_area < np.inf:
            raise RunError(f"a least area of {self.min_area} m² makes no sense, give 0 or more")
        if not 0 <= self.simplify < np.inf:
            raise RunError(f"a tolerance of {self.simplify} px makes no sense, give 0 or more")
        if not 0 <= self.smooth <= ROUNDS:
            raise RunError(f"{self.smooth} rounds of smoothing are not 0 to {ROUNDS}")

    def limit(self, transform: Affine, crs: str | None, height: int) -> Limit | None:
        """What is too small on a map of ``height`` rows; None if nothing is.

        Raises:
            RunError: if the map has no CRS, so that its areas are not known.
        """
        if not self.min_area:
            return None
        if crs is None:
            raise RunError(
                "the map has no CRS, so areas in m² are unknown: assign one (gdal_edit -a_srs) "
                "or leave out --min-area"
            )
        rows = np.arange(height)
        cells = cell_areas(transform, crs, rows)
        return Limit.of(cells, self.min_area)
