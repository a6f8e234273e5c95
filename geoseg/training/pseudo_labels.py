"""Pseudo-labels: classes of which the averaged network is sure, on pixels that are not labelled.

The averaged network is a mean teacher (Tarvainen and Valpola 2017, arXiv:1703.01780). It reads the
images before their colours change, and the trained network after it (Sohn et al. 2020,
arXiv:2001.07685).
"""

import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor

from geoseg.tiles import IGNORE_INDEX
from geoseg.training.batches import Batch

MIN_SCORE = 0.9
"""Smallest score of a class that becomes a pseudo-label."""
START_SHARE = 0.5
"""Share of the epochs, at the start, without pseudo-labels, when the network knows too little."""


def make_pseudo_labels(logits: Tensor, batch: Batch) -> Tensor:
    """Return the pseudo-labels of a batch.

    Args:
        logits: (n, classes, s, s) of the averaged network.
        batch: the windows.

    Returns:
        (n, s, s) int64 class indices; `IGNORE_INDEX` where a pixel is labelled, is not valid, or
        has no class with a score of `MIN_SCORE`.
    """
    score, best = logits.softmax(1).max(1)
    usable = (score >= MIN_SCORE) & unlabelled(batch)
    return torch.where(usable, best, IGNORE_INDEX)


def unlabelled(batch: Batch) -> Tensor:
    """Return where a pixel is valid and not labelled, (n, s, s) bool."""
    return batch.valid & (batch.labels == IGNORE_INDEX)


def pseudo_loss(logits: Tensor, pseudo_labels: Tensor, pixels: Tensor) -> Tensor:
    """Return the cross-entropy of pseudo-labels, a scalar.

    Args:
        logits: (n, classes, s, s) of the network.
        pseudo_labels: (n, s, s), see `make_pseudo_labels`.
        pixels: scalar, the valid pixels without label in the batch over all processes. The sum is
            divided by them, so that the loss grows with the share of the pixels that are sure.
    """
    summed = F.cross_entropy(logits, pseudo_labels, ignore_index=IGNORE_INDEX, reduction="sum")
    return summed / pixels.clamp(min=1)
