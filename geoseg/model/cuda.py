"""What only CUDA has: streams, captured graphs, and settings of its arithmetic."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import LifoQueue
from typing import Any

import torch
from torch import Tensor

from geoseg.errors import GeosegError, count_of

STREAMS = 2
"""Threads that compute on a GPU at the same time: while one waits for the other's kernels, its own
are in the queue already. Each stream has its own activations, so more take more memory."""

_capture = threading.Lock()
"""A process can capture one graph at a time, and settings of the arithmetic are those of the
process."""


class GraphedFunction:
    """A function of tensors as CUDA graphs; safe to share between threads.

    A graph replays all kernels of a call with one launch. A replay has the kernels that the capture
    chose, so `deterministic_arithmetic` is needed only for the capture.
    """

    def __init__(self, function: Callable[..., Tensor], device: torch.device) -> None:
        """Make the streams; a graph is captured when it is needed.

        Args:
            function: maps tensors of windows, (n, ...), to one tensor. It must not wait for the
                GPU, and the order of its kernels must not depend on the values.
            device: of the tensors.
        """
        self._function = function
        self._device = device
        self._streams = frozenset(torch.cuda.Stream(device) for _ in range(STREAMS))
        # Last in, first out: one thread needs the graphs of one stream only.
        self._free: LifoQueue[torch.cuda.Stream] = LifoQueue()
        for stream in self._streams:
            self._free.put(stream)
        self._graphs: dict[tuple[object, ...], _Graph] = {}

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Give the calling thread a stream of its own; wait while all of them are taken."""
        stream = self._free.get()
        try:
            with torch.cuda.stream(stream):
                yield
        finally:
            self._free.put(stream)

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Return the function of the inputs, which reads them as float32.

        Inside `stream`, the result is overwritten by the next call. Outside, it is computed
        without a graph.

        Raises:
            GeosegError: if the GPU has too little memory for the graph.
        """
        stream = torch.cuda.current_stream(self._device)
        if stream not in self._streams:
            return self._function(*(x.float() for x in inputs))
        key = (stream, *(x.shape for x in inputs))
        graph = self._graphs.get(key)
        if graph is None:
            try:
                graph = self._graphs[key] = _Graph(self._function, inputs, stream)
            except torch.cuda.OutOfMemoryError:
                windows = count_of(len(inputs[0]), "window")
                raise GeosegError(
                    f"{self._device} has too little free memory for {windows} at a time, use a "
                    "smaller batch size (--batch-size) or the device cpu"
                ) from None
        return graph(*inputs)


class _Graph:
    """The captured graph of a function for inputs of fixed shapes, on one stream."""

    def __init__(
        self, function: Callable[..., Tensor], inputs: tuple[Tensor, ...], stream: torch.cuda.Stream
    ) -> None:
        self._inputs = [torch.empty_like(x, dtype=torch.float32).copy_(x) for x in inputs]
        self._graph = torch.cuda.CUDAGraph()
        with _capture, deterministic_arithmetic():
            torch.cuda.synchronize(stream.device)  # the weights came on another stream
            function(*self._inputs)  # loads kernels and makes workspaces, which a capture must not
            mode = "thread_local"  # meanwhile, other threads may allocate memory
            with torch.cuda.graph(self._graph, stream=stream, capture_error_mode=mode):
                self._output = function(*self._inputs)

    def __call__(self, *inputs: Tensor) -> Tensor:
        for own, x in zip(self._inputs, inputs, strict=True):
            own.copy_(x)
        self._graph.replay()
        return self._output


@contextmanager
def deterministic_arithmetic() -> Iterator[None]:
    """Let CUDA compute the same bits each time, and float32 without rounding to TF32.

    These settings belong to the process of the user, so they are restored at the end.
    """
    cudnn: Any = torch.backends.cudnn
    matmul: Any = torch.backends.cuda.matmul
    settings: list[tuple[Any, str, object]] = [
        (cudnn, "deterministic", True),
        (cudnn, "benchmark", False),
    ]
    if hasattr(matmul, "fp32_precision"):  # torch 2.9; it refuses to read the older setting then
        settings += [(owner, "fp32_precision", "ieee") for owner in (matmul, cudnn.conv)]
    else:
        settings += [(owner, "allow_tf32", False) for owner in (matmul, cudnn)]
    before = [getattr(owner, name) for owner, name, _ in settings]
    try:
        for owner, name, value in settings:
            setattr(owner, name, value)
        yield
    finally:
        for (owner, name, _), value in zip(settings, before, strict=True):
            setattr(owner, name, value)
