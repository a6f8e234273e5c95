"""Small ONNX files, and their scores by ONNX Runtime alone."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

DEEPNESS = {
    "model_type": json.dumps("Segmentor"),
    "class_names": json.dumps({str(n): f"class {n}" for n in range(4)}),
    "resolution": json.dumps(50),
    "tile_size": json.dumps(32),
    "tiles_overlap": json.dumps(25),
    "standardization_mean": json.dumps([0.4, 0.5, 0.6]),
    "standardization_std": json.dumps([0.2, 0.25, 0.3]),
}
"""Metadata of a network of 4 classes, as the documentation of Deepness writes them."""


def save_onnx(path, nodes, weights, inputs, outputs, *, metadata=None, opset=17, domains=()):
    """Write a graph; ``inputs`` and ``outputs`` are (type, shape), called x and y."""
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", *inputs)],
        [helper.make_tensor_value_info("y", *outputs)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    versions = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    model = helper.make_model(graph, opset_imports=versions, ir_version=9)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return Path(path)


def conv_onnx(
    path, *, bands=3, channels=4, size=32, batch=None, padded=True, head=None, nhwc=False,
    squeezed=False, dtype="float32", metadata=None, seed=0,
):  # fmt: skip
    """Write a network of two 3 x 3 convolutions with random weights.

    Without ``padded``, its output is 2 px smaller on each side. ``size`` and ``batch`` are None
    if they are free. ``head`` is "Softmax", "Sigmoid" or None for logits.
    """
    rng = np.random.default_rng(seed)
    weights = {
        "w1": rng.normal(0, 0.4, (8, bands, 3, 3)).astype(np.float32),
        "w2": rng.normal(0, 0.8, (channels, 8, 3, 3)).astype(np.float32),
    }
    pads = [1, 1, 1, 1] if padded else [0, 0, 0, 0]
    steps = [("Cast", {"to": TensorProto.FLOAT}, [])]
    if nhwc:
        steps.append(("Transpose", {"perm": [0, 3, 1, 2]}, []))
    steps += [
        ("Conv", {"pads": pads}, ["w1"]),
        ("Relu", {}, []),
        ("Conv", {"pads": pads}, ["w2"]),
    ]
    if head == "Softmax":
        steps.append((head, {"axis": 1}, []))
    if head == "Sigmoid":
        steps.append((head, {}, []))
    if nhwc:
        steps.append(("Transpose", {"perm": [0, 2, 3, 1]}, []))
    if squeezed:
        weights["axes"] = np.array([1], np.int64)
        steps.append(("Squeeze", {}, ["axes"]))
    nodes, last = [], "x"
    for number, (kind, attributes, extra) in enumerate(steps, 1):
        name = "y" if number == len(steps) else f"t{number}"
        nodes.append(helper.make_node(kind, [last, *extra], [name], **attributes))
        last = name
    free, sides = batch or "n", [size or "h", size or "w"]
    inputs = [free, *sides, bands] if nhwc else [free, bands, *sides]
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    axes = 3 if squeezed else 4
    outputs = [batch if axis == 0 and batch else f"o{axis}" for axis in range(axes)]
    return save_onnx(
        path, nodes, weights, (kind, inputs), (TensorProto.FLOAT, outputs), metadata=metadata
    )


def crop_onnx(path, *, bands=3, size=32, margin=0, gain=1.0, centred=False, metadata=None):
    """Write the identity times ``gain``, without ``margin`` px on each side.

    ``centred`` subtracts the mean of the window from each band, so that every pixel of the input
    changes every score.
    """
    cut = np.array([margin, margin]), np.array([-margin or 2**31, -margin or 2**31])
    weights = {
        "first": cut[0], "end": cut[1], "axes": np.array([2, 3]),
        "gain": np.array(gain, np.float32),
    }  # fmt: skip
    nodes = [
        helper.make_node("Slice", ["x", "first", "end", "axes"], ["t"]),
        helper.make_node("Mul", ["t", "gain"], ["u" if centred else "y"]),
    ]
    if centred:
        nodes.append(helper.make_node("GlobalAveragePool", ["x"], ["m"]))
        nodes.append(helper.make_node("Sub", ["u", "m"], ["y"]))
    shape = (TensorProto.FLOAT, ["n", bands, size, size])
    return save_onnx(path, nodes, weights, shape, (TensorProto.FLOAT, list("nchw")),
                     metadata=metadata)  # fmt: skip


def plain_scores(path, image, *, mean, std, size, margin=0, overlap=8, nhwc=False, head="Softmax"):
    """Blend the scores of all windows of an image in plain NumPy.

    Args:
        path: of the ONNX file.
        image: (bands, height, width) in scene values.
        mean: of the scaling, one or (bands,).
        std: of the scaling, one or (bands,).
        size: side of the scores of a window (px).
        margin: pixels on each side of the input that have no scores.
        overlap: of the scores of neighbouring windows (px).
        nhwc: whether the channels are the last axis.
        head: what is to be applied to the output: "Softmax", "Sigmoid" or None. One channel
            becomes two.

    Returns:
        (classes, height, width), with sum 1 over the classes.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # more would spin while they wait
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0]
    dtype = {"tensor(uint8)": np.uint8}.get(source.type, np.float32)
    batch = source.shape[0] if isinstance(source.shape[0], int) else 1
    bands, height, width = image.shape
    below, right = max(size - height, 0), max(size - width, 0)
    edges = ((0, 0), (margin, margin + below), (margin, margin + right))
    mean, std = (np.broadcast_to(v, bands)[:, None, None] for v in (mean, std))
    scaled = np.pad(((image - mean) / std).astype(np.float32), edges, mode="reflect").astype(dtype)
    centre = np.arange(size) + 0.5
    ramp = np.sin(np.pi / 2 * np.minimum(1, np.minimum(centre, size - centre) / overlap)) ** 2
    weight = np.outer(ramp, ramp).astype(np.float32)
    total = 0
    for row in starts(height, size, overlap):
        for col in starts(width, size, overlap):
            window = scaled[:, row : row + size + 2 * margin, col : col + size + 2 * margin]
            window = np.repeat(window[None], batch, axis=0)
            if nhwc:
                window = window.transpose(0, 2, 3, 1)
            scores = session.run(None, {source.name: np.ascontiguousarray(window)})[0][0]
            scores = scores.transpose(2, 0, 1) if nhwc else scores
            scores = activated(scores if scores.ndim == 3 else scores[None], head)
            if np.ndim(total) == 0:
                total = np.zeros((len(scores), height + below, width + right), np.float32)
            total[:, row : row + size, col : col + size] += scores * weight
    total = total[:, :height, :width]
    return total / total.sum(0)


def starts(length, size, overlap):
    """First pixels of the windows of an axis, from 0 to the one that ends on the edge."""
    last = max(length - size, 0)
    return [*range(0, last, size - overlap), last]


def activated(scores, head):
    """Return probabilities (classes, height, width)."""
    if head == "Softmax":
        scores = np.exp(scores - scores.max(0))
        scores /= scores.sum(0)
    if head == "Sigmoid":
        scores = 1 / (1 + np.exp(-scores))
    return scores if len(scores) > 1 else np.concatenate([1 - scores, scores])
