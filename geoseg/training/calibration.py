"""How sure the network may be: one number, fitted to the validation tiles (Guo et al. 2017).

Scores are made from logits divided by it, so that of the pixels with a score of 0.9 about 90 % are
right. It changes no order of the classes.
"""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from geoseg.metrics import Reliability
from geoseg.tiles import IGNORE_INDEX
from geoseg.training.context import TrainingContext

log = logging.getLogger("geoseg")

_PIXELS = 1 << 20
"""Labelled pixels that are enough to fit one number, about."""
_RANGE = 0.05, 20.0
"""Lowest and highest temperature: a network that is never wrong would have 0."""
_TOLERANCE = 1.001
"""Factor between a temperature and an end of the range that counts as on the end."""
_HALVINGS = 50


@dataclass(frozen=True, slots=True)
class Calibration:
    """A temperature, and what it does to the expected calibration error."""

    temperature: float
    before: float
    """Error with a temperature of 1."""
    after: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "temperature": round(self.temperature, 6),
            "expected_calibration_error": round(self.after, 6),
            "expected_calibration_error_at_1": round(self.before, 6),
        }


def calibrate(run: TrainingContext) -> Calibration | None:
    """Fit the temperature of a run's network to its validation tiles; None without any pixel.

    The fit maximises the likelihood of the labels. With few or unusual validation pixels this can
    make the expected calibration error larger; then the temperature is 1, which leaves the scores
    as they are. A temperature on an end of its range (0.05 and 20) means that the likelihood has
    no maximum inside: the network is right at nearly all validation pixels, or no better than
    chance. Both cases are logged.

    Every process looks at all tiles and comes to the same number.
    """
    logits, labels = _validation(run)
    if not len(labels):
        return None
    temperature = fit_temperature(logits, labels)
    before, after = (_error(logits, labels, value) for value in (1, temperature))
    talks = run.processes.first
    if after >= before:
        if talks:
            log.info(
                "the temperature stays 1: a fit of %.3g does not lower the calibration error of "
                "%.1f %% on the validation tiles", temperature, 100 * before,
            )  # fmt: skip
        return Calibration(1.0, before, before)
    if talks and not _RANGE[0] * _TOLERANCE < temperature < _RANGE[1] / _TOLERANCE:
        log.warning(
            "the temperature of %.3g is on the end of its range (%g to %g), so confidence may be "
            "wrong on other scenes: validate on more tiles, or on more varied ones",
            temperature, *_RANGE,
        )  # fmt: skip
    return Calibration(temperature, before, after)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature at which labels are likeliest, between 0.05 and 20.

    Args:
        logits: (n, classes) float.
        labels: (n,) int64 class indices.
    """
    logits = logits.double()
    hits = logits.gather(1, labels[:, None])[:, 0]
    # The likelihood has one peak over 1 / temperature: where its slope changes sign.
    low, high = (float(np.log(end)) for end in _RANGE)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        expected = (torch.softmax(logits / np.exp(middle), 1) * logits).sum(1)
        if float((expected - hits).sum()) > 0:
            low = middle
        else:
            high = middle
    return float(np.exp((low + high) / 2))


@torch.inference_mode()
def _validation(run: TrainingContext) -> tuple[Tensor, Tensor]:
    """Logits (n, classes) and labels (n,) of pixels spread evenly over the validation tiles."""
    run.network.eval()
    every = max(1, len(run.val) * run.spec.window**2 // _PIXELS)
    logits, labels = [torch.zeros((0, run.spec.classes))], [torch.zeros(0, dtype=torch.int64)]
    for images, truth in run.val.batches(run.batches(np.arange(len(run.val)))):
        found = run.logits(run.network, images).movedim(1, -1).flatten(0, -2)
        flat = truth.flatten()
        some = (flat != IGNORE_INDEX).nonzero()[::every, 0]
        logits.append(found[some].cpu())
        labels.append(flat[some].cpu())
    return torch.cat(logits), torch.cat(labels)


def _error(logits: Tensor, labels: Tensor, temperature: float) -> float:
    """Expected calibration error of the winning scores."""
    scores, found = torch.softmax(logits / temperature, 1).max(1)
    return Reliability.of(scores.double().numpy(), (found == labels).numpy()).expected_error
