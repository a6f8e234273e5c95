"""A network of geoseg as an ONNX graph, for the engines other than torch."""

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from geoseg.model.model_file import Model
from geoseg.model.networks.inference import Probabilities, inference_copy
from geoseg.model.onnx.extra import import_onnx
from geoseg.model.onnx.file import OnnxFile
from geoseg.model.onnx.spec import OnnxSpec

_OPSET = 17
"""Version of the operators: one that all engines read."""


def network_graph(model: Model) -> bytes:
    """Return the network of a model as an ONNX graph: scene values to softmax(logits).

    It has a free batch size. `export_model` writes files for other programs; this graph is made
    by the older exporter of PyTorch, which takes a tenth of the time and does not need onnxscript.

    Raises:
        ModelError: if the package onnx is not installed.
    """
    import_onnx("an engine other than torch")
    spec = model.spec
    network = Probabilities(inference_copy(model.network)).eval()
    example = torch.zeros(1, spec.bands, spec.window, spec.window)
    with warnings.catch_warnings(), TemporaryDirectory(prefix="geoseg-") as folder:
        warnings.simplefilter("ignore")  # of PyTorch about itself
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            network, (example,), path, dynamo=False, opset_version=_OPSET,
            input_names=["image"], output_names=["scores"], dynamic_axes={"image": {0: "batch"}},
        )  # fmt: skip
        return path.read_bytes()


def as_onnx_file(model: Model, graph: bytes) -> tuple[OnnxFile, OnnxSpec]:
    """Return the graph of a model as an ONNX file, and how it is read.

    Args:
        model: the model.
        graph: see `network_graph`.
    """
    spec = model.spec
    file = OnnxFile(
        path=str(model.path), data=graph, hash=model.hash, properties={},
        input_shape=(None, spec.bands, spec.window, spec.window), input_dtype="float32",
    )  # fmt: skip
    return file, OnnxSpec(spec.bands, spec.classes, spec.window, logits=False)
