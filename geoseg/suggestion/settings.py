"""How many patches to suggest, how large they are, and how far apart."""

from dataclasses import dataclass
from pathlib import Path

from geoseg.errors import SuggestError
from geoseg.legend import Legend

MIN_SIZE, MAX_SIZE = 16, 4096
"""Smallest and largest side of a patch (px)."""
_MAX_DISTANCE = 32
"""Largest value of ``distance``, in sides of a patch."""
_EQUAL_CANDIDATES = 10_000
"""Smallest number of random patches to draw from where all are equally uncertain."""


@dataclass(frozen=True, slots=True)
class SuggestSettings:
    """How many patches to suggest, how large they are, and how far apart.

    Raises:
        SuggestError: if a number is out of range.
    """

    number: int = 50
    """Number of patches, at least 1."""
    size: int = 128
    """Side of a patch (px), 16 to 4096."""
    distance: int | None = None
    """Smallest distance between the centres of two patches, along rows or along columns (px), 0 to
    32 times the size; None for twice the size, so that no two patches touch."""
    seed: int = 0
    """Random seed, at least 0."""
    legend: Legend | str | Path | None = None
    """Classes of the map, or their file; None for the palette and names of the map."""

    def __post_init__(self) -> None:
        if self.number < 1:
            raise SuggestError(f"number is {self.number} patches, it must be at least 1")
        if not MIN_SIZE <= self.size <= MAX_SIZE:
            raise SuggestError(f"size is {self.size} px, it must be {MIN_SIZE} to {MAX_SIZE}")
        if not 0 <= self.resolved_distance <= _MAX_DISTANCE * self.size:
            raise SuggestError(
                f"distance is {self.resolved_distance} px, it must be 0 to {_MAX_DISTANCE} times "
                f"the size of a patch ({_MAX_DISTANCE * self.size} px)"
            )
        if self.seed < 0:
            raise SuggestError(f"seed is {self.seed}, it must be at least 0")

    @property
    def resolved_distance(self) -> int:
        """The smallest distance (px), also if ``distance`` is None."""
        return 2 * self.size if self.distance is None else self.distance

    def candidates(self, *, equal: bool) -> int:
        """Return the number of patches to draw from, at least ten times ``number``.

        Each drawn patch excludes those around it, so a large distance needs more.

        Args:
            equal: whether all patches count as equally uncertain; then it is at least 10,000.
        """
        excluded = 2 * max(0, -(-self.resolved_distance // self.size) - 1) + 1
        return max(self.number * max(10, excluded**2), _EQUAL_CANDIDATES if equal else 0)
