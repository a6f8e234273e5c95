"""Sums over the batches of an epoch, kept on the device so that no step waits for it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from geoseg.metrics import Confusion
from geoseg.tiles import IGNORE_INDEX
from geoseg.training.distributed import ProcessGroup


@dataclass(frozen=True, slots=True)
class EpochResult:
    """What an epoch came to."""

    loss: float
    """Mean over labelled pixels."""
    confusion: Confusion


class EpochMetrics:
    """Adds up losses and a confusion matrix."""

    def __init__(self, classes: int, device: torch.device) -> None:
        self._classes = classes
        self._loss = torch.zeros((), device=device)
        self._pixels = torch.zeros((), dtype=torch.int64, device=device)
        self._counts = torch.zeros(classes**2 + 1, dtype=torch.int64, device=device)

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch.

        Args:
            loss: scalar, summed over the batch's labelled pixels.
            logits: (n, classes, h, w).
            labels: (n, h, w) int64, 255 where not labelled.
        """
        known = labels != IGNORE_INDEX
        pairs = torch.where(known, logits.argmax(1) * self._classes + labels, self._classes**2)
        # Not bincount: it asks a GPU for the largest value, and waits for the answer.
        self._counts.scatter_add_(0, pairs.flatten(), known.long().flatten())
        self._loss += loss
        self._pixels += known.sum()

    def scores(self, processes: ProcessGroup) -> EpochResult:
        """The means over all processes."""
        loss, pixels = processes.total(self._loss), processes.total(self._pixels)
        counts = processes.total(self._counts)[:-1].cpu().numpy()
        square = counts.reshape(self._classes, self._classes).astype(np.int64)
        return EpochResult(float(loss) / max(int(pixels), 1), Confusion(square))
