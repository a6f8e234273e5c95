"""An ONNX network in ONNX Runtime: windows in scene values to probabilities."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoseg.errors import ModelError
from geoseg.model.networks.rescale import Rescale
from geoseg.model.onnx.extra import Onnx, import_onnxruntime
from geoseg.model.onnx.file import OnnxFile
from geoseg.model.onnx.spec import OnnxSpec


class OnnxNetwork:
    """An ONNX network; safe to share between threads.

    Each forward pass is computed by the calling thread alone, so its bits do not depend on the
    number of processors.
    """

    temperature = 1.0

    def __init__(self, file: OnnxFile, spec: OnnxSpec) -> None:
        self.spec = spec
        self._path = file.path
        self._session = start_session(file)
        self._rescale = Rescale(spec.scaling)

    def probabilities(self, x: Tensor) -> Tensor:
        """Map windows in scene values to probabilities.

        Args:
            x: (n, bands, input_size, input_size), any dtype, on the CPU.

        Returns:
            (n, classes, window, window) float32.

        Raises:
            ModelError: if the network fails, or returns values that are not finite.
        """
        spec = self.spec
        output = run_session(self._session, self._path, self._rescale(x).numpy(), spec)
        array = np.ascontiguousarray(as_nchw(output, spec.output_layout))
        values = torch.from_numpy(array).float()
        if not bool(torch.isfinite(values).all()):
            raise ModelError(
                f"{self._path} returned values that are not finite numbers, check the values of "
                "the scene, and mean and std of the input (--input-mean, --input-std)"
            )
        if spec.channels == 1:
            positive = torch.sigmoid(values) if spec.logits else values
            return torch.cat([1 - positive, positive], dim=1)
        return torch.softmax(values, dim=1) if spec.logits else values


def start_session(file: OnnxFile) -> Onnx:
    """Start ONNX Runtime on the CPU, with one thread for each call.

    Raises:
        ModelError: if ONNX Runtime is not installed or cannot run the network.
    """
    onnxruntime = import_onnxruntime(file.path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # failures are raised, so nothing has to be printed
    try:
        return onnxruntime.InferenceSession(file.data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - its own errors share no other root
        raise ModelError(
            f"ONNX Runtime {onnxruntime.__version__} cannot load {file.path} ({reason_of(error)}), "
            "use an intact copy or export it again"
        ) from None


def run_session(
    session: Onnx, path: str, scaled: NDArray[np.float32], spec: OnnxSpec
) -> NDArray[Any]:
    """Return the first output of a network.

    Args:
        session: see `start_session`.
        path: of the file, for the message.
        scaled: input (n, bands, input_size, input_size).
        spec: gives the dtype and the layout of the input.

    Raises:
        ModelError: if the network fails.
    """
    if spec.dtype.startswith(("int", "uint")):
        limits = np.iinfo(spec.dtype)
        scaled = np.clip(np.rint(scaled), limits.min, limits.max)
    batch = scaled.astype(spec.dtype, copy=False)
    if spec.input_layout == "nhwc":
        batch = batch.transpose(0, 2, 3, 1)
    [name] = [value.name for value in session.get_inputs()]
    first = session.get_outputs()[0].name
    try:
        output = session.run([first], {name: np.ascontiguousarray(batch)})[0]
    except Exception as error:  # noqa: BLE001 - its own errors share no other root
        raise ModelError(
            f"{path} cannot compute windows of {spec.input_size} x {spec.input_size} px "
            f"({reason_of(error)}), give another --window, such as a multiple of 32"
        ) from None
    return np.asarray(output)


def as_nchw(output: NDArray[Any], layout: str) -> NDArray[Any]:
    """Return an output as (n, channels, height, width)."""
    if layout == "nhw":
        return output[:, None]
    return output.transpose(0, 3, 1, 2) if layout == "nhwc" else output


def reason_of(error: Exception) -> str:
    """Return the first line of an error of ONNX Runtime, without its prefix, shortened."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return line.rpartition("[ONNXRuntimeError] : ")[2][:200]
