"""What a U-Net is made of, as a value: enough to rebuild it, count it and print it."""

from dataclasses import asdict, dataclass
from reprlib import repr as shortened
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import ModelError
from geoseg.model.ranges import LARGEST, NumberRange

_SIZE_RANGES = {
    "bands": NumberRange(1, 65_535, whole=True),
    "classes": NumberRange(1, 256, whole=True),
    "width": NumberRange(1, 4096, whole=True),
    "depth": NumberRange(1, 12, whole=True),
    "window": NumberRange(1, 4096, whole=True),
}
"""Sizes that a network may have; a damaged file must not ask for more memory than there is."""
DROPOUT = NumberRange(0, 1, below=True)


@dataclass(frozen=True, slots=True)
class UNetSpec:
    """Shape and input scaling of a U-Net; the defaults are the lab's, with 1,941,190 parameters.

    Raises:
        ModelError: if a value is not a number, is out of range, or the numbers cannot make a
            network.
    """

    bands: int = 3
    """Input bands."""
    classes: int = 6
    """Output classes."""
    width: int = 16
    """Filters of the first level; each level below has twice as many."""
    depth: int = 4
    """Levels of the encoder, not counting the bottleneck."""
    dropout: float = 0.1
    window: int = 128
    """Side of an input window (px), a multiple of 2**depth."""
    low: tuple[float, ...] = (0.0,)
    """Input value of each band (or of all) that the network sees as 0."""
    high: tuple[float, ...] = (255.0,)
    """Input value of each band (or of all) that the network sees as 1."""

    def __post_init__(self) -> None:
        for name, allowed in {**_SIZE_RANGES, "dropout": DROPOUT}.items():
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
                raise ModelError(f"scaling from {low:g} to {high:g} is empty or upside down")

    @property
    def band_low(self) -> tuple[float, ...]:
        """`low`, one value a band."""
        return self.low if len(self.low) == self.bands else self.low * self.bands

    @property
    def band_high(self) -> tuple[float, ...]:
        """`high`, one value a band."""
        return self.high if len(self.high) == self.bands else self.high * self.bands

    def fill(self, pixels: NDArray[Any], valid: NDArray[np.bool_]) -> None:
        """Overwrite invalid pixels in place with what the network sees as (nearly) zero.

        Args:
            pixels: (bands, height, width), any numeric dtype.
            valid: (height, width), True where a pixel has data.
        """
        invalid = ~valid
        if not invalid.any():
            return
        for band, low in zip(pixels, self.band_low, strict=True):
            if np.issubdtype(pixels.dtype, np.integer):
                limits = np.iinfo(pixels.dtype)
                band[invalid] = min(max(round(low), int(limits.min)), int(limits.max))
            else:
                band[invalid] = low

    def scaled(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Pixels (bands, height, width) in scene values as the network sees them, mostly 0 to 1."""
        low, high = (
            np.array(v, np.float64)[:, None, None] for v in (self.band_low, self.band_high)
        )
        return ((pixels - low) / (high - low)).astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "UNetSpec":
        """The inverse of `to_dict`."""
        return cls(**data)


@dataclass(frozen=True, slots=True)
class Layer:
    """One row of the layer table."""

    name: str
    kind: str
    shape: tuple[int, ...]
    """Output shape (height, width, channels), or (channels,) of the input's bands."""
    parameters: int
    inputs: tuple[str, ...]
    """Names of the layers this one reads."""


def layer_table(spec: UNetSpec) -> list[Layer]:
    """The layers in order of execution, named and counted as Keras does for the lab's model."""
    table: list[Layer] = []
    count: dict[str, int] = {}

    def add(kind: str, stem: str, shape: tuple[int, ...], parameters: int, *inputs: str) -> str:
        n = count.get(stem, 0)
        count[stem] = n + 1
        name = f"{stem}_{n}" if n else stem
        table.append(Layer(name, kind, shape, parameters, inputs))
        return name

    def conv(source: str, side: int, channels: int, filters: int, kernel: int = 3) -> str:
        weights = (channels * kernel**2 + 1) * filters
        return add("Conv2D", "conv2d", (side, side, filters), weights, source)

    def pair(source: str, side: int, channels: int, filters: int) -> str:
        x = conv(source, side, channels, filters)
        x = add("Dropout", "dropout", (side, side, filters), 0, x)
        return conv(x, side, filters, filters)

    side, channels = spec.window, spec.bands
    x = add("InputLayer", "input_layer", (side, side, channels), 0)
    x = add("Rescaling", "rescaling", (side, side, channels), 0, x)
    skips = []
    for level in range(spec.depth):
        filters = spec.width * 2**level
        x = pair(x, side, channels, filters)
        skips.append(x)
        side, channels = side // 2, filters
        x = add("MaxPooling2D", "max_pooling2d", (side, side, channels), 0, x)
    filters = spec.width * 2**spec.depth
    x = add("Dropout", "dropout", (side, side, channels), 0, x)
    x = conv(x, side, channels, filters)
    x = conv(x, side, filters, filters)
    channels = filters
    for level in reversed(range(spec.depth)):
        filters, side = spec.width * 2**level, side * 2
        up = add(
            "Conv2DTranspose", "conv2d_transpose", (side, side, filters),
            (channels * 4 + 1) * filters, x,
        )  # fmt: skip
        x = add("Concatenate", "concatenate", (side, side, 2 * filters), 0, skips[level], up)
        x = pair(x, side, 2 * filters, filters)
        channels = filters
    conv(x, side, channels, spec.classes, kernel=1)
    return table
