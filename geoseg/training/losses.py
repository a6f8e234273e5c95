"""What training makes small."""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from numpy.typing import NDArray
from torch import Tensor

from geoseg.tiles import IGNORE_INDEX
from geoseg.training.settings import Loss

FOCAL_GAMMA = 2.0
"""Exponent of the focal loss, as its authors recommend."""


def compute_loss(
    how: Loss, logits: Tensor, labels: Tensor, weights: Tensor, known: Tensor
) -> Tensor:
    """The loss of a batch, a scalar.

    Args:
        how: "ce": cross-entropy. "weighted": the same, each pixel times the weight of its class.
            "focal": times (1 - p)**2, p the score of the true class (Lin et al. 2017,
            doi:10.1109/ICCV.2017.324). "dice": cross-entropy plus the mean of 1 - Dice over the
            classes in the batch, from scores (Milletari et al. 2016, doi:10.1109/3DV.2016.79).
        logits: (n, classes, h, w) float32.
        labels: (n, h, w) int64 class indices, 255 where not labelled.
        weights: (classes,) of `class_weights`.
        known: labelled pixels of the batch that is divided among the processes; the losses of
            their shares add up to that of the batch (for "dice", to the mean over the shares).
    """
    if how == "dice":
        entropy = (
            F.cross_entropy(logits, labels, ignore_index=IGNORE_INDEX, reduction="sum") / known
        )
        share = (labels != IGNORE_INDEX).sum() / known
        return entropy + share * _one_minus_dice(logits, labels)
    if how == "focal":
        entropy = F.cross_entropy(logits, labels, ignore_index=IGNORE_INDEX, reduction="none")
        return ((1 - torch.exp(-entropy)) ** FOCAL_GAMMA * entropy).sum() / known
    weight = weights if how == "weighted" else None
    return (
        F.cross_entropy(logits, labels, weight=weight, ignore_index=IGNORE_INDEX, reduction="sum")
        / known
    )


def _one_minus_dice(logits: Tensor, labels: Tensor) -> Tensor:
    seen = (labels != IGNORE_INDEX)[:, None]
    scores = logits.softmax(1) * seen
    classes = torch.arange(logits.shape[1], device=labels.device).view(1, -1, 1, 1)
    truth = (labels[:, None] == classes).float()
    both, either = (scores * truth).sum((0, 2, 3)), (scores + truth).sum((0, 2, 3))
    there = truth.sum((0, 2, 3)) > 0
    missed = torch.where(there, 1 - 2 * both / either.clamp(min=1e-6), 0)
    return missed.sum() / there.sum().clamp(min=1)


def class_weights(counts: NDArray[np.int64]) -> Tensor:
    """Weights inverse to the frequency of the classes, (classes,); a mean pixel weighs 1.

    Args:
        counts: (classes,) labelled pixels; a class without any weighs 0.
    """
    seen = counts > 0
    weights = np.where(seen, counts.sum() / (max(seen.sum(), 1) * np.maximum(counts, 1)), 0)
    return torch.from_numpy(weights).float()
