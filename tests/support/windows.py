"""Scores of single windows."""

import numpy as np

from geoseg.model import Predictor


def scores_of(predictor: Predictor, windows: np.ndarray) -> np.ndarray:
    """(n, bands, s, s) windows to (n, classes, s, s) scores."""
    size = windows.shape[-1]
    strip = np.concatenate(list(windows), axis=-1)
    places = [(slice(0, size), slice(i * size, (i + 1) * size)) for i in range(len(windows))]
    return np.stack([s.numpy() for s in predictor.scores(strip, places)])
