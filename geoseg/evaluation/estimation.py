"""Design-based estimates of accuracy and area from a stratified sample."""

from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import EvaluateError, short_list
from geoseg.metrics import Estimate, estimate

MIN_RELIABLE_POINTS = 50
"""Points of a class below which intervals are rough (Congalton and Green 2019)."""


@dataclass(frozen=True, slots=True, eq=False)
class StratifiedSample:
    """Counts of points by stratum, and the areas of the strata.

    Raises:
        EvaluateError: if the areas are not known, or a stratum has points but no area.
    """

    names: tuple[str, ...]
    """(strata,) names."""
    counts: NDArray[np.int64]
    """(strata, classes, classes): points of stratum h mapped as i that are j in the reference."""
    area_ha: NDArray[np.float64]
    """(strata,) area on the map (ha)."""

    def __post_init__(self) -> None:
        if not np.isfinite(self.area_ha).all():
            raise EvaluateError("the area of the strata is not known, give the map a CRS")
        if not self.area_ha.sum() > 0:
            raise EvaluateError("no stratum has an area, correct the areas")
        without_area = self._listed((self.sizes > 0) & (self.area_ha <= 0))
        if without_area:
            raise EvaluateError(f"{without_area} was sampled but has no area, correct the areas")

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(strata,) number of points."""
        return np.asarray(self.counts.sum((1, 2)))

    def estimate(
        self, remedy: str = "take points there or ignore the class (--ignore)"
    ) -> tuple[Estimate, list[str]]:
        """Estimate accuracy and areas (ha) of the whole map.

        Args:
            remedy: what to do if a stratum has no point, for the message.

        Returns:
            The estimates, and notes on their limits.

        Raises:
            EvaluateError: if a stratum has no point.
        """
        empty = (self.sizes == 0) & (self.area_ha > 0)
        if empty.any():
            share = self.area_ha[empty].sum() / self.area_ha.sum()
            raise EvaluateError(
                f"no point lies in {self._listed(empty)} ({share:.1%} of the map), so that "
                f"accuracy and areas of the whole map cannot be estimated, {remedy}"
            )
        notes = []
        once = self._listed(self.sizes == 1)
        if once:
            notes.append(
                f"sampled only once: {once}; one point has no variance, so intervals that depend "
                "on it are not numbers, sample at least two of each class"
            )
        few = [
            f"{name} ({size})"
            for name, size in zip(self.names, self.sizes, strict=True)
            if 1 < size < MIN_RELIABLE_POINTS
        ]
        if few:
            notes.append(
                f"fewer than {MIN_RELIABLE_POINTS} points of {short_list(few)}, so that intervals "
                "are rough there"
            )
        all_correct = (self.sizes > 1) & (np.einsum("hii->h", self.counts) == self.sizes)
        if all_correct.any():
            notes.append(
                f"all points of {self._listed(all_correct)} are correct, so that their standard "
                "error is 0; of n points, up to 3 / n may still be wrong (95 % confidence)"
            )
        return estimate(self.counts, self.area_ha), notes

    def _listed(self, selected: NDArray[np.bool_]) -> str:
        """Return the names of the selected strata (strata,)."""
        return short_list([repr(name) for name in compress(self.names, selected)])
