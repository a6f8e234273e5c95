"""Which engines can compute a network, on which device, in which precision and batches."""

import torch

from geoseg.errors import GeosegError, count_of
from geoseg.model.device import choose_device, choose_precision
from geoseg.model.engines.names import (
    ENGINES,
    MNN,
    ONNXRUNTIME,
    OPENVINO,
    TORCH,
    import_engine,
    is_installed,
)
from geoseg.model.engines.session import PRECISIONS
from geoseg.model.onnx.spec import OnnxSpec

_CPU_PIXELS = 8 * 128**2
"""Pixels of a batch of torch. 8 windows of 128 px were the fastest on the measured CPUs; more do
not fit into their caches."""
_GPU_PIXELS = 256 * 128**2
"""Pixels of a batch of torch."""
_GRAPH_BATCH = 1
"""Windows per batch of the other engines: larger batches are not faster on one thread."""


def choose_engines(
    engine: str, device: str, precision: str, onnx: OnnxSpec | None = None
) -> tuple[tuple[str, ...], torch.device, str]:
    """Resolve "auto" in device and precision, and return the engines that compute a network so.

    A GPU runs networks of geoseg with torch. An ONNX file runs on the CPU, with any engine but
    torch.

    Args:
        engine: "auto", or one of `ENGINES`.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: "auto", "fp32", "bf16" or "fp16".
        onnx: of the ONNX file; None for a network of geoseg.

    Returns:
        The installed engines, the one that is the reference for the others first, or only the
        wanted one; the device; the precision.

    Raises:
        GeosegError: if there is no such engine or device, or it does not support the precision.
    """
    if engine != "auto":
        import_engine(engine)
    if onnx is not None and engine == TORCH:
        raise GeosegError(
            "an ONNX file is not computed by torch, use engine auto or one of "
            f"{', '.join(name for name in ENGINES if name != TORCH)}"
        )
    on_cpu = onnx is not None or engine not in ("auto", TORCH)
    if on_cpu and device not in ("auto", "cpu"):
        what = "an ONNX file" if onnx is not None else f"engine {engine}"
        raise GeosegError(f"{what} computes on the CPU, not on {device}, use device cpu")
    chosen = torch.device("cpu") if on_cpu else choose_device(device)
    resolved = choose_precision(precision, chosen)
    if engine != "auto":
        names: tuple[str, ...] = (engine,)
    elif chosen.type != "cpu":
        names = (TORCH,)
    else:
        # A graph of another program, which MNN does not know, might crash the process.
        tried = (ONNXRUNTIME, OPENVINO, MNN) if onnx is None else (OPENVINO,)
        reference = TORCH if onnx is None else ONNXRUNTIME
        names = (reference, *filter(is_installed, tried))
    able = tuple(name for name in names if resolved in PRECISIONS[name])
    if not able:
        raise GeosegError(
            f"engine {names[0]} does not compute in {resolved}, use precision "
            f"{' or '.join(PRECISIONS[names[0]])} (--precision), or another engine (--engine)"
        )
    return able, chosen, resolved


def choose_batch(
    batch_size: int | None,
    device: torch.device,
    window: int,
    *,
    engine: str = TORCH,
    onnx: OnnxSpec | None = None,
) -> int:
    """Return the windows per forward pass: the given number, or the default of the engine.

    The default of torch is as many windows as have 131,072 px on a CPU (8 of 128 px or 2 of 256 px)
    and 4,194,304 px on a GPU, at least 1. That of other engines is 1, or the fixed number of the
    ONNX file.

    Args:
        batch_size: windows per forward pass; None for the default.
        device: of the network.
        window: side of a window (px).
        engine: one of `ENGINES`.
        onnx: of the ONNX file; None for a network of geoseg.

    Raises:
        GeosegError: if an ONNX file has another fixed number.
    """
    if engine == TORCH:
        pixels = _CPU_PIXELS if device.type == "cpu" else _GPU_PIXELS
        return batch_size or max(1, pixels // window**2)
    fixed = None if onnx is None else onnx.batch
    if fixed is not None and batch_size not in (None, fixed):
        raise GeosegError(
            f"the ONNX file computes {count_of(fixed, 'window')} at a time, not {batch_size}, "
            "leave out the batch size (--batch-size)"
        )
    return fixed or batch_size or _GRAPH_BATCH
