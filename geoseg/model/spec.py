"""The shape and input scaling of a U-Net, as a value."""

import re
from dataclasses import asdict, dataclass
from reprlib import repr as shortened
from typing import Any

from geoseg.errors import ModelError
from geoseg.model.ranges import NumberRange
from geoseg.model.scaling import Scaling, check_values

LAB = "lab"
"""The encoder of the reference Keras U-Net."""
EFFICIENTNET_LITE0 = "efficientnet-lite0"
SMP = "smp:"
"""Start of the name of an encoder of segmentation_models_pytorch."""
ENCODER_DEPTH = 5
"""Levels of all encoders except that of the reference network."""
RGB = ("red", "green", "blue")
"""Names of the bands of a model with three bands, if it does not name them."""
SCENE_DTYPES = (
    "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64",
)  # fmt: skip
"""NumPy dtypes of the scenes that a model is trained on."""

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
        ModelError: if a value is not a number or is out of range, if the encoder is unknown, or if
            the window is not a multiple of 2**depth.
    """

    bands: int = 3
    """Input bands, 1 to 65,535."""
    classes: int = 6
    """Output classes, 1 to 256."""
    width: int = 16
    """Filters of the first level, 1 to 4096. With the encoder "lab", each level below has twice as
    many; with others, the levels of the decoder have 1, 2, 3, 4 and 8 times as many."""
    depth: int = 4
    """Levels of the encoder without the bottleneck, 1 to 12; 5 for all encoders but "lab"."""
    dropout: float = 0.1
    """Share of activations set to 0 in training, at least 0 and below 1."""
    window: int = 128
    """Side of an input window (px), 1 to 4096, a multiple of 2**depth."""
    low: tuple[float, ...] = (0.0,)
    """Scene value that the network reads as 0: one for all bands, or one per band."""
    high: tuple[float, ...] = (255.0,)
    """Scene value that the network reads as 1: one for all bands, or one per band."""
    encoder: str = LAB
    """"lab": that of the reference Keras U-Net. "efficientnet-lite0". "smp:NAME": an encoder of
    segmentation_models_pytorch."""

    def __post_init__(self) -> None:
        for name, allowed in {**SIZE_RANGES, "dropout": DROPOUT_RANGE}.items():
            object.__setattr__(self, name, allowed.check(name, getattr(self, name)))
        check_encoder(self.encoder)
        if self.encoder != LAB and self.depth != ENCODER_DEPTH:
            raise ModelError(
                f"depth is {self.depth}, but encoder {self.encoder} has {ENCODER_DEPTH} levels, "
                "leave depth out"
            )
        if self.window % self.multiple:
            raise ModelError(
                f"window size {self.window} is not a multiple of {self.multiple}, "
                f"as {self.depth} levels of halving need"
            )
        for name in ("low", "high"):
            values = check_values(name, getattr(self, name), self.bands)
            object.__setattr__(self, name, values)
        _ = self.scaling  # checks the order of low and high

    @property
    def multiple(self) -> int:
        """Number that the side of a window is a multiple of (px)."""
        return int(2**self.depth)

    @property
    def scaling(self) -> Scaling:
        """`low` and `high` with one value per band."""
        low, high = (v if len(v) == self.bands else v * self.bands for v in (self.low, self.high))
        return Scaling(low, high)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "UNetSpec":
        """Return the spec that `to_dict` wrote."""
        return cls(**data)


def check_encoder(name: object) -> None:
    """Refuse a name that is not of an encoder.

    Raises:
        ModelError: if it is not.
    """
    if not isinstance(name, str) or not re.fullmatch(
        f"{LAB}|{EFFICIENTNET_LITE0}|{SMP}[A-Za-z0-9_.-]+", name
    ):
        raise ModelError(
            f"unknown encoder {shortened(name)}, use {LAB}, {EFFICIENTNET_LITE0} or {SMP}NAME"
        )
