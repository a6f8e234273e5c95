"""Settings of a training run, which the model file records."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from geoseg.errors import ModelError, check_list
from geoseg.model import DROPOUT_RANGE, PRECISIONS, SIZE_RANGES, NumberRange

Optimizer = Literal["rmsprop", "adam", "adamw", "sgd"]
Loss = Literal["ce", "weighted", "focal", "dice"]
Augment = Literal["none", "flips", "full"]
Schedule = Literal["constant", "cosine", "plateau"]
_CHOICES: dict[str, tuple[str, ...]] = {
    "optimizer": get_args(Optimizer),
    "loss": get_args(Loss),
    "schedule": get_args(Schedule),
    "augment": get_args(Augment),
    "precision": PRECISIONS,
}
_RANGES = {
    "epochs": NumberRange(1, whole=True),
    "batch_size": NumberRange(1, whole=True),
    "lr": NumberRange(0, above=True),
    "warmup": NumberRange(0),
    "clip": NumberRange(0, above=True),
    "val": NumberRange(0, 1, below=True),
    "patience": NumberRange(1, whole=True),
    "seed": NumberRange(0, 2**32 - 1, whole=True),
    "width": SIZE_RANGES["width"],
    "depth": SIZE_RANGES["depth"],
    "dropout": DROPOUT_RANGE,
}
_OPTIONAL = ("clip", "val", "patience", "width", "depth")
"""Settings that may be None."""


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """All that determines a training run except the tiles and the start model.

    The defaults are those of the reference Keras U-Net.

    Raises:
        ModelError: if a value is not a number, is out of range, or is an unknown choice.
        GeosegError: if ``ignore`` is a text instead of a list.
    """

    epochs: int = 25
    """Epochs in total, at least 1. A larger number trains a finished run further."""
    batch_size: int = 32
    """Tiles in a step, over all processes, at least 1."""
    lr: float = 1e-3
    """Highest learning rate, above 0."""
    optimizer: Optimizer = "rmsprop"
    """RMSprop, Adam, AdamW, or SGD with momentum 0.9."""
    loss: Loss = "ce"
    """"ce": cross-entropy. "weighted": cross-entropy weighted by inverse class frequency. "focal":
    focal loss with gamma 2. "dice": cross-entropy plus Dice loss."""
    schedule: Schedule = "constant"
    """Learning rate over the steps. "constant". "cosine": half a cosine from `lr` to 0. "plateau":
    halved after five epochs without a lower validation loss."""
    warmup: float = 0.0
    """First epochs, in which the learning rate rises from 0; at least 0, less than `epochs`."""
    clip: float | None = None
    """Largest norm of the gradient, above 0; a larger gradient is scaled down. None: no limit."""
    augment: Augment = "none"
    """Random changes of training tiles. "flips": the eight symmetries of the square. "full": also
    brightness, colour and zoom."""
    ignore: tuple[str, ...] = ()
    """Classes, by name or value, whose pixels count as not labelled."""
    val: float | None = None
    """Share of the tiles to draw at random for validation, at least 0 and below 1. None: the split
    of the tile set, or 0.25 if it has no split."""
    patience: int | None = None
    """Stop after this number of epochs without a lower validation loss, at least 1. None: never."""
    seed: int = 0
    """Random seed, 0 to 2**32 - 1."""
    precision: str = "auto"
    """Floating-point precision of the forward pass: "fp32"; "bf16" or "fp16" by autocast; "auto":
    fp32 on a CPU, bf16 or else fp16 on a GPU."""
    width: int | None = None
    """Filters of the first level, 1 to 4096. None: those of the start model, or 16."""
    depth: int | None = None
    """Levels above the bottleneck, 1 to 12. None: those of the start model, or 4."""
    dropout: float = 0.1
    """Share of activations set to 0 in training, at least 0 and below 1."""

    def __post_init__(self) -> None:
        for name, allowed in _RANGES.items():
            value = getattr(self, name)
            if value is not None or name not in _OPTIONAL:
                number = allowed.check(name.replace("_", " "), value)
                object.__setattr__(self, name, number)
        if self.warmup >= self.epochs:
            raise ModelError(
                f"warmup is {self.warmup:g} epochs, give less than the {self.epochs} of the run"
            )
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ModelError(
                    f"unknown {name} {getattr(self, name)!r}, use one of {', '.join(choices)}"
                )
        check_list("ignore", self.ignore)
        object.__setattr__(self, "ignore", tuple(map(str, self.ignore)))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return {**asdict(self), "ignore": list(self.ignore)}
