"""The device and the precision of the network, and settings of the CPU."""

import ctypes
import ctypes.util
import functools
import platform
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from geoseg.errors import GeosegError

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
"""CPU flags of native bf16 arithmetic: two of x86, the last of ARM."""
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str) -> torch.device:
    """Return the torch device for "auto", "cpu", "cuda", "cuda:N" or "mps".

    "auto" is CUDA if this machine has it, else the GPU of Apple (`mps`), else the CPU.

    Raises:
        GeosegError: if this machine has no such device.
    """
    has_mps = torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu")
    if name.partition(":")[0] not in ("cpu", "cuda", "mps"):
        raise GeosegError(f"unknown device {name!r}, use one of auto, cpu, cuda, mps")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise GeosegError(f"unknown device {name!r}, use one of auto, cpu, cuda, mps") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise GeosegError(
            f"there is no device {name} ({torch.cuda.device_count()} CUDA devices are visible), "
            "use device cpu or auto"
        )
    if device.type == "mps" and not has_mps:
        raise GeosegError(
            f"there is no device {name}, the GPU of an Apple computer, use device cpu or auto"
        )
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """Return "fp32", "bf16" or "fp16" for a precision on a device.

    "auto" is bf16 on a CUDA GPU that has it and fp16 on other CUDA GPUs, else fp32.

    Raises:
        GeosegError: if the precision is unknown, or the device does not support it.
    """
    if name not in PRECISIONS:
        raise GeosegError(f"unknown precision {name!r}, use one of {', '.join(PRECISIONS)}")
    if name == "fp16" and device.type == "cpu":
        raise GeosegError("precision fp16 works on a GPU only, use fp32 or bf16 on a CPU")
    if name == "bf16" and device.type == "mps":
        raise GeosegError("precision bf16 does not work on device mps, use fp32 or fp16 there")
    if name != "auto":
        return name
    if device.type != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


def slow_precision(precision: str, device: str, flags: Collection[str] | None = None) -> str | None:
    """Return a warning if a precision is slow on a type of device; None if not, or if unknown.

    ``flags`` are features of the CPU, as `cpu_flags` returns them; None to detect them.
    """
    if precision != "bf16" or device != "cpu":
        return None
    flags = cpu_flags() if flags is None else flags
    if not flags or has_bf16(flags):
        return None
    return (
        "this CPU has no bf16 arithmetic and computes bf16 several times slower than fp32, "
        "use precision fp32 here"
    )


def has_bf16(flags: Collection[str] | None = None) -> bool:
    """Return whether the CPU has bf16 arithmetic, by its `cpu_flags`; None to detect them."""
    return bool(_BF16_FLAGS & set(cpu_flags() if flags is None else flags))


@functools.cache
def cpu_flags() -> frozenset[str]:
    """Return the features of the CPU as Linux or torch name them; empty if unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux; older versions of torch lack get_capabilities
        capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        return frozenset(name for name, present in capabilities.items() if present is True)
    fields = (line.partition(":") for line in lines)
    return frozenset(
        flag
        for name, _, values in fields
        if name.strip() in ("flags", "Features")
        for flag in values.split()
    )


_INSTRUCTION_SETS = ("amx_tile", "avx512_bf16", "avx512_vnni", "avx512f", "avx2")
"""CPU flags that change which code computes a network, the newest first."""


def instruction_set(flags: Collection[str] | None = None) -> str:
    """Return the name of the newest instruction set of the CPU, such as "avx2".

    The last bits of scores depend on it.

    Args:
        flags: features of the CPU, as `cpu_flags` returns them; None to detect them.
    """
    flags = cpu_flags() if flags is None else flags
    known = (name for name in _INSTRUCTION_SETS if name in flags)
    return next(known, platform.machine())


def torch_dtype(precision: str) -> torch.dtype:
    """Return the dtype of weights and activations for a precision."""
    return _DTYPES[precision]


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch compute with one thread, in the calling thread and in threads that start inside.

    Sums in several threads have other last bits. The number of threads is restored at the end.
    """
    number = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(number)


def release_memory() -> None:
    """Return freed memory to the kernel, where glibc can; see `tune_malloc`."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(ctypes.util.find_library("c")), "malloc_trim", None)
        if trim is not None:
            trim(0)


@functools.cache
def tune_malloc() -> bool:
    """Make glibc keep freed memory for the next allocation; True if that worked.

    It changes the whole process for good, so only commands and worker processes call it. By
    default glibc returns large activations to the kernel after each layer, and half of the CPU time
    goes into page faults. One arena, because the heaps of others are unmapped when they are empty.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(ctypes.util.find_library("c")), "mallopt", None)
    if mallopt is None:
        return False
    trim_threshold, mmap_threshold, mmap_max, arena_max = -1, -3, -4, -8
    settings = {mmap_threshold: 32 << 20, mmap_max: 0, trim_threshold: 1 << 30, arena_max: 1}
    return bool(sum(mallopt(*setting) for setting in settings.items()) == len(settings))
