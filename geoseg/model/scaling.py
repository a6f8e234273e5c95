"""The scaling of scene values to the numbers that a network reads."""

from dataclasses import dataclass
from reprlib import repr as shortened
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import ModelError
from geoseg.model.ranges import LARGEST, NumberRange


@dataclass(frozen=True, slots=True)
class Scaling:
    """A linear scaling of each band: ``low`` becomes 0, and ``high`` becomes 1.

    Raises:
        ModelError: if a value is not a finite number, or if a high value is not above its low one.
    """

    low: tuple[float, ...]
    """Scene value that becomes 0, for each band."""
    high: tuple[float, ...]
    """Scene value that becomes 1, for each band."""
    fill: tuple[float, ...] | None = None
    """Scene value of invalid pixels, for each band; None for `low`."""

    def __post_init__(self) -> None:
        for low, high in zip(self.low, self.high, strict=True):
            if not 1 / LARGEST <= high - low <= LARGEST:
                raise ModelError(
                    f"scaling from {low:g} to {high:g} is empty, give a high value above the low "
                    "value"
                )

    def fill_invalid(self, pixels: NDArray[Any], valid: NDArray[np.bool_]) -> None:
        """Overwrite invalid pixels in place with the value that they had in training.

        Args:
            pixels: (bands, height, width), any numeric dtype, in scene values.
            valid: (height, width), True where a pixel has data.
        """
        invalid = ~valid
        if not invalid.any():
            return
        for band, value in zip(pixels, self.fill_values(pixels.dtype), strict=True):
            band[invalid] = value

    def fill_values(self, dtype: np.dtype[Any] | str) -> tuple[float, ...]:
        """Return the value of invalid pixels in each band, for pixels of a dtype: about `fill`."""
        values = self.low if self.fill is None else self.fill
        if not np.issubdtype(dtype, np.integer):
            return values
        limits = np.iinfo(dtype)
        return tuple(min(max(round(v), int(limits.min)), int(limits.max)) for v in values)

    def apply(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Scale (bands, height, width) in scene values."""
        low, high = (np.array(v, np.float64)[:, None, None] for v in (self.low, self.high))
        return ((pixels - low) / (high - low)).astype(np.float32)


def check_values(name: str, values: object, bands: int) -> tuple[float, ...]:
    """Return the low or high values of a spec: one for all bands, or one for each.

    Raises:
        ModelError: if they are not a list of finite numbers, or not as many.
    """
    if not isinstance(values, list | tuple):
        raise ModelError(f"{name} is {shortened(values)}, give a list of numbers")
    if len(values) not in (1, bands):
        raise ModelError(f"{name} has {len(values)} values, not {bands}")
    return tuple(NumberRange().check(name, value) for value in values)
