"""How a map is compared with a reference."""

from dataclasses import dataclass
from pathlib import Path

from geoseg.errors import EvaluateError, check_list
from geoseg.legend import Legend


@dataclass(frozen=True, slots=True)
class EvaluateSettings:
    """How map and reference are read, and what is computed.

    Raises:
        EvaluateError: if the boundary distance is not a number above 0, or a legend of strata is
            given without strata.
        GeosegError: if ``ignore`` is not a list or tuple.
    """

    layer: str | None = None
    """Layer of the polygons or points; None for the first layer with geometries."""
    class_field: str | None = None
    """Field of the polygons or points that holds the class; None for "reference", as `sample`
    writes it."""
    legend: Legend | str | Path | None = None
    """Classes of the map, or their file; None for the palette and names of the map."""
    reference_legend: Legend | str | Path | None = None
    """Classes of the reference, or their file, if its values or colours differ from the map's;
    classes are matched by name. None for the names in its file, else the classes of the map."""
    ignore: tuple[str, ...] = ()
    """Names, values or colours of classes that count as unlabelled in map and reference."""
    sampled: bool = False
    """Whether the labelled pixels of a raster or of polygons are a random sample within each class
    of the map; points always are a sample."""
    strata: str | Path | None = None
    """Raster of the strata that points were drawn from, each value a stratum; None for the classes
    of the map."""
    strata_legend: Legend | str | Path | None = None
    """Names of the strata, or their file; None for the names of the raster, else the names of the
    map's classes if the map has all values, else "stratum N" with the value N."""
    boundary: float | None = None
    """Distance to an outline within which boundary IoU counts pixels (m), above 0; None for three
    pixels."""
    confidence: str | Path | None = None
    """Confidence raster, 1..255, as `classify` writes it; None for no calibration."""
    image: str | Path | None = None
    """Image to show beside the map; None for the scene that the report of the map names."""

    def __post_init__(self) -> None:
        check_list("ignore", self.ignore)
        if self.boundary is not None and not 0 < self.boundary < float("inf"):
            raise EvaluateError(
                f"the boundary distance is {self.boundary} m, it must be a number above 0"
            )
        if self.strata_legend is not None and self.strata is None:
            raise EvaluateError(
                "a legend of strata is given without strata, give their raster too (--strata)"
            )
