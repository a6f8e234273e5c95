"""MNN on the CPU: Winograd convolutions, which need fewer multiplications."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import ModelError
from geoseg.model.engines.mnn_package import import_mnn
from geoseg.model.onnx.file import OnnxFile

_CONVERT = "import sys, _tools; sys.exit(not _tools.mnnconvert(sys.argv))"
"""Program that converts ONNX to the format of MNN.

In a process of its own, because it prints, and a graph that it does not know may crash it. The
command of MNN does the same, but its log wants to install a package from the network.
"""


def start_mnn(
    file: OnnxFile, shape: tuple[int, ...], precision: str
) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Convert a graph, and load it for one thread; see `start_session`.

    The bits of a window depend on its place in a batch, so windows are computed one by one.
    """
    if file.input_dtype != "float32":
        raise ModelError(
            f"{file.path} reads {file.input_dtype}, and engine mnn computes float32 only, choose "
            "another engine (--engine)"
        )
    import_mnn()
    from MNN import expr, nn

    with TemporaryDirectory(prefix="geoseg-") as folder:
        graph = _convert(file, Path(folder))
        runtime = nn.create_runtime_manager(({"backend": "CPU", "numThread": 1},))
        # Without names of inputs and outputs, MNN takes those of the graph.
        network = nn.load_module_from_file(str(graph), [], [], runtime_manager=runtime)
    if network is None:
        raise ModelError(f"engine mnn cannot load {file.path}, choose another engine (--engine)")
    lock = threading.Lock()  # a module has one set of buffers

    def run(batch: NDArray[Any]) -> NDArray[Any]:
        with lock:
            return np.concatenate([forward(batch[index]) for index in range(len(batch))])

    def forward(window: NDArray[Any]) -> NDArray[Any]:
        variable = expr.placeholder([1, *window.shape], expr.NCHW)
        variable.write(np.ascontiguousarray(window))
        output = network.forward([variable])[0]
        return np.array(expr.convert(output, expr.NCHW).read())

    return run


def _convert(file: OnnxFile, folder: Path) -> Path:
    """Write the graph in the format of MNN, and return its path."""
    source, target = folder / "graph.onnx", folder / "graph.mnn"
    source.write_bytes(file.data)
    arguments = ["-f", "ONNX", "--modelFile", str(source), "--MNNModel", str(target)]
    done = subprocess.run(  # noqa: S603 - this Python with fixed arguments
        [sys.executable, "-c", _CONVERT, *arguments, "--bizCode", "geoseg"],
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    if done.returncode or not target.is_file():
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        reason = lines[-1].strip()[:200] if lines else f"exit code {done.returncode}"
        raise ModelError(
            f"engine mnn cannot convert {file.path} ({reason}), choose another engine (--engine)"
        )
    return target
