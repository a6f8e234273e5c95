"""Train a U-Net on tiles, and score a model on them."""

from geoseg.training.artifacts import Monitor
from geoseg.training.run import train
from geoseg.training.settings import Augment, Loss, Optimizer, Schedule, TrainSettings
from geoseg.training.tile_scores import score

__all__ = ["Augment", "Loss", "Monitor", "Optimizer", "Schedule", "TrainSettings", "score", "train"]
