"""An ONNX file: its bytes, its input and its metadata properties."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from geoseg.errors import ModelError, root_message
from geoseg.model.onnx.extra import Onnx, import_onnx

_STANDARD = ("", "ai.onnx")
_BUILT_IN = (*_STANDARD, "ai.onnx.ml", "com.microsoft")
"""Domains of the operators that ONNX Runtime has without a library of operators."""
_MAX_BYTES = 2**31
"""Size of a file with its weights that protobuf cannot hold (bytes)."""


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """An ONNX file that was read; it needs no other file."""

    path: str
    data: bytes
    """The whole model, with weights that lie in files of their own."""
    hash: str
    """First 16 hexadecimal digits of the SHA-256 of the file, and of its files of weights."""
    properties: Mapping[str, str]
    """Keys and texts of its metadata."""
    input_shape: tuple[int | None, ...]
    """Size of each axis of the input, None where it is free."""
    input_dtype: str
    """NumPy dtype of the input."""


def read_onnx(path: str | Path) -> OnnxFile:
    """Read an ONNX file. No code runs, and operators of other libraries are refused.

    Raises:
        ModelError: if the file is missing or damaged, or has operators that ONNX Runtime lacks,
            or other than one input.
    """
    onnx = import_onnx(path)
    try:
        if Path(path).stat().st_size >= _MAX_BYTES:
            raise _too_large(path)
        data = Path(path).read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read model {path}: {error.strerror}, check the path") from None
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # noqa: BLE001 - DecodeError of protobuf, which need not be installed
        raise _not_onnx(path, root_message(error)) from None
    if not model.graph.node or not model.graph.output:
        raise _not_onnx(path, "it has no network")
    unknown = _unknown_operators(onnx, model)
    if unknown:
        raise ModelError(
            f"{path} has operators that ONNX and ONNX Runtime lack ({', '.join(unknown[:5])}), and "
            "geoseg loads no libraries of operators, export it with operators of ONNX"
        )
    digest = hashlib.sha256(data)
    external = [t for t in _tensors(model.graph) if t.data_location == onnx.TensorProto.EXTERNAL]
    if external:
        data = _with_weights(onnx, path, model, external)
        for tensor in external:
            digest.update(tensor.raw_data)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        raise ModelError(
            f"{path} has {len(inputs)} inputs, give a network with one: a batch of windows"
        )
    return OnnxFile(
        path=str(path),
        data=data,
        hash=digest.hexdigest()[:16],
        properties={entry.key: entry.value for entry in model.metadata_props},
        input_shape=tuple(
            dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None
            for dim in inputs[0].type.tensor_type.shape.dim
        ),
        input_dtype=_input_dtype(onnx, path, inputs[0]),
    )


def _input_dtype(onnx: Onnx, path: str | Path, value: Onnx) -> str:
    try:
        return str(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
    except KeyError:
        raise _not_onnx(path, "its input has no data type") from None


def _not_onnx(path: str | Path, reason: str) -> ModelError:
    return ModelError(
        f"{path} is not an ONNX file, or is truncated ({reason[:200]}), use an intact copy"
    )


def _too_large(path: str | Path) -> ModelError:
    return ModelError(
        f"{path} has 2 GB or more with its weights, more than geoseg reads, give a smaller network"
    )


def _with_weights(onnx: Onnx, path: str | Path, model: Onnx, external: list[Onnx]) -> bytes:
    """Read the weights that lie in other files into the model, and return its bytes."""
    folder = Path(path).parent

    def size(tensor: Onnx) -> int:
        info = onnx.external_data_helper.ExternalDataInfo(tensor)
        return int(info.length or (folder / info.location).stat().st_size)

    try:
        if model.ByteSize() + sum(map(size, external)) >= _MAX_BYTES:
            raise _too_large(path)
        onnx.external_data_helper.load_external_data_for_model(model, str(folder))
    except (onnx.checker.ValidationError, OSError, ValueError) as error:
        raise ModelError(
            f"the weights of {path} lie in a file beside it that cannot be read "
            f"({root_message(error)[:200]}), put both files into one folder"
        ) from None
    return bytes(model.SerializeToString())


def _unknown_operators(onnx: Onnx, model: Onnx) -> list[str]:
    """Return the operators that are neither built in nor functions of the model itself."""
    functions = {(function.domain, function.name) for function in model.functions}
    unknown = set()
    for node in [*_nodes(model.graph.node), *_nodes(n for f in model.functions for n in f.node)]:
        if (node.domain, node.op_type) in functions:
            continue
        standard = node.domain in _STANDARD
        # protobuf gives bytes for a name that is not UTF-8
        if node.domain not in _BUILT_IN or (standard and not onnx.defs.has(str(node.op_type))):
            unknown.add(f"{node.domain}:{node.op_type}".lstrip(":"))
    return sorted(unknown)


def _nodes(nodes: Iterable[Onnx]) -> Iterator[Onnx]:
    """Yield nodes, and those of the graphs inside of them (If, Loop)."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            yield from _nodes(attribute.g.node)
            for graph in attribute.graphs:
                yield from _nodes(graph.node)


def _tensors(graph: Onnx) -> Iterator[Onnx]:
    """Yield the weights of a graph, also those in its nodes."""
    yield from graph.initializer
    for node in _nodes(graph.node):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            yield from attribute.g.initializer
