"""The U-Net, its spec, the model file, and windows to scores."""

from geoseg.model.device import choose_device, choose_precision, keep_freed_memory, torch_dtype
from geoseg.model.file import DEFAULT, Model, resolve
from geoseg.model.predict import CPU_BATCH, GPU_BATCH, Predictor, load_predictor, winner
from geoseg.model.spec import Layer, UNetSpec, layer_table
from geoseg.model.symmetry import SYMMETRIES, turn, turn_back
from geoseg.model.unet import UNet

__all__ = [
    "CPU_BATCH",
    "DEFAULT",
    "GPU_BATCH",
    "SYMMETRIES",
    "Layer",
    "Model",
    "Predictor",
    "UNet",
    "UNetSpec",
    "choose_device",
    "choose_precision",
    "keep_freed_memory",
    "layer_table",
    "load_predictor",
    "resolve",
    "torch_dtype",
    "turn",
    "turn_back",
    "winner",
]
