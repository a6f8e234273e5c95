"""Start an engine with an ONNX graph."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from geoseg.errors import GeosegError, ModelError
from geoseg.model.engines import names
from geoseg.model.engines.mnn_session import start_mnn
from geoseg.model.engines.onnxruntime_session import start_onnxruntime
from geoseg.model.engines.openvino_session import start_openvino
from geoseg.model.onnx.file import OnnxFile

Session = Callable[[NDArray[Any]], NDArray[Any]]
"""Maps a batch of the shape and the dtype of the input to the first output.

Threads may share it. The calling thread computes alone, so that the bits do not depend on the
number of processors.
"""
Start = Callable[[OnnxFile, tuple[int, ...], str], Session]

_START: dict[str, Start] = {
    names.ONNXRUNTIME: start_onnxruntime,
    names.OPENVINO: start_openvino,
    names.MNN: start_mnn,
}
PRECISIONS = {
    names.TORCH: ("fp32", "bf16", "fp16"),
    names.ONNXRUNTIME: ("fp32",),
    names.OPENVINO: ("fp32", "bf16"),
    names.MNN: ("fp32",),
}
"""Precisions that each engine computes in; "fp32" is that of the graph."""


def start_session(engine: str, file: OnnxFile, shape: tuple[int, ...], precision: str) -> Session:
    """Start an engine on the CPU.

    Args:
        engine: one of `ENGINES` without torch.
        file: the graph, with one input.
        shape: of the input.
        precision: "fp32" or "bf16", see `PRECISIONS`.

    Raises:
        GeosegError: if the engine is not installed.
        ModelError: if it cannot load or run the graph.
    """
    name = names.engine_name(engine)
    try:
        return _START[engine](file, shape, precision)
    except GeosegError:
        raise
    except Exception as error:  # noqa: BLE001 - the errors of the engines share no other root
        raise ModelError(
            f"{name} cannot load {file.path} ({reason_of(error)}), use an intact copy, export it "
            "again, or choose another engine (--engine)"
        ) from None


def reason_of(error: Exception) -> str:
    """Return the first line of an error of an engine that says something, shortened."""
    lines = [line.rpartition("[ONNXRuntimeError] : ")[2] for line in str(error).splitlines()]
    # OpenVINO begins with lines about its source files.
    said = [line for line in lines if line.strip() and not line.startswith("Exception from")]
    return (said or [type(error).__name__])[0][:200]
