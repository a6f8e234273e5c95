"""How to train, as one value that the model file keeps."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from geoseg.errors import ModelError

Optimizer = Literal["rmsprop", "adam", "adamw", "sgd"]
Loss = Literal["ce", "weighted"]
Augment = Literal["none", "flips", "full"]
Schedule = Literal["constant", "cosine"]
_CHOICES = {"optimizer": Optimizer, "loss": Loss, "schedule": Schedule, "augment": Augment}


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """Everything that determines a training run besides the tiles; the defaults are the lab's.

    Raises:
        ModelError: if a number is out of range or a choice unknown.
    """

    epochs: int = 25
    batch_size: int = 32
    lr: float = 1e-3
    """Learning rate of the first epoch."""
    optimizer: Optimizer = "rmsprop"
    loss: Loss = "ce"
    """Cross-entropy, plain or weighted by the inverse frequency of the classes."""
    schedule: Schedule = "constant"
    """Learning rate over the steps: the same, or a half cosine down to 0."""
    augment: Augment = "none"
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
        for name, kinds in _CHOICES.items():
            if getattr(self, name) not in get_args(kinds):
                raise ModelError(
                    f"unknown {name} {getattr(self, name)!r}, use one of "
                    f"{', '.join(get_args(kinds))}"
                )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)
