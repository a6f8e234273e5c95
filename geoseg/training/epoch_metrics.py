"""Loss and confusion matrix of an epoch, summed on the device so that no step waits for it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from geoseg.metrics import Confusion
from geoseg.tiles import IGNORE_INDEX
from geoseg.training.distributed import ProcessGroup


@dataclass(frozen=True, slots=True)
class EpochResult:
    """Loss and confusion matrix of an epoch."""

    loss: float
    """Mean over the labelled pixels."""
    confusion: Confusion


class EpochMetrics:
    """Sums of losses and of confusion matrices over batches."""

    def __init__(self, classes: int, device: torch.device) -> None:
        self._classes = classes
        self._loss = torch.zeros((), device=device)
        self._pixels = torch.zeros((), dtype=torch.int64, device=device)
        self._counts = torch.zeros(classes**2 + 1, dtype=torch.int64, device=device)

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch.

        Args:
            loss: scalar, summed over the labelled pixels of the batch.
            logits: (n, classes, h, w).
            labels: (n, h, w) int64, 255 where not labelled.
        """
        labelled = labels != IGNORE_INDEX
        pairs = torch.where(labelled, logits.argmax(1) * self._classes + labels, self._classes**2)
        # Not bincount, which waits for a GPU to return the largest value.
        self._counts.scatter_add_(0, pairs.flatten(), labelled.long().flatten())
        self._loss += loss
        self._pixels += labelled.sum()

    def result(self, processes: ProcessGroup) -> EpochResult:
        """Return the result over all processes."""
        sums = (self._loss, self._pixels, self._counts)
        loss, pixels, counts = (processes.all_reduce_sum(value) for value in sums)
        matrix = counts[:-1].cpu().numpy().reshape(self._classes, self._classes)
        return EpochResult(float(loss) / max(int(pixels), 1), Confusion(matrix.astype(np.int64)))
