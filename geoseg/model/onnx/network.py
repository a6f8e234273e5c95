"""An ONNX network in an engine: windows in scene values to probabilities."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoseg.errors import ModelError
from geoseg.model.engines.names import ONNXRUNTIME
from geoseg.model.engines.session import Session, reason_of, start_session
from geoseg.model.networks.rescale import Rescale
from geoseg.model.onnx.file import OnnxFile
from geoseg.model.onnx.spec import OnnxSpec


class OnnxNetwork:
    """An ONNX network in an engine; safe to share between threads."""

    temperature = 1.0

    def __init__(
        self,
        file: OnnxFile,
        spec: OnnxSpec,
        *,
        engine: str = ONNXRUNTIME,
        precision: str = "fp32",
        batch_size: int = 1,
    ) -> None:
        """Start the engine.

        Args:
            file: the graph.
            spec: how it reads windows.
            engine: "onnxruntime", "openvino" or "mnn".
            precision: "fp32", or "bf16" with OpenVINO.
            batch_size: windows per forward pass.

        Raises:
            GeosegError: see `start_session`.
        """
        self.spec, self.batch_size = spec, batch_size
        self._path = file.path
        self._session = start_session(engine, file, spec.input_shape(batch_size), precision)
        self._rescale = Rescale(spec.scaling)

    def probabilities(self, x: Tensor) -> Tensor:
        """Map windows in scene values to probabilities.

        Args:
            x: (batch size, bands, input_size, input_size), any dtype, on the CPU.

        Returns:
            (batch size, classes, window, window) float32.

        Raises:
            ModelError: if the network fails.
        """
        spec = self.spec
        output = run_session(self._session, self._path, self._rescale(x).numpy(), spec)
        array = np.ascontiguousarray(as_nchw(output, spec.output_layout))
        values = torch.from_numpy(array).float()
        if spec.channels == 1:
            positive = torch.sigmoid(values) if spec.logits else values
            return torch.cat([1 - positive, positive], dim=1)
        return torch.softmax(values, dim=1) if spec.logits else values


def run_session(
    session: Session, path: str, scaled: NDArray[np.float32], spec: OnnxSpec
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
    try:
        return session(np.ascontiguousarray(batch))
    except Exception as error:  # noqa: BLE001 - the errors of the engines share no other root
        raise ModelError(
            f"{path} cannot compute windows of {spec.input_size} x {spec.input_size} px "
            f"({reason_of(error)}), give another --window, such as a multiple of 32"
        ) from None


def as_nchw(output: NDArray[Any], layout: str) -> NDArray[Any]:
    """Return an output as (n, channels, height, width)."""
    if layout == "nhw":
        return output[:, None]
    return output.transpose(0, 3, 1, 2) if layout == "nhwc" else output
