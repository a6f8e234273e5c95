"""ONNX Runtime on the CPU."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.model.onnx.file import OnnxFile


def start_onnxruntime(
    file: OnnxFile, shape: tuple[int, ...], precision: str
) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Start ONNX Runtime with one thread for each call; see `start_session`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # failures are raised, so nothing has to be printed
    session = onnxruntime.InferenceSession(
        file.data, options, providers=["CPUExecutionProvider"],
        enable_fallback=0,  # it would print each failure, and try the same again
    )  # fmt: skip
    [source] = [value.name for value in session.get_inputs()]
    target = session.get_outputs()[0].name

    def run(batch: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(session.run([target], {source: batch})[0])

    return run
