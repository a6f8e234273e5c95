"""OpenVINO on the CPU."""

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.model.onnx.file import OnnxFile

_first_use = threading.Lock()


def start_openvino(
    file: OnnxFile, shape: tuple[int, ...], precision: str
) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Compile a graph for one thread; see `start_session`."""
    import openvino

    # The binding looks for NumPy when it reads the data of a tensor for the first time; two threads
    # that do this at the same moment wait for each other for ever.
    with _first_use:
        openvino.Tensor(np.zeros(1, np.float32)).data  # noqa: B018
    settings = {
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        # Pinned threads of several processes would share one core.
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
    }

    def compile_graph() -> "openvino.CompiledModel":
        core = openvino.Core()
        model = core.read_model(io.BytesIO(file.data))
        model.reshape({0: list(shape)})
        return core.compile_model(model, "CPU", settings)

    # OpenVINO gives the thread that compiles a stack for signals, and frees it with the model. If
    # another thread does this, the next signal, such as Ctrl-C, ends the process with a fault.
    with ThreadPoolExecutor(1) as thread:
        compiled = thread.submit(compile_graph).result()
    local = threading.local()  # requests are not safe to share

    def run(batch: NDArray[Any]) -> NDArray[Any]:
        if not hasattr(local, "request"):
            local.request = compiled.create_infer_request()
        return np.array(local.request.infer({0: batch})[0])

    return run
