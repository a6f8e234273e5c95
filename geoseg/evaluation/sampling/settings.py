"""How many points a sample has, and where they are drawn."""

from dataclasses import dataclass
from pathlib import Path

from geoseg.errors import EvaluateError, check_list
from geoseg.evaluation.estimation import MIN_RELIABLE_POINTS
from geoseg.legend import Legend
from geoseg.metrics import ALLOCATIONS, Allocation

_EXPECTED = 0.8
"""Expected user's accuracy of a class."""


@dataclass(frozen=True, slots=True)
class SampleSettings:
    """How many points to draw, and from which classes.

    Raises:
        EvaluateError: if a number is out of range, or size and standard error are both given.
        GeosegError: if ``ignore`` or ``expected_by_class`` is not a list or tuple.
    """

    size: int | None = None
    """Number of points, at least 1; None to compute it from the standard error."""
    standard_error: float | None = None
    """Standard error of the overall accuracy that the sample should reach, above 0 and below 1;
    None for 0.02, which gives a 95 % interval of about ± 4 percentage points."""
    expected: float = _EXPECTED
    """Expected user's accuracy of each class, 0..1, from which the size is computed."""
    expected_by_class: tuple[tuple[str, float], ...] = ()
    """Class name and expected user's accuracy of classes that differ from ``expected``."""
    allocation: Allocation = "mixed"
    """Points per class: "proportional" to its area, "equal", or "mixed", the mean of both."""
    min_per_class: int = MIN_RELIABLE_POINTS
    """Minimum number of points per class, at least 0; a class with fewer pixels is sampled
    whole."""
    seed: int = 0
    """Random seed, at least 0."""
    legend: Legend | str | Path | None = None
    """Classes of the map, or their file; None for the palette and names of the map."""
    reference_legend: Legend | str | Path | None = None
    """Classes that the form in QGIS lists, or their file; None for those of the map."""
    ignore: tuple[str, ...] = ()
    """Names or values of classes from which no points are drawn."""

    def __post_init__(self) -> None:
        check_list("ignore", self.ignore)
        check_list("expected_by_class", self.expected_by_class)
        if self.size is not None and self.standard_error is not None:
            raise EvaluateError("the size follows from the standard error, give only one of them")
        if self.size is not None and (self.expected != _EXPECTED or self.expected_by_class):
            raise EvaluateError(
                "an expected accuracy is for computing the size, give only one of them"
            )
        if self.allocation not in ALLOCATIONS:
            raise EvaluateError(
                f"unknown allocation {self.allocation!r}, use one of {', '.join(ALLOCATIONS)}"
            )
        if (self.size is not None and self.size < 1) or self.min_per_class < 0:
            raise EvaluateError(
                f"a sample size of {self.size} with a minimum of {self.min_per_class} per class is "
                "not possible, give positive numbers"
            )
        if self.seed < 0:
            raise EvaluateError(f"seed is {self.seed}, it must be at least 0")
        accuracies = [self.expected, *(accuracy for _, accuracy in self.expected_by_class)]
        if not all(0 <= accuracy <= 1 for accuracy in accuracies):
            raise EvaluateError("an expected accuracy is not in 0..1, give 0.8 for 80 %")
        if self.standard_error is not None and not 0 < self.standard_error < 1:
            raise EvaluateError(
                f"a standard error of {self.standard_error} is not above 0 and below 1, give 0.02 "
                "for 2 %"
            )
