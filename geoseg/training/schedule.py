"""The learning rate of each step, from the settings and what came before."""

import math
from collections.abc import Sequence

from geoseg.training.settings import TrainSettings

PATIENCE = 5
"""Epochs that a plateau lasts before the rate is lowered."""
FACTOR = 0.5


def learning_rate(settings: TrainSettings, step: int, steps: int, losses: Sequence[float]) -> float:
    """The rate of a step; a function of its arguments alone, so that a resumed run has the same.

    Args:
        settings: rate, schedule, warm-up, epochs.
        step: from 0, over all epochs.
        steps: in an epoch.
        losses: of the epochs done, those that decide which is the best.
    """
    warmup = round(settings.warmup * steps)
    if step < warmup:
        return settings.lr * (step + 1) / warmup
    if settings.schedule == "cosine":
        done = (step - warmup) / (steps * settings.epochs - warmup)
        return settings.lr * (1 + math.cos(math.pi * done)) / 2
    if settings.schedule == "plateau":
        return settings.lr * FACTOR ** _plateaus(losses)
    return settings.lr


def last_epoch(settings: TrainSettings, losses: Sequence[float]) -> int:
    """Number of the epoch that ends a run, as far as the losses tell; from 1.

    Args:
        settings: epochs and patience.
        losses: of the epochs done, those that decide which is the best.
    """
    best, best_epoch = math.inf, 0
    for epoch, loss in enumerate(losses[: settings.epochs], 1):
        if loss < best:
            best, best_epoch = loss, epoch
        if settings.patience is not None and epoch - best_epoch >= settings.patience:
            return epoch
    return settings.epochs


def _plateaus(losses: Sequence[float]) -> int:
    """How often the loss has not become lower for `PATIENCE` epochs in a row."""
    best, waited, count = math.inf, 0, 0
    for loss in losses:
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        if waited == PATIENCE:
            waited, count = 0, count + 1
    return count
