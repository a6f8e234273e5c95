"""The choice of device and precision, on machines that the test makes up."""

import sys
from pathlib import Path

import pytest
import torch

from geoseg.errors import GeosegError
from geoseg.model import choose_device, choose_precision, release_memory


@pytest.fixture
def machine(monkeypatch):
    """Return a function that makes this machine one with these GPUs."""

    def make(*, cuda=False, mps=False, bf16=True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: int(cuda))
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: bf16)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return make


@pytest.mark.parametrize(
    ("gpus", "device", "precision"),
    [
        ({}, "cpu", "fp32"),
        ({"mps": True}, "mps", "fp32"),
        ({"cuda": True}, "cuda", "bf16"),
        ({"cuda": True, "mps": True}, "cuda", "bf16"),
        ({"cuda": True, "bf16": False}, "cuda", "fp16"),
    ],
)
def test_auto_takes_cuda_then_mps_then_the_cpu(machine, gpus, device, precision):
    machine(**gpus)
    chosen = choose_device("auto")
    assert str(chosen) == device
    assert choose_precision("auto", chosen) == precision


def test_mps_has_fp16_but_no_bf16(machine):
    machine(mps=True)
    device = choose_device("mps")
    assert choose_precision("fp16", device) == "fp16"
    with pytest.raises(GeosegError, match="bf16 does not work on device mps, use fp32 or fp16"):
        choose_precision("bf16", device)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mps", "no device mps, the GPU of an Apple computer, use device cpu or auto"),
        ("cuda:1", r"no device cuda:1 \(1 CUDA devices are visible\)"),
        ("meta", "unknown device 'meta', use one of auto, cpu, cuda, mps"),
        ("cuda:x", "unknown device 'cuda:x'"),
    ],
)
def test_a_device_that_is_not_there_is_refused(machine, name, words):
    machine(cuda=True)
    with pytest.raises(GeosegError, match=words):
        choose_device(name)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems return memory themselves")
def test_freed_memory_between_blocks_in_use_is_returned():
    blocks = [bytearray(100_000) for _ in range(1500)]
    blocks[:-1] = []  # the last one keeps the heap from shrinking
    before = resident_bytes()
    release_memory()
    assert len(blocks) == 1
    assert before - resident_bytes() > 50e6


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
