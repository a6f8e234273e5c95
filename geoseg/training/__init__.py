"""Train a U-Net on tiles, score a model on them, and export it in int8."""

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
from geoseg.training.trained import Int8Report, export_int8, score

__all__ = [
    "RECIPES",
    "Augment",
    "Int8Report",
    "Loss",
    "Monitor",
    "Optimizer",
    "Sampling",
    "Schedule",
    "TrainSettings",
    "export_int8",
    "score",
    "train",
]
