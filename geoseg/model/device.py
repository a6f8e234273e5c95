"""Where and how precisely the network runs, and what the CPU needs to run it well."""

import ctypes
import ctypes.util
import functools
import sys

import torch

from geoseg.errors import GeosegError

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str) -> torch.device:
    """A torch device from "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        GeosegError: if there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise GeosegError(f"unknown device {name!r}, use one of {', '.join(DEVICES)}") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise GeosegError(
            f"device {name} is not there ({torch.cuda.device_count()} CUDA devices visible), "
            "use --device cpu or auto"
        )
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """What a precision means on a device: "fp32", "bf16" or "fp16".

    fp32 on a CPU (its labels are the reference), bf16 on a GPU that has it, else fp16.

    Raises:
        GeosegError: if the precision is unknown or the device lacks it.
    """
    if name not in PRECISIONS:
        raise GeosegError(f"unknown precision {name!r}, use one of {', '.join(PRECISIONS)}")
    if name == "fp16" and device.type == "cpu":
        raise GeosegError("fp16 is slow and coarse on a CPU, use --precision fp32 or bf16")
    if name != "auto":
        return name
    if device.type != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


def torch_dtype(precision: str) -> torch.dtype:
    """The dtype of weights and activations for a precision."""
    return _DTYPES[precision]


@functools.cache
def keep_freed_memory() -> bool:
    """Make glibc keep freed memory for the next allocation; True where that worked.

    By default it gives every large activation back to the kernel after each layer, and half of
    the CPU time goes into page faults. One arena, because the heaps of other arenas are unmapped
    when they run empty whatever the thresholds.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(ctypes.util.find_library("c")), "mallopt", None)
    if mallopt is None:
        return False
    trim_threshold, mmap_threshold, mmap_max, arena_max = -1, -3, -4, -8
    settings = {mmap_threshold: 32 << 20, mmap_max: 0, trim_threshold: 1 << 30, arena_max: 1}
    return bool(sum(mallopt(*setting) for setting in settings.items()) == len(settings))
