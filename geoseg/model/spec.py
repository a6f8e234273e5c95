"""The shape and input scaling of a U-Net, as a value."""

from dataclasses import asdict, dataclass
from reprlib import repr as shortened
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import ModelError
from geoseg.model.ranges import LARGEST, NumberRange

SIZE_RANGES = {
    "bands": NumberRange(1, 65_535, whole=True),
    "classes": NumberRange(1, 256, whole=True),
    "width": NumberRange(1, 4096, whole=True),
    "depth": NumberRange(1, 12, whole=True),
    "window": NumberRange(1, 4096, whole=True),
}
"""Allowed sizes of a network: they keep a damaged file from asking for too much memory."""
DROPOUT_RANGE = NumberRange(0, 1, below=True)


@dataclass(frozen=True, slots=True)
class UNetSpec:
    """Shape and input scaling of a U-Net.

    The defaults are those of the reference Keras U-Net, which has 1,941,190 parameters.

    Raises:
        ModelError: if a value is not a number or is out of range, or if the window is not a
            multiple of 2**depth.
    """

    bands: int = 3
    """Input bands, 1 to 65,535."""
    classes: int = 6
    """Output classes, 1 to 256."""
    width: int = 16
    """Filters of the first level, 1 to 4096. Each level below has twice as many."""
    depth: int = 4
    """Levels of the encoder without the bottleneck, 1 to 12."""
    dropout: float = 0.1
    """Share of activations set to 0 in training, at least 0 and below 1."""
    window: int = 128
    """Side of an input window (px), 1 to 4096, a multiple of 2**depth."""
    low: tuple[float, ...] = (0.0,)
    """Scene value that the network reads as 0: one for all bands, or one per band."""
    high: tuple[float, ...] = (255.0,)
    """Scene value that the network reads as 1: one for all bands, or one per band."""

    def __post_init__(self) -> None:
        for name, allowed in {**SIZE_RANGES, "dropout": DROPOUT_RANGE}.items():
            object.__setattr__(self, name, allowed.check(name, getattr(self, name)))
        if self.window % 2**self.depth:
            raise ModelError(
                f"window size {self.window} is not a multiple of {2**self.depth}, "
                f"as {self.depth} levels of 2x2 pooling need"
            )
        for name in ("low", "high"):
            values = getattr(self, name)
            if not isinstance(values, list | tuple):
                raise ModelError(f"{name} is {shortened(values)}, give a list of numbers")
            if len(values) not in (1, self.bands):
                raise ModelError(f"{name} has {len(values)} values, not {self.bands}")
            values = tuple(NumberRange().check(name, value) for value in values)
            object.__setattr__(self, name, values)
        for low, high in zip(self.band_low, self.band_high, strict=True):
            if not 1 / LARGEST <= high - low <= LARGEST:
                raise ModelError(
                    f"scaling from {low:g} to {high:g} is empty, give a high value above the low "
                    "value"
                )

    @property
    def band_low(self) -> tuple[float, ...]:
        """`low` with one value per band."""
        return self.low if len(self.low) == self.bands else self.low * self.bands

    @property
    def band_high(self) -> tuple[float, ...]:
        """`high` with one value per band."""
        return self.high if len(self.high) == self.bands else self.high * self.bands

    def fill_invalid(self, pixels: NDArray[Any], valid: NDArray[np.bool_]) -> None:
        """Overwrite invalid pixels in place with `low`, which the network reads as about 0.

        Args:
            pixels: (bands, height, width), any numeric dtype, in scene values.
            valid: (height, width), True where a pixel has data.
        """
        invalid = ~valid
        if not invalid.any():
            return
        for band, low in zip(pixels, self.band_low, strict=True):
            if np.issubdtype(pixels.dtype, np.integer):
                limits = np.iinfo(pixels.dtype)
                low = min(max(round(low), int(limits.min)), int(limits.max))
            band[invalid] = low

    def normalise(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Scale scene values (bands, height, width) from `low`..`high` to 0..1, as the network."""
        low, high = (
            np.array(v, np.float64)[:, None, None] for v in (self.band_low, self.band_high)
        )
        return ((pixels - low) / (high - low)).astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "UNetSpec":
        """Return the spec that `to_dict` wrote."""
        return cls(**data)
