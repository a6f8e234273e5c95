"""CUDA's streams and graphs on a CPU: a graph records the operations of torch and repeats them."""

import threading
from contextlib import contextmanager

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Recorder(TorchDispatchMode):
    """Keep all operations with their arguments and results."""

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, result))
        return result


class Graph:
    """What `torch.cuda.CUDAGraph` does: repeat operations on the tensors of the capture."""

    def __init__(self):
        self.recorder = Recorder()

    @torch.inference_mode()
    def replay(self):
        for func, args, kwargs, result in self.recorder.operations:
            repeated = func(*args, **kwargs)
            for old, new in zip(tree_leaves(result), tree_leaves(repeated), strict=True):
                if new.data_ptr() != old.data_ptr():
                    old.copy_(new)


class Stream:
    """A name without a queue."""

    def __init__(self, device):
        self.device = device


class FakeCuda:
    """Counts the captures, and knows the stream of each thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.captures = 0
        self.settings = []
        """Deterministic kernels and TF32 of each capture."""
        self._current = threading.local()
        fakes = {
            "Stream": Stream, "stream": self.stream, "current_stream": self.current_stream,
            "synchronize": lambda device=None: None, "CUDAGraph": Graph, "graph": self.graph,
        }  # fmt: skip
        for name, fake in fakes.items():
            monkeypatch.setattr(torch.cuda, name, fake)

    def current_stream(self, device=None):
        return getattr(self._current, "stream", None)

    @contextmanager
    def stream(self, stream):
        before, self._current.stream = self.current_stream(), stream
        try:
            yield
        finally:
            self._current.stream = before

    @contextmanager
    def graph(self, graph, stream, capture_error_mode):
        assert stream is self.current_stream()
        self.captures += 1
        self.settings.append(arithmetic())
        with graph.recorder:
            yield


def arithmetic():
    """Return the settings of cuDNN and cuBLAS that change bits."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    if hasattr(matmul, "fp32_precision"):  # torch 2.9
        precisions = [cudnn.conv.fp32_precision, matmul.fp32_precision]
    else:
        precisions = ["tf32" if owner.allow_tf32 else "ieee" for owner in (cudnn, matmul)]
    return (cudnn.deterministic, cudnn.benchmark, *precisions)
