"""Estimate of the memory that an ONNX network takes for its activations."""

from collections import Counter
from importlib import import_module
from math import prod

from geoseg.model.onnx.extra import Onnx, import_onnx
from geoseg.model.onnx.file import OnnxFile

_FLOAT_BYTES = 4
_ARENA = 1.4
"""Memory that ONNX Runtime takes, relative to the tensors in it: measured on U-Nets."""


def window_bytes(file: OnnxFile, shape: tuple[int, ...]) -> int:
    """Estimate the memory of one forward pass, without the weights (bytes).

    It follows from the largest sum of the activations that are alive at the same time.

    Args:
        file: the network.
        shape: of the input.
    """
    onnx = import_onnx(file.path)
    model = onnx.load_model_from_string(file.data)
    weights = {tensor.name for tensor in model.graph.initializer}
    [value] = [value for value in model.graph.input if value.name not in weights]
    for dim, size in zip(value.type.tensor_type.shape.dim, shape, strict=True):
        dim.dim_value = size
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    sizes = _tensor_bytes(onnx, model)
    uses = Counter(name for node in model.graph.node for name in node.input)
    alive = most = sizes.get(value.name, 0)
    for node in model.graph.node:
        alive += sum(sizes.get(name, 0) for name in node.output)
        most = max(most, alive)
        for name in node.input:
            uses[name] -= 1
            if not uses[name] and name not in weights:
                alive -= sizes.get(name, 0)
    return int(_ARENA * most)


def _tensor_bytes(onnx: Onnx, model: Onnx) -> dict[str, int]:
    """Return the bytes of each tensor whose shape can be inferred."""

    def sizes(graph: Onnx) -> dict[str, int]:
        return {
            known.name: _FLOAT_BYTES * prod(d.dim_value for d in known.type.tensor_type.shape.dim)
            for known in (*graph.value_info, *graph.output, *graph.input)
        }

    convolutions = {n.output[0] for n in model.graph.node if n.op_type == "Conv"}
    inferred: dict[str, int] = {}
    try:
        inferred = sizes(onnx.shape_inference.infer_shapes(model).graph)
        if not all(inferred.get(name) for name in convolutions):
            # Paddings are computed from shapes, which the tool of ONNX Runtime follows.
            tool = import_module("onnxruntime.tools.symbolic_shape_infer")
            inferred = sizes(tool.SymbolicShapeInference.infer_shapes(model, auto_merge=True).graph)
    except Exception:  # noqa: BLE001 - an estimate, so a graph of unknown shapes is no error
        return inferred
    return inferred
