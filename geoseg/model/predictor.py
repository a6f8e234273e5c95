"""The scores of windows: the network on a device, in batches of one size."""

import copy
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoseg.errors import ModelError
from geoseg.model.device import torch_dtype
from geoseg.model.dihedral import SYMMETRIES, apply_symmetry, invert_symmetry
from geoseg.model.engine import choose_batch, choose_engine
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
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
        tta: bool = False,
    ) -> None:
        """Prepare the network.

        Args:
            model: it is copied, not changed.
            device: "auto", "cpu", "cuda" or "cuda:N"; an ONNX network runs on the CPU.
            precision: "auto", "fp32", "bf16" or "fp16", of weights and activations.
            batch_size: windows per forward pass; None for the default of `choose_batch`.
            tta: average the scores over the eight symmetries of the square.

        Raises:
            GeosegError: if there is no such device, or it does not support the precision.
        """
        onnx = model.spec if isinstance(model.spec, OnnxSpec) else None
        self.device, self.precision = choose_engine(device, precision, onnx)
        self.batch_size = choose_batch(batch_size, self.device, model.spec.window, onnx)
        self.spec = model.spec
        self.temperature = model.temperature
        self._input_size = model.spec.window if onnx is None else onnx.input_size
        self._symmetries = SYMMETRIES if tta else 1
        self._probabilities = (
            model.probabilities
            if isinstance(model, OnnxNetwork)
            else _torch_probabilities(model, self.device, self.precision)
        )

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


@functools.lru_cache(maxsize=2)
def cached_predictor(
    path: str,
    digest: str,
    device: str,
    precision: str,
    batch_size: int | None,
    tta: bool,
    window: int,
    onnx: OnnxSpec | None = None,
) -> Predictor:
    """Return the predictor of a model file, cached for the life of the process.

    ``digest`` is the hash that the file must have, so a replaced file is read again. ``window`` is
    the side of the windows (px). ``onnx`` says how an ONNX file is read; it is None for a model
    file of geoseg. For the other arguments see `Predictor`.

    Raises:
        ModelError: if the file has another hash.
    """
    model: Model | OnnxNetwork
    if onnx is None:
        model = Model.load(path).with_window(window)
        same = model.hash == digest
    else:
        file = read_onnx(path)
        model = OnnxNetwork(file, onnx)
        same = file.hash == digest
    if not same:
        raise ModelError(f"model {path} changed during the run, run the command again")
    return Predictor(model, device=device, precision=precision, batch_size=batch_size, tta=tta)
