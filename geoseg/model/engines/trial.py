"""A trial of engines on windows of the scene: how fast each is, and whether it agrees."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.model.predictor import Predictor, best_class

TOLERANCE = {"fp32": 0.0001, "bf16": 0.001}
"""By precision: by which share an engine may have fewer labels equal to those of fp32 than torch in
the same precision. Rounding to bf16 changes the labels of more pixels in each engine."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of one engine."""

    engine: str
    seconds: float
    """Time of a window on one thread (s): the shortest of all rounds."""
    agreement: float
    """Share of the pixels with the label of the reference in fp32, 0 to 1."""


@dataclass(frozen=True, slots=True)
class TrialWindows:
    """Windows of a scene side by side, for a trial."""

    pixels: NDArray[Any]
    """(bands, size, n * size) in scene values, invalid pixels filled."""
    size: int
    """Side of the input of a window (px)."""

    @property
    def slices(self) -> list[tuple[slice, slice]]:
        """Rows and columns of each window."""
        count = self.pixels.shape[2] // self.size
        return [
            (slice(0, self.size), slice(n * self.size, (n + 1) * self.size)) for n in range(count)
        ]


def try_engine(
    engine: str, predictor: Predictor, sample: TrialWindows, reference: NDArray[np.uint8] | None,
    seconds: float,
) -> tuple[Trial, NDArray[np.uint8]]:  # fmt: skip
    """Compute the sample again and again for some time.

    Args:
        engine: its name.
        predictor: the network in this engine.
        sample: the windows.
        reference: labels (n, window, window) of the reference in fp32; None if this is it.
        seconds: time to spend, at least one round after a first one that does not count.

    Returns:
        The result, and the labels (n, window, window) as class indices.
    """
    windows = sample.slices
    labels = _labels(predictor, sample, windows)
    rounds: list[float] = []
    end = time.perf_counter() + seconds
    while not rounds or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in predictor.scores(sample.pixels, windows):
            pass
        rounds.append((time.perf_counter() - start) / len(windows))
    agreement = 1.0 if reference is None else float((labels == reference).mean())
    return Trial(engine, min(rounds), agreement), labels


def fastest(trials: Sequence[Trial], precision: str) -> Trial:
    """Return the fastest of the trials that agree with fp32 nearly as well as the first one.

    Args:
        trials: in one precision, that of the reference first.
        precision: "fp32" or "bf16".
    """
    lowest = trials[0].agreement - TOLERANCE[precision]
    able = [trials[0], *(trial for trial in trials[1:] if trial.agreement >= lowest)]
    return min(able, key=lambda trial: trial.seconds)


def _labels(
    predictor: Predictor, sample: TrialWindows, windows: Sequence[tuple[slice, slice]]
) -> NDArray[np.uint8]:
    scores = predictor.scores(sample.pixels, windows)
    return np.stack([best_class(score)[0].cpu().numpy() for score in scores])
