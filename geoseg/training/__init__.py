"""Train a U-Net on tiles, and score a model on them."""

from geoseg.training.artifacts import Monitor
from geoseg.training.run import train
from geoseg.training.settings import (
    RECIPES,
    Augment,
    Loss,
    Optimizer,
    Sampling,
    Schedule,
    TrainSettings,
)
from geoseg.training.tile_scores import score

__all__ = [
    "RECIPES",
    "Augment",
    "Loss",
    "Monitor",
    "Optimizer",
    "Sampling",
    "Schedule",
    "TrainSettings",
    "score",
    "train",
]
