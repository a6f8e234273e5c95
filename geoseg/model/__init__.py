"""Networks and their files, those of geoseg and in ONNX, and the scores of windows."""

from geoseg.model.device import (
    PRECISIONS,
    choose_device,
    choose_precision,
    has_bf16,
    instruction_set,
    one_torch_thread,
    release_memory,
    slow_precision,
    torch_dtype,
    tune_malloc,
)
from geoseg.model.dihedral import SYMMETRIES, apply_symmetry, invert_symmetry
from geoseg.model.engines.choose import choose_batch, choose_engines
from geoseg.model.engines.graph import network_graph
from geoseg.model.engines.names import ENGINES, TORCH, engine_name
from geoseg.model.engines.trial import Trial, TrialWindows, fastest, try_engine
from geoseg.model.exchange import convert_model, export_model
from geoseg.model.model_file import Model, PixelSizes, pixel_size_range
from geoseg.model.networks import Network, make_network, network_weights
from geoseg.model.networks.layers import Layer, layer_table
from geoseg.model.networks.pretrained import find_imagenet_weights, load_encoder_weights
from geoseg.model.onnx.inspect import inspect_onnx, try_onnx
from geoseg.model.onnx.metadata import OnnxMetadata
from geoseg.model.onnx.model import OnnxModel
from geoseg.model.onnx.read_mlm import find_mlm_item
from geoseg.model.onnx.spec import OnnxSpec
from geoseg.model.predictor import (
    Predictor,
    PredictorSource,
    best_class,
    cached_predictor,
    load_predictor,
)
from geoseg.model.ranges import NumberRange
from geoseg.model.scaling import Scaling
from geoseg.model.spec import (
    DROPOUT_RANGE,
    EFFICIENTNET_LITE0,
    ENCODER_DEPTH,
    LAB,
    RGB,
    SIZE_RANGES,
    SMP,
    UNetSpec,
    check_encoder,
)
from geoseg.models import DEFAULT, find_model

AnyModel = Model | OnnxModel
"""What `classify` computes: a model of geoseg, or an ONNX file of another program."""

__all__ = [
    "DEFAULT",
    "DROPOUT_RANGE",
    "EFFICIENTNET_LITE0",
    "ENCODER_DEPTH",
    "ENGINES",
    "LAB",
    "PRECISIONS",
    "RGB",
    "SIZE_RANGES",
    "SMP",
    "SYMMETRIES",
    "TORCH",
    "AnyModel",
    "Layer",
    "Model",
    "Network",
    "NumberRange",
    "OnnxMetadata",
    "OnnxModel",
    "OnnxSpec",
    "PixelSizes",
    "Predictor",
    "PredictorSource",
    "Scaling",
    "Trial",
    "TrialWindows",
    "UNetSpec",
    "apply_symmetry",
    "best_class",
    "cached_predictor",
    "check_encoder",
    "choose_batch",
    "choose_device",
    "choose_engines",
    "choose_precision",
    "convert_model",
    "engine_name",
    "export_model",
    "fastest",
    "find_imagenet_weights",
    "find_mlm_item",
    "find_model",
    "has_bf16",
    "inspect_onnx",
    "instruction_set",
    "invert_symmetry",
    "layer_table",
    "load_encoder_weights",
    "load_predictor",
    "make_network",
    "network_graph",
    "network_weights",
    "one_torch_thread",
    "pixel_size_range",
    "release_memory",
    "slow_precision",
    "torch_dtype",
    "try_engine",
    "try_onnx",
    "tune_malloc",
]
