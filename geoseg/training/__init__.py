"""Train a U-Net on tiles."""

from geoseg.training.loop import train
from geoseg.training.record import Watch
from geoseg.training.score import score
from geoseg.training.settings import Augment, Loss, Optimizer, Schedule, TrainSettings

__all__ = ["Augment", "Loss", "Optimizer", "Schedule", "TrainSettings", "Watch", "score", "train"]
