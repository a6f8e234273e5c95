"""What computes the scores of windows: torch or ONNX Runtime, with device and batch size."""

import torch

from geoseg.errors import GeosegError, count_of
from geoseg.model.device import choose_device, choose_precision
from geoseg.model.onnx.extra import import_onnxruntime
from geoseg.model.onnx.spec import OnnxSpec

_CPU_PIXELS = 8 * 128**2
"""Pixels of a batch. 8 windows of 128 px were the fastest on the measured CPUs; more do not fit
into their caches."""
_GPU_PIXELS = 256 * 128**2
"""Pixels of a batch."""
ONNX_BATCH = 1
"""Windows per batch of ONNX Runtime, which is not faster with more on one thread."""


def engine_name(onnx: str | None = None) -> str:
    """Return name and version of the engine, which can change the last bits of the scores.

    Args:
        onnx: path of the ONNX file; None for a network of geoseg.

    Returns:
        Such as "torch 2.9.1" (without the name of the build) or "onnxruntime 1.23.2".

    Raises:
        ModelError: if ONNX Runtime is needed but not installed.
    """
    if onnx is None:
        return f"torch {torch.__version__.partition('+')[0]}"
    return f"onnxruntime {import_onnxruntime(onnx).__version__}"


def choose_engine(
    device: str, precision: str, onnx: OnnxSpec | None = None
) -> tuple[torch.device, str]:
    """Resolve "auto" in the device and the precision of a network.

    Args:
        device: "auto", "cpu", "cuda" or "cuda:N"; ONNX Runtime computes on the CPU.
        precision: "auto", "fp32", "bf16" or "fp16"; an ONNX file computes as it is stored.
        onnx: of the ONNX file; None for a network of geoseg.

    Raises:
        GeosegError: if there is no such device, or it does not support the precision.
    """
    if onnx is None:
        chosen = choose_device(device)
        return chosen, choose_precision(precision, chosen)
    if device not in ("auto", "cpu"):
        raise GeosegError(f"an ONNX file is computed on the CPU, not on {device}, use device cpu")
    if precision not in ("auto", "fp32"):
        raise GeosegError(
            f"an ONNX file is computed in the precision that it is stored in, not in {precision}, "
            "leave out precision (--precision)"
        )
    return torch.device("cpu"), "fp32"


def choose_batch(
    batch_size: int | None, device: torch.device, window: int, onnx: OnnxSpec | None = None
) -> int:
    """Return the windows per forward pass: the given number, or the default of the engine.

    The default of torch is as many windows as have 131,072 px on a CPU (8 of 128 px or 2 of 256 px)
    and 4,194,304 px on a GPU, at least 1. That of ONNX Runtime is 1, or the fixed number of the
    file.

    Args:
        batch_size: windows per forward pass; None for the default.
        device: of the network.
        window: side of a window (px).
        onnx: of the ONNX file; None for a network of geoseg.

    Raises:
        GeosegError: if an ONNX file has another fixed number.
    """
    if onnx is None:
        pixels = _CPU_PIXELS if device.type == "cpu" else _GPU_PIXELS
        return batch_size or max(1, pixels // window**2)
    if onnx.batch is not None and batch_size not in (None, onnx.batch):
        raise GeosegError(
            f"the ONNX file computes {count_of(onnx.batch, 'window')} at a time, not {batch_size}, "
            "leave out the batch size (--batch-size)"
        )
    return onnx.batch or batch_size or ONNX_BATCH
