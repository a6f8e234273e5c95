"""How to train, as one value that the model file keeps."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from geoseg.errors import ModelError

Optimizer = Literal["rmsprop", "adam", "adamw", "sgd"]
Loss = Literal["ce", "weighted", "focal", "dice"]
Augment = Literal["none", "flips", "full"]
Schedule = Literal["constant", "cosine", "plateau"]
_CHOICES = {"optimizer": Optimizer, "loss": Loss, "schedule": Schedule, "augment": Augment}


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """Everything that determines a training run besides the tiles; the defaults are the lab's.

    Raises:
        ModelError: if a number is out of range or a choice unknown.
    """

    epochs: int = 25
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
    """Epochs over which the learning rate rises from 0, at first."""
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
    precision: str = "auto"
    """Of the forward pass: fp32, or bf16/fp16 by autocast."""
    width: int = 16
    depth: int = 4
    dropout: float = 0.1

    def __post_init__(self) -> None:
        patience = 1 if self.patience is None else self.patience
        if min(self.epochs, self.batch_size, patience) < 1 or not self.lr > 0:
            raise ModelError(
                f"epochs {self.epochs}, batch size {self.batch_size}, patience {self.patience} "
                f"and learning rate {self.lr} must be positive"
            )
        if not 0 <= self.warmup < self.epochs:
            raise ModelError(f"a warmup of {self.warmup} is not from 0 to the {self.epochs} epochs")
        if self.clip is not None and not self.clip > 0:
            raise ModelError(f"the gradient cannot be clipped to {self.clip}, give a norm above 0")
        for name, kinds in _CHOICES.items():
            if getattr(self, name) not in get_args(kinds):
                raise ModelError(
                    f"unknown {name} {getattr(self, name)!r}, use one of "
                    f"{', '.join(get_args(kinds))}"
                )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {**asdict(self), "ignore": list(self.ignore)}
