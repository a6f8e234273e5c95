"""How to train, as one value that the model file keeps."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from geoseg.errors import ModelError, check_list
from geoseg.model import _SIZE_RANGES, DROPOUT, PRECISIONS, NumberRange

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
    "width": _SIZE_RANGES["width"],
    "depth": _SIZE_RANGES["depth"],
    "dropout": DROPOUT,
}
_MAY_BE_NONE = ("clip", "val", "patience", "width", "depth")


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """Everything that determines a training run besides the tiles; the defaults are the lab's.

    Raises:
        ModelError: if a value is not a number, is out of range, or is an unknown choice.
        GeosegError: if ``ignore`` is a text instead of a list.
    """

    epochs: int = 25
    """Epochs in all, those of earlier tries included. Larger numbers continue a finished run."""
    batch_size: int = 32
    """Tiles a step, over all processes together."""
    lr: float = 1e-3
    """Highest learning rate."""
    optimizer: Optimizer = "rmsprop"
    loss: Loss = "ce"
    """Cross-entropy; the same weighted by the inverse frequency of the classes; focal; or
    cross-entropy plus Dice."""
    schedule: Schedule = "constant"
    """Learning rate over the steps: the same, a half cosine down to 0, or halved whenever the
    validation loss has not become lower for five epochs."""
    warmup: float = 0.0
    """Epochs over which the learning rate rises from 0, at first; less than ``epochs``."""
    clip: float | None = None
    """Largest norm of the gradient, larger ones are scaled down to it; None for no limit."""
    augment: Augment = "none"
    ignore: tuple[str, ...] = ()
    """Classes, by name or value, whose pixels count as not labelled."""
    val: float | None = None
    """Share of tiles drawn at random for validation; None for the set's own split, if any."""
    patience: int | None = None
    """Stop after this many epochs without a better validation loss; None for never."""
    seed: int = 0
    """Random seed, 0 to 2**32 - 1."""
    precision: str = "auto"
    """Of the forward pass: fp32, or bf16/fp16 by autocast."""
    width: int | None = None
    """Filters of the first level, 1 to 4096; None for those of the start model, else 16."""
    depth: int | None = None
    """Levels above the bottleneck, 1 to 12; None for those of the start model, else 4."""
    dropout: float = 0.1
    """Share of the activations that are set to 0 in training, at least 0 and below 1."""

    def __post_init__(self) -> None:
        for name, allowed in _RANGES.items():
            value = getattr(self, name)
            if value is not None or name not in _MAY_BE_NONE:
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
        """Plain data, for JSON."""
        return {**asdict(self), "ignore": list(self.ignore)}
