"""The U-Net, its spec, the model file, and windows to scores."""

from geoseg.model.device import (
    PRECISIONS,
    choose_device,
    choose_precision,
    keep_freed_memory,
    slow_precision,
    torch_dtype,
)
from geoseg.model.file import DEFAULT, Model, PixelSizes, pixel_size_range, resolve
from geoseg.model.predict import CPU_BATCH, GPU_BATCH, Predictor, load_predictor, winner
from geoseg.model.ranges import NumberRange
from geoseg.model.spec import DROPOUT, SIZES, Layer, UNetSpec, layer_table
from geoseg.model.symmetry import SYMMETRIES, turn, turn_back
from geoseg.model.unet import UNet

__all__ = [
    "CPU_BATCH",
    "DEFAULT",
    "DROPOUT",
    "GPU_BATCH",
    "PRECISIONS",
    "SIZES",
    "SYMMETRIES",
    "Layer",
    "Model",
    "NumberRange",
    "PixelSizes",
    "Predictor",
    "UNet",
    "UNetSpec",
    "choose_device",
    "choose_precision",
    "keep_freed_memory",
    "layer_table",
    "load_predictor",
    "pixel_size_range",
    "resolve",
    "slow_precision",
    "torch_dtype",
    "turn",
    "turn_back",
    "winner",
]
