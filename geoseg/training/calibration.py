"""Temperature scaling, fitted to the validation tiles (Guo et al. 2017, arXiv:1706.04599).

Logits are divided by one number, the temperature, so that about 90 % of the pixels with a score of
0.9 are right. The best class of a pixel does not change.
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

_MAX_PIXELS = 1 << 20
"""About how many labelled pixels the temperature is fitted to."""
_RANGE = 0.05, 20.0
"""Lowest and highest temperature. A network that is always right would have 0."""
_TOLERANCE = 1.001
"""A temperature within this factor of an end of the range counts as on the end."""
_BISECTIONS = 50


@dataclass(frozen=True, slots=True)
class Calibration:
    """A temperature, and the expected calibration error without and with it."""

    temperature: float
    before: float
    """Expected calibration error at a temperature of 1, 0 to 1."""
    after: float
    """Expected calibration error at `temperature`, 0 to 1."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return {
            "temperature": round(self.temperature, 6),
            "expected_calibration_error": round(self.after, 6),
            "expected_calibration_error_at_1": round(self.before, 6),
        }


def calibrate(logits: Tensor, labels: Tensor, *, verbose: bool = True) -> Calibration:
    """Fit a temperature that lowers the expected calibration error.

    The fit maximises the likelihood of the labels. If that raises the expected calibration error,
    the temperature is 1, which does not change the scores. If the likelihood has no maximum within
    the range (0.05 to 20), nearly all pixels are right, or no more than by chance. ``verbose`` logs
    both cases. For the arguments see `collect_logits`.
    """
    temperature = fit_temperature(logits, labels)
    before, after = (_calibration_error(logits, labels, value) for value in (1, temperature))
    if after >= before:
        if verbose:
            log.info(
                "the temperature stays 1, because a temperature of %.3g does not lower the "
                "calibration error of %.1f %% on the validation tiles",
                temperature, 100 * before,
            )  # fmt: skip
        return Calibration(1.0, before, before)
    if verbose and not _RANGE[0] * _TOLERANCE < temperature < _RANGE[1] / _TOLERANCE:
        log.warning(
            "the temperature of %.3g is at the end of its range (%g to %g), so the confidence may "
            "be wrong on other scenes, validate on more tiles or on more varied ones",
            temperature, *_RANGE,
        )  # fmt: skip
    return Calibration(temperature, before, after)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature with the highest likelihood of the labels, between 0.05 and 20.

    ``logits`` are (n, classes) float, ``labels`` (n,) int64 class indices.
    """
    logits = logits.double()
    logit_of_label = logits.gather(1, labels[:, None])[:, 0]
    # The likelihood has one maximum over 1 / temperature: bisect for the sign of its slope.
    low, high = (float(np.log(end)) for end in _RANGE)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        expected_logit = (torch.softmax(logits / np.exp(middle), 1) * logits).sum(1)
        if float((expected_logit - logit_of_label).sum()) > 0:
            low = middle
        else:
            high = middle
    return float(np.exp((low + high) / 2))


@torch.inference_mode()
def collect_logits(context: TrainingContext) -> tuple[Tensor, Tensor]:
    """Return logits (n, classes) and labels (n,) of labelled pixels of the validation tiles.

    The pixels are spread evenly over all tiles. Every process reads all tiles, so that all
    processes get the same temperature.
    """
    val, network = context.val, context.network
    network.averaged.eval()
    stride = max(1, int(context.plan.val.counts.sum()) // _MAX_PIXELS)
    windows, window = context.val_windows, context.val_window
    logits = [torch.zeros((0, network.spec.classes))]
    labels = [torch.zeros(0, dtype=torch.int64)]
    batch_size = context.plan.settings.batch_size
    for batch in val.load_all(windows, batch_size, window):
        outputs = network.logits(network.averaged, batch.images).movedim(1, -1).flatten(0, -2)
        flat = batch.labels.flatten()
        indices = (flat != IGNORE_INDEX).nonzero()[::stride, 0]
        logits.append(outputs[indices].cpu())
        labels.append(flat[indices].cpu())
    return torch.cat(logits), torch.cat(labels)


def _calibration_error(logits: Tensor, labels: Tensor, temperature: float) -> float:
    """Return the expected calibration error of the best scores."""
    scores, predicted = torch.softmax(logits / temperature, 1).max(1)
    return Reliability.of(scores.double().numpy(), (predicted == labels).numpy()).expected_error
