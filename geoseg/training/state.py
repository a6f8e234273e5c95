"""The checkpoint of a run that can be killed at any time and goes on exactly as it would have."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from geoseg.errors import OutputError, RunError
from geoseg.training.run import Run

History = list[dict[str, float]]


@dataclass(slots=True)
class State:
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


def save_state(path: Path, state: State, run: Run) -> None:
    """Write a checkpoint beside and rename it.

    Raises:
        OutputError: if it cannot be written.
    """
    content = {
        "run": run.identity,
        "state": {name: getattr(state, name) for name in State.__slots__},
        "network": run.network.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "scaler": run.scaler.state_dict(),
    }
    beside = path.with_name(f".{path.name}.writing")
    buffer = io.BytesIO()  # torch's own writer hides why a write failed
    torch.save(content, buffer)
    try:
        beside.write_bytes(buffer.getbuffer())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OutputError(
            f"cannot write checkpoint {path} ({error.strerror}), make room and go on with --resume"
        ) from None


def load_state(path: Path, run: Run) -> State:
    """Read a checkpoint of the same run into its network and optimizer.

    Raises:
        RunError: if the checkpoint is damaged, or of a run with other tiles or settings.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - torch raises many kinds for a damaged file
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise RunError(f"checkpoint {path} is damaged ({reason}), delete it") from None
    if not isinstance(content, dict) or content.get("run") != run.identity:
        raise RunError(
            f"checkpoint {path} is of a run with other tiles or settings, "
            "give the same ones, or delete it to start again"
        )
    run.network.load_state_dict(content["network"])
    run.optimizer.load_state_dict(content["optimizer"])
    run.scaler.load_state_dict(content["scaler"])
    return State(**content["state"])
