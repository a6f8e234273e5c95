"""How a map is compared with a reference."""

from dataclasses import dataclass
from pathlib import Path

from geoseg.errors import EvaluateError, check_list
from geoseg.legend import Legend


@dataclass(frozen=True, slots=True)
class EvaluateSettings:
    """How to read both sides, and what to look at.

    Raises:
        EvaluateError: if the distance for boundaries is not positive, or there is a legend of
            strata without strata.
        GeosegError: if ``ignore`` is a text.
    """

    layer: str | None = None
    """Layer of the polygons or points; None for the first one with geometries."""
    class_field: str | None = None
    """Field of vector references with the class; None for "reference", as `sample` writes it."""
    legend: Legend | str | Path | None = None
    """Classes of the map, or their file; None to take them from its palette and names."""
    reference_legend: Legend | str | Path | None = None
    """Classes of the reference where its codes or colours differ; matched by name."""
    ignore: tuple[str, ...] = ()
    """Names, values or colours that mean "not labelled", on either side."""
    sampled: bool = False
    """Whether the labelled pixels of a raster or of polygons are a random sample, stratified by
    the map's classes; points always are one."""
    strata: str | Path | None = None
    """Raster of the strata that points were drawn from, each value a stratum; None for the classes
    of the map."""
    strata_legend: Legend | str | Path | None = None
    """Names of the strata, or their file; None for the names in the raster or beside it, else the
    map's, else "stratum 7"."""
    boundary: float | None = None
    """Distance to an outline within which boundary IoU counts pixels (m); None for three pixels."""
    confidence: str | Path | None = None
    """Raster of the winning score, 1..255, as `classify` writes it."""
    image: str | Path | None = None
    """Scene to show beside the map; None for the one that the map's report names."""

    def __post_init__(self) -> None:
        check_list("ignore", self.ignore)
        if self.boundary is not None and not self.boundary > 0:
            raise EvaluateError(f"a boundary of {self.boundary} m has no width, give more than 0")
        if self.strata_legend is not None and self.strata is None:
            raise EvaluateError(
                "a legend of strata is given without strata, give their raster too (--strata)"
            )


DEFAULTS = EvaluateSettings()
