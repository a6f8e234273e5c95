"""Loss functions."""

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from numpy.typing import NDArray
from torch import Tensor

from geoseg.tiles import IGNORE_INDEX
from geoseg.training.settings import Loss

FOCAL_GAMMA = 2.0
"""Exponent of the focal loss, the value that its authors recommend."""


def compute_loss(
    kind: Loss, logits: Tensor, labels: Tensor, weights: Tensor, labelled: Tensor
) -> Tensor:
    """Return the loss of a batch, a scalar: the mean over the labelled pixels.

    Args:
        kind: "ce": cross-entropy. "weighted": cross-entropy of a pixel times the weight of its
            class. "focal": cross-entropy times (1 - p)**2, with p the score of the true class (Lin
            et al. 2017, doi:10.1109/ICCV.2017.324). "dice": cross-entropy plus the mean of 1 - Dice
            over the classes in the batch, with Dice computed from scores (Milletari et al. 2016,
            doi:10.1109/3DV.2016.79).
        logits: (n, classes, h, w) float32.
        labels: (n, h, w) int64 class indices, 255 where not labelled.
        weights: (classes,) float32, see `class_weights`.
        labelled: scalar, the labelled pixels of the batch over all processes. The losses of the
            processes add up to that of the batch; for "dice", Dice is computed in each process and
            averaged, weighted by labelled pixels.
    """
    cross_entropy = partial(F.cross_entropy, logits, labels, ignore_index=IGNORE_INDEX)
    if kind == "focal":
        entropy = cross_entropy(reduction="none")
        return ((1 - torch.exp(-entropy)) ** FOCAL_GAMMA * entropy).sum() / labelled
    loss = cross_entropy(weight=weights if kind == "weighted" else None, reduction="sum") / labelled
    if kind == "dice":
        loss = loss + (labels != IGNORE_INDEX).sum() / labelled * _one_minus_dice(logits, labels)
    return loss


def _one_minus_dice(logits: Tensor, labels: Tensor) -> Tensor:
    scores = logits.softmax(1) * (labels != IGNORE_INDEX)[:, None]
    classes = torch.arange(logits.shape[1], device=labels.device).view(1, -1, 1, 1)
    truth = (labels[:, None] == classes).float()
    intersection, total = (scores * truth).sum((0, 2, 3)), (scores + truth).sum((0, 2, 3))
    present = truth.sum((0, 2, 3)) > 0
    losses = torch.where(present, 1 - 2 * intersection / total.clamp(min=1e-6), 0)
    return losses.sum() / present.sum().clamp(min=1)


def class_weights(counts: NDArray[np.int64]) -> Tensor:
    """Return weights inverse to the labelled pixels of the classes, (classes,) float32.

    The mean weight over the pixels is 1. A class without pixels has the weight 0.
    """
    present = counts > 0
    weights = np.where(present, counts.sum() / (max(present.sum(), 1) * np.maximum(counts, 1)), 0)
    return torch.from_numpy(weights).float()
