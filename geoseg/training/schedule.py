"""The learning rate of a step, and the last epoch of a run."""

import math
from collections.abc import Sequence

from geoseg.training.settings import TrainSettings

PLATEAU_EPOCHS = 5
"""Epochs without a lower loss after which the plateau schedule lowers the learning rate."""
PLATEAU_FACTOR = 0.5


def learning_rate(
    settings: TrainSettings, step: int, steps_per_epoch: int, losses: Sequence[float]
) -> float:
    """Return the learning rate of a step. A resumed run has the same rates.

    Args:
        settings: learning rate, schedule, warm-up and epochs.
        step: number of the step, from 0, over all epochs.
        steps_per_epoch: steps in an epoch.
        losses: `TrainState.losses`.
    """
    warmup_steps = round(settings.warmup * steps_per_epoch)
    if step < warmup_steps:
        return settings.lr * (step + 1) / warmup_steps
    if settings.schedule == "cosine":
        done = (step - warmup_steps) / (steps_per_epoch * settings.epochs - warmup_steps)
        return settings.lr * (1 + math.cos(math.pi * done)) / 2
    if settings.schedule == "plateau":
        return settings.lr * PLATEAU_FACTOR ** _count_plateaus(losses)
    return settings.lr


def last_epoch(settings: TrainSettings, losses: Sequence[float]) -> int:
    """Return the number of the epoch, from 1, after which a run with these losses ends.

    The losses are `TrainState.losses`.
    """
    best, best_epoch = math.inf, 0
    for epoch, loss in enumerate(losses[: settings.epochs], 1):
        if loss < best:
            best, best_epoch = loss, epoch
        if settings.patience is not None and epoch - best_epoch >= settings.patience:
            return epoch
    return settings.epochs


def _count_plateaus(losses: Sequence[float]) -> int:
    """Count the runs of `PLATEAU_EPOCHS` epochs without a lower loss."""
    best, epochs, plateaus = math.inf, 0, 0
    for loss in losses:
        epochs = 0 if loss < best else epochs + 1
        best = min(best, loss)
        if epochs == PLATEAU_EPOCHS:
            epochs, plateaus = 0, plateaus + 1
    return plateaus
