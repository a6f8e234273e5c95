"""The checkpoint of a training run, from which the run resumes bit for bit."""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from geoseg.errors import RunError
from geoseg.files import atomic_file
from geoseg.training.context import TrainingContext

History = list[dict[str, float]]
"""One row per epoch."""
START_AGAIN = "start again (resume=False, --no-resume)"
"""Advice for error messages."""
_MAGIC = b"geoseg checkpoint 2\n"
"""Start of a file; SHA-256 of the rest follows, because torch does not see damaged weights."""


@dataclass(slots=True)
class TrainState:
    """The progress of a run after whole epochs. Checkpoints have the names of the fields."""

    epoch: int = 0
    """Finished epochs."""
    best_loss: float = float("inf")
    best_epoch: int = 0
    """Number of the best epoch, from 1; 0 before the first epoch."""
    best: dict[str, Any] = field(default_factory=dict)
    """Weights of the best epoch, by name."""
    best_counts: list[list[int]] = field(default_factory=list)
    """Confusion matrix of the best epoch, on the validation tiles if there are any."""
    history: History = field(default_factory=list)

    @property
    def losses(self) -> list[float]:
        """Validation losses of the finished epochs; training losses without validation tiles."""
        return [row.get("val_loss", row["loss"]) for row in self.history]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The content of a checkpoint file."""

    identity: str
    """See `TrainingPlan.identity`."""
    determinants: Mapping[str, Any]
    """See `TrainingPlan.determinants`."""
    epochs: int
    """Epochs that the run was to have."""
    state: TrainState
    tensors: Mapping[str, Any]
    """See `TrainableNetwork.state`."""


def save_checkpoint(path: Path, state: TrainState, context: TrainingContext) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        OutputError: if it cannot be written.
    """
    content = {
        "run": context.plan.identity,
        "identity": dict(context.plan.determinants),  # the keys of earlier versions
        "epochs": context.plan.settings.epochs,
        "state": {name: getattr(state, name) for name in TrainState.__slots__},
        "tensors": context.network.state(),
    }
    buffer = io.BytesIO()  # torch's own file writer hides why a write failed
    torch.save(content, buffer)
    data = buffer.getvalue()  # no view: Python 3.12 crashes if one is left after a failed write
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        file.write(_MAGIC + hashlib.sha256(data).digest())
        file.write(data)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        RunError: if the file is damaged, is not a checkpoint, or is of another version of geoseg.
    """
    try:
        content = torch.load(_checked(path), map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - torch raises many types for a damaged file
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise RunError(f"checkpoint {path} is damaged ({reason}), {START_AGAIN}") from None
    try:
        return Checkpoint(
            content["run"], content["identity"], content["epochs"], TrainState(**content["state"]),
            content["tensors"],
        )  # fmt: skip
    except (KeyError, TypeError, IndexError):
        raise RunError(
            f"{path} is not a checkpoint of this version of geoseg, {START_AGAIN}"
        ) from None


def _checked(path: Path) -> io.BytesIO:
    """Return what `torch.save` wrote; that of an earlier version has no checksum."""
    data = path.read_bytes()
    if not data.startswith(_MAGIC):
        return io.BytesIO(data)
    start = len(_MAGIC) + hashlib.sha256().digest_size
    content = memoryview(data)[start:]
    if hashlib.sha256(content).digest() != data[len(_MAGIC) : start]:
        raise ValueError("its checksum differs")
    return io.BytesIO(content)
