"""How an ONNX network reads windows, and what its output is, as a value."""

from dataclasses import dataclass
from typing import Literal

from geoseg.errors import ModelError
from geoseg.model.ranges import NumberRange
from geoseg.model.scaling import Scaling, check_values
from geoseg.model.spec import SIZE_RANGES

Layout = Literal["nchw", "nhwc", "nhw"]
"""Order of the axes: batch, channels, rows and columns; "nhw" has no axis for the one channel."""

_RANGES = {
    "bands": SIZE_RANGES["bands"],
    "channels": SIZE_RANGES["classes"],
    "window": SIZE_RANGES["window"],
    "margin": NumberRange(0, 2048, whole=True),
}


@dataclass(frozen=True, slots=True)
class OnnxSpec:
    """How an ONNX network reads windows, and what its output is.

    Raises:
        ModelError: if a number is out of range, or if a standard deviation is not above 0.
    """

    bands: int
    """Input bands, 1 to 65,535."""
    channels: int
    """Output channels, 1 to 256. One channel is that of a class beside the background."""
    window: int
    """Side of the output of a window (px), 1 to 4096."""
    margin: int = 0
    """Pixels on each side of the input that the output lacks, 0 to 2048: valid convolutions."""
    mean: tuple[float, ...] = (0.0,)
    """The network reads (scene value - mean) / std: one for all bands, or one per band."""
    std: tuple[float, ...] = (1.0,)
    """See `mean`; above 0."""
    fill: tuple[float, ...] | None = None
    """Scene value that pixels without data get, as `mean`; None for the mean."""
    logits: bool = True
    """Whether the output has to go through softmax, or through a sigmoid if it has one channel."""
    dtype: str = "float32"
    """NumPy dtype of the input."""
    input_layout: Layout = "nchw"
    output_layout: Layout = "nchw"
    batch: int | None = None
    """Windows per forward pass, None if any number is possible."""

    def __post_init__(self) -> None:
        for name, allowed in _RANGES.items():
            object.__setattr__(self, name, allowed.check(name, getattr(self, name)))
        for name in ("mean", "std", *(() if self.fill is None else ("fill",))):
            values = check_values(name, getattr(self, name), self.bands)
            object.__setattr__(self, name, values)
        if min(self.std) <= 0:
            raise ModelError(f"standard deviation {min(self.std):g} is not above 0")
        _ = self.scaling  # checks that the numbers are in the range of float32

    @property
    def classes(self) -> int:
        """Classes of the map."""
        return max(2, self.channels)

    @property
    def input_size(self) -> int:
        """Side of the input of a window (px)."""
        return self.window + 2 * self.margin

    def input_shape(self, batch_size: int) -> tuple[int, int, int, int]:
        """Return the shape of the input, in the order of `input_layout`."""
        size = self.input_size
        if self.input_layout == "nhwc":
            return batch_size, size, size, self.bands
        return batch_size, self.bands, size, size

    @property
    def scaling(self) -> Scaling:
        """`mean` and `std` as a linear scaling with one value per band."""
        mean, std, fill = (
            values if len(values) == self.bands else values * self.bands
            for values in (self.mean, self.std, self.fill or self.mean)
        )  # fmt: skip
        return Scaling(mean, tuple(m + s for m, s in zip(mean, std, strict=True)), fill)
