"""The scores of windows: the network on a device, in batches of one size."""

import copy
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoseg.errors import ModelError
from geoseg.model.device import choose_device, choose_precision, torch_dtype
from geoseg.model.dihedral import SYMMETRIES, apply_symmetry, invert_symmetry
from geoseg.model.engines.choose import choose_batch
from geoseg.model.engines.graph import as_onnx_file, network_graph
from geoseg.model.engines.names import TORCH
from geoseg.model.model_file import Model
from geoseg.model.networks import Network
from geoseg.model.networks.conv_norm import fold_batch_norm
from geoseg.model.onnx.file import read_onnx
from geoseg.model.onnx.network import OnnxNetwork
from geoseg.model.onnx.spec import OnnxSpec


class Predictor:
    """A model on one device; safe to share between threads.

    Every batch has ``batch_size`` windows, the last one padded. With one thread of torch
    (`one_torch_thread`), the scores of a window therefore have the same bits in every batch.
    """

    def __init__(
        self,
        model: Model | OnnxNetwork,
        *,
        engine: str = TORCH,
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
        tta: bool = False,
        graph: bytes | None = None,
    ) -> None:
        """Prepare the network.

        Args:
            model: it is copied, not changed. An ONNX network has its engine, its precision and its
                batch size already.
            engine: "torch", or "onnxruntime", "openvino" or "mnn", which run on the CPU.
            device: "auto", "cpu", "cuda" or "cuda:N".
            precision: "auto", "fp32", "bf16" or "fp16", of weights and activations.
            batch_size: windows per forward pass; None for the default of `choose_batch`.
            tta: average the scores over the eight symmetries of the square.
            graph: the network as `network_graph` returns it, for the engines other than torch;
                None to make it.

        Raises:
            GeosegError: if there is no such engine or device, or it does not support the precision.
        """
        self.spec, self.temperature = model.spec, model.temperature
        self._symmetries = SYMMETRIES if tta else 1
        if engine != TORCH or isinstance(model, OnnxNetwork):
            device = "cpu"
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        if isinstance(model, OnnxNetwork):
            self._input_size, self.batch_size = model.spec.input_size, model.batch_size
            self._probabilities: Callable[[Tensor], Tensor] = model.probabilities
            return
        self._input_size = model.spec.window
        self.batch_size = choose_batch(batch_size, self.device, model.spec.window, engine=engine)
        if engine == TORCH:
            self._probabilities = _torch_probabilities(model, self.device, self.precision)
            return
        self._probabilities = OnnxNetwork(
            *as_onnx_file(model, graph or network_graph(model)),
            engine=engine, precision=self.precision, batch_size=self.batch_size,
        ).probabilities  # fmt: skip

    def zeros(self, shape: tuple[int, ...]) -> Tensor:
        """Return a float32 tensor of zeros on the device."""
        return torch.zeros(shape, dtype=torch.float32, device=self.device)

    def to_device(self, array: NDArray[Any]) -> Tensor:
        """Copy an array to the device, through pinned memory for a GPU."""
        if array.dtype not in (np.uint8, np.int16, np.float32):
            array = array.astype(np.float32)
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if self.device.type == "cpu":
            return tensor
        return tensor.pin_memory().to(self.device, non_blocking=True)

    @torch.inference_mode()
    def scores(
        self,
        pixels: NDArray[Any],
        windows: Sequence[tuple[slice, slice]],
        tick: Callable[[int], None] | None = None,
    ) -> Iterator[Tensor]:
        """Yield the class probabilities of each window, in order.

        Args:
            pixels: (bands, height, width) in scene values, filled by `Scaling.fill_invalid`.
            windows: rows and columns of the input of each window in ``pixels``.
            tick: called with the number of windows done after each batch.

        Yields:
            (classes, window, window) float32 on the device, for each window.
        """
        if not windows:
            return
        image = self.to_device(pixels)
        size = self._input_size
        batch = torch.zeros(
            (self.batch_size, self.spec.bands, size, size), dtype=image.dtype, device=self.device
        )
        for first in range(0, len(windows), self.batch_size):
            in_batch = windows[first : first + self.batch_size]
            for slot, (rows, cols) in zip(batch, in_batch, strict=False):
                slot.copy_(image[:, rows, cols])
            yield from self._forward(batch)[: len(in_batch)]
            if tick is not None:
                tick(len(in_batch))

    def apply_temperature(self, scores: Tensor) -> Tensor:
        """Apply the temperature of the model to blended scores; the best class does not change.

        For the scores of a single window this equals softmax(logits / temperature). It is applied
        after blending, because before it would change the best class where windows disagree.

        Args:
            scores: (classes, height, width), of any sum.

        Returns:
            Scores of the same shape, with sum 1 over the classes where any score is positive,
            else 0.
        """
        best = scores.amax(0).clamp(min=torch.finfo(scores.dtype).tiny)
        sharp = (scores / best).pow_(1 / self.temperature)
        return sharp.div_(sharp.sum(0).clamp(min=torch.finfo(scores.dtype).tiny))

    def _forward(self, batch: Tensor) -> Tensor:
        """Map (n, bands, s, s) scene values to (n, classes, window, window) probabilities."""
        x = batch.float()
        total: Tensor | None = None
        for symmetry in range(self._symmetries):
            scores = self._probabilities(apply_symmetry(x, symmetry))
            scores = invert_symmetry(scores, symmetry)
            total = scores if total is None else total + scores
        assert total is not None  # noqa: S101 - there is always the identity
        return (total / self._symmetries).contiguous() if self._symmetries > 1 else total


def _torch_probabilities(
    model: Model, device: torch.device, precision: str
) -> Callable[[Tensor], Tensor]:
    """Return a copy of the network of a model, as a function from scene values to probabilities."""
    folded = fold_batch_norm(copy.deepcopy(model.network).eval())
    folded = folded.to(device, torch_dtype(precision))
    folded.rescale.float()  # scene values and their scaling need more digits than weights
    network: Network = folded.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def probabilities(x: Tensor) -> Tensor:
        logits = network(x.contiguous(memory_format=torch.channels_last))
        return torch.softmax(logits.float(), dim=1)

    return probabilities


def best_class(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return the best class of each pixel and its score; among equals the first class.

    A running maximum is several times faster than argmax over a short leading axis.

    Args:
        scores: (classes, height, width).

    Returns:
        Index (height, width) uint8 and score (height, width), on the device of the scores.
    """
    best = scores[0]
    index = torch.zeros(best.shape, dtype=torch.uint8, device=scores.device)
    for channel in range(1, len(scores)):
        better = scores[channel] > best
        index.masked_fill_(better, channel)
        best = torch.maximum(best, scores[channel])
    return index, best


@dataclass(frozen=True, slots=True)
class PredictorSource:
    """All that a predictor is made from, as a small value."""

    path: str
    """Of the model file."""
    hash: str
    """Hash that the file must have, so a replaced file is refused."""
    window: int
    """Side of the windows (px)."""
    engine: str
    device: str
    precision: str
    batch_size: int
    tta: bool
    onnx: OnnxSpec | None = None
    """How an ONNX file is read; None for a model file of geoseg."""
    graph: str | None = None
    """Path of the network of a model file as `network_graph` returns it; None for engine torch."""


@functools.lru_cache(maxsize=2)
def cached_predictor(source: PredictorSource) -> Predictor:
    """Return a predictor, cached for the life of the process; see `load_predictor`.

    Raises:
        ModelError: as `load_predictor`, or if the graph cannot be read.
    """
    return load_predictor(source, None if source.graph is None else _read(source.graph))


def load_predictor(source: PredictorSource, graph: bytes | None) -> Predictor:
    """Return the predictor of a model file.

    Args:
        source: what it is made from; its ``graph`` is not read.
        graph: see `Predictor`.

    Raises:
        ModelError: if the file has another hash, or the engine cannot compute it.
    """
    model: Model | OnnxNetwork
    if source.onnx is None:
        model = Model.load(source.path).with_window(source.window)
        same = model.hash == source.hash
    else:
        file = read_onnx(source.path)
        same = file.hash == source.hash
        model = OnnxNetwork(
            file, source.onnx, engine=source.engine, precision=source.precision,
            batch_size=source.batch_size,
        )  # fmt: skip
    if not same:
        raise ModelError(f"model {source.path} changed during the run, run the command again")
    return Predictor(
        model, engine=source.engine, device=source.device, precision=source.precision,
        batch_size=source.batch_size, tta=source.tta, graph=graph,
    )  # fmt: skip


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ModelError(
            f"cannot read the network {path}: {error.strerror}, run the command again"
        ) from None
