"""The checkpoint of a run that can be killed at any time and goes on exactly as it would have."""

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


@dataclass(slots=True)
class TrainState:
    """What a run has come to after whole epochs."""

    epoch: int = 0
    """Epochs done."""
    best_loss: float = float("inf")
    best_epoch: int = 0
    best: dict[str, Any] = field(default_factory=dict)
    """Weights of the best epoch."""
    best_counts: list[list[int]] = field(default_factory=list)
    """Its confusion matrix on the validation tiles."""
    history: History = field(default_factory=list)

    @property
    def losses(self) -> list[float]:
        """Validation losses of the epochs done, training losses where no tiles are held."""
        return [row.get("val_loss", row["loss"]) for row in self.history]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that a run needs to go on after an epoch."""

    run: str
    """SHA-256 of the identity."""
    identity: Mapping[str, Any]
    """See `Plan.identity`."""
    epochs: int
    """Epochs that the run was to have in all."""
    state: TrainState
    tensors: Mapping[str, Any]
    """State of network, optimizer and scaler."""

    def restore(self, run: TrainingContext) -> TrainState:
        """Give a run's network, optimizer and scaler their state back."""
        for name, part in _state_parts(run).items():
            part.load_state_dict(self.tensors[name])
        return self.state


def _state_parts(run: TrainingContext) -> dict[str, Any]:
    return {"network": run.network, "optimizer": run.optimizer, "scaler": run.scaler}


def save_checkpoint(path: Path, state: TrainState, run: TrainingContext) -> None:
    """Write a checkpoint beside and rename it.

    Raises:
        OutputError: if it cannot be written.
    """
    content = {
        "run": run.plan.run,
        "identity": dict(run.plan.identity),
        "epochs": run.settings.epochs,
        "state": {name: getattr(state, name) for name in TrainState.__slots__},
        **{name: part.state_dict() for name, part in _state_parts(run).items()},
    }
    buffer = io.BytesIO()  # torch's own writer hides why a write failed
    torch.save(content, buffer)
    with atomic_file(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        RunError: if it is damaged, is none, or is of another version of geoseg.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - torch raises many kinds for a damaged file
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise RunError(f"checkpoint {path} is damaged ({reason}), {START_AGAIN}") from None
    try:
        return Checkpoint(
            content["run"], content["identity"], content["epochs"], TrainState(**content["state"]),
            {name: content[name] for name in ("network", "optimizer", "scaler")},
        )  # fmt: skip
    except (KeyError, TypeError, IndexError):
        raise RunError(
            f"{path} is not a checkpoint of this version of geoseg, {START_AGAIN}"
        ) from None


START_AGAIN = "start again (resume=False, --no-resume)"
"""What to do, for messages."""
