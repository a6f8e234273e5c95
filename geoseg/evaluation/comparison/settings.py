"""How two maps are compared."""

from dataclasses import dataclass
from pathlib import Path

from geoseg.errors import EvaluateError, check_list
from geoseg.legend import Legend

CHANGE_RASTER = "change.tif"
"""Name of the raster of changes in the folder of a comparison."""


@dataclass(frozen=True, slots=True)
class CompareSettings:
    """How two maps and the points of a sample are read, and what is written.

    Raises:
        EvaluateError: if there are more than two reference fields, or two of the same name.
        GeosegError: if ``ignore`` or ``reference_fields`` is not a list or tuple.
    """

    legend_a: Legend | str | Path | None = None
    """Classes of map A, or their file; None for the palette and names of the map."""
    legend_b: Legend | str | Path | None = None
    """Classes of map B, or their file; None for the names of the map, else the classes of A."""
    ignore: tuple[str, ...] = ()
    """Names, values or colours of classes that count as unlabelled in both maps and in the
    reference."""
    changed_only: bool = False
    """Whether change.tif and its polygons leave out the pixels of the same class in both maps; they
    are nodata then."""
    polygons: bool = True
    """Whether the polygons of change.tif are written."""
    layer: str | None = None
    """Layer of the points; None for the first layer with geometries."""
    reference_fields: tuple[str, ...] = ()
    """Two fields of the points: the class at the date of A and at that of B. One field: a change
    such as "forest to crop", or a class. Empty for "reference_a" and "reference_b" if the points
    have them, else for "reference"."""

    def __post_init__(self) -> None:
        check_list("ignore", self.ignore)
        check_list("reference_fields", self.reference_fields)
        if len(set(self.reference_fields)) != len(self.reference_fields) or (
            len(self.reference_fields) > 2
        ):
            raise EvaluateError(
                f"the reference fields {', '.join(self.reference_fields)} are not one or two "
                "different fields, give the field of the change or those of both dates "
                "(--reference-fields)"
            )
