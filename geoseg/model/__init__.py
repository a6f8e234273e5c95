"""The U-Net, its spec, the model file, its export, and the scores of windows."""

from geoseg.model.device import (
    PRECISIONS,
    choose_device,
    choose_precision,
    one_torch_thread,
    slow_precision,
    torch_dtype,
    tune_malloc,
)
from geoseg.model.dihedral import SYMMETRIES, apply_symmetry, invert_symmetry
from geoseg.model.exchange import convert_model, export_model
from geoseg.model.model_file import Model, PixelSizes, pixel_size_range
from geoseg.model.networks import Network, make_network, network_weights
from geoseg.model.networks.lab_layers import Layer, layer_table
from geoseg.model.networks.pretrained import find_imagenet_weights, load_encoder_weights
from geoseg.model.predictor import CPU_BATCH, GPU_BATCH, Predictor, best_class, cached_predictor
from geoseg.model.ranges import NumberRange
from geoseg.model.scaling import Scaling
from geoseg.model.spec import (
    DROPOUT_RANGE,
    EFFICIENTNET_LITE0,
    ENCODER_DEPTH,
    LAB,
    SIZE_RANGES,
    UNetSpec,
    check_encoder,
)
from geoseg.models import DEFAULT, find_model

__all__ = [
    "CPU_BATCH",
    "DEFAULT",
    "DROPOUT_RANGE",
    "EFFICIENTNET_LITE0",
    "ENCODER_DEPTH",
    "GPU_BATCH",
    "LAB",
    "PRECISIONS",
    "SIZE_RANGES",
    "SYMMETRIES",
    "Layer",
    "Model",
    "Network",
    "NumberRange",
    "PixelSizes",
    "Predictor",
    "Scaling",
    "UNetSpec",
    "apply_symmetry",
    "best_class",
    "cached_predictor",
    "check_encoder",
    "choose_device",
    "choose_precision",
    "convert_model",
    "export_model",
    "find_imagenet_weights",
    "find_model",
    "invert_symmetry",
    "layer_table",
    "load_encoder_weights",
    "make_network",
    "network_weights",
    "one_torch_thread",
    "pixel_size_range",
    "slow_precision",
    "torch_dtype",
    "tune_malloc",
]
