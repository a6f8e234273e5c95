"""A trained model on tiles: its accuracy, and its quantisation."""

from geoseg.training.trained.int8 import Int8Report, export_int8
from geoseg.training.trained.tile_scores import score

__all__ = ["Int8Report", "export_int8", "score"]
