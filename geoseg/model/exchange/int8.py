"""Quantisation of an ONNX file: convolutions with whole numbers of 8 bits."""

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import OutputError
from geoseg.model.exchange.onnx_file import INPUT, strip
from geoseg.model.onnx.extra import import_onnx, import_onnxruntime

if TYPE_CHECKING:
    from onnx import ModelProto

_PURPOSE = "the quantisation"
_OPERATORS = ("Conv", "Add", "MaxPool", "Relu", "Clip")
"""Operators that are quantised. Others, such as Concat, Resize and ConvTranspose, stay in float32:
quantising them saves no measurable time and changes more labels."""
_FIRST = 8
"""One of so many convolutions stays in float32, the first ones and also the last one. With 7 bits,
those of the first blocks of EfficientNet-Lite0 lose 0.2 points of mean IoU and save little time."""
_PERCENTILE = 99.999
"""Share of the values of a tensor (%) that its range includes; rarer ones are clipped."""
_PREPARED = ("onnx.quant.pre_process", "onnxruntime.quant")
"""Metadata with which ONNX Runtime does not advise to optimise the network before."""


def quantise(data: bytes, windows: Iterable[NDArray[np.float32]], count: int) -> bytes:
    """Return an ONNX file of `onnx_bytes` with convolutions of 8 bits.

    The file has QuantizeLinear and DequantizeLinear around each quantised operator, which ONNX
    Runtime and OpenVINO turn into kernels for whole numbers. Weights are symmetric int8 with a
    scale for each output channel, and activations are uint8 with the range that the windows
    show. The first eighth of the convolutions and the last one stay in float32, because they are
    the most sensitive. Weights have 7 bits: with 8 bits, processors without the instructions VNNI
    overflow when they add two products in 16 bits, and the file may go to such a processor.

    Args:
        data: the ONNX file, in float32.
        windows: for calibration, one at a time: (1, bands, side, side), as the network reads
            them. The side is that of ``data``.
        count: number of the windows.

    Raises:
        OutputError: if a temporary file cannot be written.
    """
    import_onnxruntime(_PURPOSE)
    onnx, quantization = import_onnx(_PURPOSE), import_module("onnxruntime.quantization")
    model = onnx.load_model_from_string(data)
    model.metadata_props.add(key=_PREPARED[0], value=_PREPARED[1])
    try:
        with tempfile.TemporaryDirectory() as folder, _silent():
            source, target = Path(folder, "fp32.onnx"), Path(folder, "int8.onnx")
            onnx.save_model(model, source)
            quantization.quantize_static(
                source, target, _Reader(windows, count),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=list(_OPERATORS),
                nodes_to_exclude=_sensitive(model),
                per_channel=True, reduce_range=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                calibrate_method=quantization.CalibrationMethod.Percentile,
                extra_options={
                    "CalibPercentile": _PERCENTILE,
                    "CalibTensorRangeSymmetric": False,
                    "CalibStridedMinMax": 1,  # activations of one window at a time in memory
                },
            )  # fmt: skip
            quantised = onnx.load_model(target)
    except OSError as error:
        raise OutputError(
            f"cannot write temporary files ({error.strerror}), free space in "
            f"{tempfile.gettempdir()}"
        ) from None
    return _finished(quantised, model)


def with_side(data: bytes, side: int) -> bytes:
    """Return an ONNX file of `onnx_bytes` that reads windows of another side (px).

    Only the declared shapes change, because the networks are fully convolutional.
    """
    model = import_onnx(_PURPOSE).load_model_from_string(data)
    for value in (model.graph.input[0], model.graph.output[0]):
        for axis in (2, 3):
            value.type.tensor_type.shape.dim[axis].dim_value = side
    model.graph.ClearField("value_info")
    return model.SerializeToString(deterministic=True)  # type: ignore[no-any-return]


class _Reader:
    """Gives the windows to ONNX Runtime, which asks for a number of them at a time."""

    def __init__(self, windows: Iterable[NDArray[np.float32]], count: int) -> None:
        self._windows, self._count, self._left = iter(windows), count, 0

    def __len__(self) -> int:
        return self._count

    def set_range(self, start_index: int, end_index: int) -> None:
        """Give as many windows as this range has."""
        self._left = end_index - start_index

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """Return the next window by the name of the input, None at the end of the range."""
        if not self._left:
            return None
        self._left -= 1
        return {INPUT: next(self._windows)}


def _sensitive(model: "ModelProto") -> list[str]:
    """Return the names of the convolutions that stay in float32."""
    names = [node.name for node in model.graph.node if node.op_type == "Conv"]
    first = -(-len(names) // _FIRST)
    return [*names[:first], *names[first:][-1:]]


def _finished(quantised: "ModelProto", model: "ModelProto") -> bytes:
    """Return the file with the metadata of the source."""
    entries = [entry for entry in model.metadata_props if entry.key != _PREPARED[0]]
    strip(quantised)
    quantised.metadata_props.extend(entries)
    return quantised.SerializeToString(deterministic=True)  # type: ignore[no-any-return]


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Drop what ONNX Runtime prints and logs, and keep it from setting up logging."""
    handler, disabled = logging.NullHandler(), logging.root.manager.disable
    logging.root.addHandler(handler)
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(disabled)
        logging.root.removeHandler(handler)
