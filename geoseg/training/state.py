"""The checkpoint of a run that can be killed at any time and goes on exactly as it would have."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from geoseg.errors import OutputError, RunError


@dataclass(slots=True)
class State:
    """What a run has come to after whole epochs."""

    epoch: int = 0
    """Epochs done."""
    best_loss: float = float("inf")
    best_epoch: int = 0
    best: dict[str, Any] = field(default_factory=dict)
    """Weights of the best epoch."""
    history: list[dict[str, float]] = field(default_factory=list)


def save_state(
    path: Path, run: str, state: State, network: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Write a checkpoint beside and rename it.

    Raises:
        OutputError: if it cannot be written.
    """
    content = {
        "run": run,
        "epoch": state.epoch,
        "best_loss": state.best_loss,
        "best_epoch": state.best_epoch,
        "best": state.best,
        "history": state.history,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    beside = path.with_name(f".{path.name}.writing")
    try:
        torch.save(content, beside)
        beside.replace(path)
    except (OSError, RuntimeError) as error:
        beside.unlink(missing_ok=True)
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise OutputError(f"cannot write checkpoint {path} ({reason}), check the disk") from None


def load_state(
    path: Path, run: str, network: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> State:
    """Read a checkpoint of the same run into network and optimizer.

    Raises:
        RunError: if the checkpoint is damaged, or of a run with other tiles or settings.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - torch raises many kinds for a damaged file
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise RunError(f"checkpoint {path} is damaged ({reason}), delete it") from None
    if not isinstance(content, dict) or content.get("run") != run:
        raise RunError(
            f"checkpoint {path} is of a run with other tiles or settings, "
            "give the same ones, or delete it to start again"
        )
    network.load_state_dict(content["network"])
    optimizer.load_state_dict(content["optimizer"])
    return State(
        content["epoch"], content["best_loss"], content["best_epoch"], content["best"],
        content["history"],
    )  # fmt: skip
