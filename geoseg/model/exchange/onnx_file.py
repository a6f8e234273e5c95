"""A model as the bytes of an ONNX file, with the metadata that QGIS Deepness and GeoDeep read."""

import json
import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from geoseg.model.model_file import Model
from geoseg.model.networks import Network
from geoseg.model.networks.inference import Probabilities, inference_copy
from geoseg.model.networks.rescale import Rescale
from geoseg.model.onnx import keys
from geoseg.model.onnx.extra import import_onnx, import_onnxscript
from geoseg.model.scaling import Scaling
from geoseg.version import __version__

if TYPE_CHECKING:
    from onnx import ModelProto

INPUT, OUTPUT = "image", "scores"
"""Names of the input and the output."""
_OPSET, _IR_VERSION = 18, 8
"""Versions of ONNX that ONNX Runtime reads since 1.14; Deepness installs 1.12 to 1.17."""
_OVERLAP = 32
"""Overlap of windows (px), the default of `classify`."""
_MAX_OVERLAP = 50
"""Largest overlap of windows (%): more would only cost time."""


def input_divisor(dtype: str) -> int:
    """Return the number that scene values are divided by before the network reads them.

    It is the range of an integer dtype, such as 255 for uint8 and 65,535 for uint16, because
    GeoDeep divides by it and has no metadata key to undo that; 1 for floats.
    """
    if np.issubdtype(dtype, np.floating):
        return 1
    limits = np.iinfo(dtype)
    return int(limits.max) - int(limits.min)


def pixel_size(model: Model) -> float | None:
    """Return the ground size of the pixels (m): the geometric mean of a range, None if unknown."""
    if model.pixel_size is not None or model.pixel_size_range is None:
        return model.pixel_size
    return math.sqrt(math.prod(model.pixel_size_range))


def onnx_bytes(model: Model) -> bytes:
    """Return the ONNX file of a model: free batch size, batch normalisation folded.

    Raises:
        ModelError: if onnx or onnxscript is not installed.
    """
    import_onnx("the export")
    import_onnxscript("the export")
    proto = _trace(model)
    strip(proto)
    for key, value in _metadata(model).items():
        proto.metadata_props.add(key=key, value=json.dumps(value))
    return proto.SerializeToString(deterministic=True)  # type: ignore[no-any-return]


def _trace(model: Model) -> "ModelProto":
    spec = model.spec
    network = Probabilities(_with_unit_input(model), model.temperature).eval()
    # A batch of 1 would become a fixed size.
    example = torch.zeros(2, spec.bands, spec.window, spec.window)
    with _quiet_exporter():
        program = torch.onnx.export(
            network, (example,), dynamo=True, verbose=False, opset_version=_OPSET,
            input_names=[INPUT], output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )  # fmt: skip
    assert program is not None  # noqa: S101 - for mypy: it is None only for the older exporter
    return program.model_proto


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Suppress what PyTorch and onnxscript say about themselves and about torchvision."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _with_unit_input(model: Model) -> Network:
    """Return a copy of the network that reads scene values divided by `input_divisor`."""
    divisor, scaling = input_divisor(model.dtype), model.spec.scaling
    low, high = (tuple(v / divisor for v in values) for values in (scaling.low, scaling.high))
    network = inference_copy(model.network)
    network.rescale = Rescale(Scaling(low, high))
    return network


def strip(proto: "ModelProto") -> None:
    """Remove what depends on this machine, such as the paths of source files, and all metadata."""
    graph = proto.graph
    parts: list[Any] = [
        graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer
    ]  # fmt: skip
    for part in parts:
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    graph.name = "geoseg"
    proto.ir_version = _IR_VERSION
    proto.producer_name, proto.producer_version = "geoseg", __version__
    proto.ClearField("doc_string")
    proto.ClearField("metadata_props")


def _metadata(model: Model) -> dict[str, Any]:
    """Return the metadata that Deepness, GeoDeep and geoseg read, by key.

    Deepness and GeoDeep set scores below the threshold to 0 before they take the best class, so it
    is 0. Both remove small areas below a size that follows from `SMALL_SEGMENT`; 0 means that all
    stay. They number the classes from 0, and geoseg reads their values and colours from `LEGEND`.
    From the keys of Deepness, three bands would be red, green and blue, and floats would be bytes.
    """
    spec = model.spec
    entries: dict[str, Any] = {
        keys.MODEL_TYPE: keys.SEGMENTOR,
        keys.CLASS_NAMES: {str(i): name for i, name in enumerate(model.legend.names)},
        keys.TILE_SIZE: spec.window,
        keys.TILES_OVERLAP: min(round(100 * _OVERLAP / spec.window), _MAX_OVERLAP),
        keys.MEAN: [0.0] * spec.bands,
        keys.STD: [input_divisor(model.dtype) / keys.DIVISOR] * spec.bands,
        keys.THRESHOLD: 0.0,
        keys.SMALL_SEGMENT: 0,
        keys.SCORES: "probabilities",
        keys.FILL: list(spec.scaling.low),
        keys.LEGEND: model.legend.to_dict(),
        keys.BANDS: list(model.band_names),
        keys.DTYPE: model.dtype,
    }
    size = pixel_size(model)
    if size is not None:
        entries[keys.RESOLUTION] = round(100 * size, 4)  # centimetres
    return entries
