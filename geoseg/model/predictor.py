"""Windows to scores: the network on a device, fed in batches of one size."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoseg.errors import ModelError
from geoseg.model.device import choose_device, choose_precision, torch_dtype
from geoseg.model.dihedral import SYMMETRIES, apply_symmetry, invert_symmetry
from geoseg.model.model_file import Model

CPU_BATCH = 8
"""Larger batches leave the CPU's caches: 8 windows are the fastest on the CPUs measured."""
GPU_BATCH = 256


class Predictor:
    """A model made ready on one device; safe to share between threads.

    Every batch has ``batch_size`` windows, the last one padded. With one thread of torch
    (`one_torch_thread`), the scores of a window therefore have the same bits in every batch.
    """

    def __init__(
        self,
        model: Model,
        *,
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
        tta: bool = False,
    ) -> None:
        """Prepare the network.

        Args:
            model: the model; it is copied, not changed.
            device: "auto", "cpu", "cuda" or "cuda:N".
            precision: "auto", "fp32", "bf16" or "fp16", of weights and activations.
            batch_size: windows per forward pass; None for what suits the device.
            tta: average the scores over the eight symmetries of the square.

        Raises:
            GeosegError: if there is no such device, or precision on it.
        """
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        self.batch_size = batch_size or (CPU_BATCH if self.device.type == "cpu" else GPU_BATCH)
        self.spec = model.spec
        self.temperature = model.temperature
        self._symmetries = range(SYMMETRIES) if tta else range(1)
        network = _copy_network(model).to(self.device, torch_dtype(self.precision))
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def zeros(self, shape: tuple[int, ...]) -> Tensor:
        """A float32 tensor of zeros where the scores are."""
        return torch.zeros(shape, dtype=torch.float32, device=self.device)

    def to_device(self, array: NDArray[Any]) -> Tensor:
        """An array as a tensor where the scores are, through pinned memory for a GPU."""
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
        """Class probabilities of each window, in order.

        Args:
            pixels: (bands, height, width) in the scene's values, invalid ones filled.
            windows: rows and columns in ``pixels``, each window x window px.
            tick: called with the number of windows done after each batch.

        Yields:
            (classes, window, window) float32 on the device, one per window.
        """
        if not windows:
            return
        scene = self.to_device(pixels)
        size = self.spec.window
        batch = torch.zeros(
            (self.batch_size, self.spec.bands, size, size), dtype=scene.dtype, device=self.device
        )
        for first in range(0, len(windows), self.batch_size):
            some = windows[first : first + self.batch_size]
            for place, (rows, cols) in zip(batch, some, strict=False):
                place.copy_(scene[:, rows, cols])
            yield from self._forward(batch)[: len(some)]
            if tick is not None:
                tick(len(some))

    def calibrated(self, scores: Tensor) -> Tensor:
        """Scores sharpened or softened by the model's temperature; the best class stays the best.

        To be applied after windows are blended: before, it would change who wins where they
        disagree. On scores of one window it is the softmax of logits over the temperature.

        Args:
            scores: (classes, height, width), of any sum.

        Returns:
            The same shape, sum 1 over the classes where any score is positive, else 0.
        """
        best = scores.amax(0).clamp(min=torch.finfo(scores.dtype).tiny)
        sharp = (scores / best).pow_(1 / self.temperature)
        return sharp.div_(sharp.sum(0).clamp(min=torch.finfo(scores.dtype).tiny))

    def _forward(self, batch: Tensor) -> Tensor:
        """(n, bands, s, s) scene values to (n, classes, s, s) float32 probabilities."""
        x = batch.float()
        total: Tensor | None = None
        for symmetry in self._symmetries:
            view = apply_symmetry(x, symmetry).contiguous(memory_format=torch.channels_last)
            scores = torch.softmax(self._network(view).float(), dim=1)
            scores = invert_symmetry(scores, symmetry)
            total = scores if total is None else total + scores
        assert total is not None  # noqa: S101 - there is always the identity
        return (total / len(self._symmetries)).contiguous() if len(self._symmetries) > 1 else total


def _copy_network(model: Model) -> torch.nn.Module:
    network = type(model.network)(model.spec)
    network.load_state_dict(model.network.state_dict())
    return network.eval()


def best_class(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Best class of each pixel and its score, the first one among equals.

    A running maximum: argmax over a short leading axis is several times slower.

    Args:
        scores: (classes, height, width).

    Returns:
        Index (height, width) uint8 and score (height, width), on the device of the scores.
    """
    best = scores[0]
    index = torch.zeros(best.shape, dtype=torch.uint8, device=scores.device)
    for number in range(1, len(scores)):
        better = scores[number] > best
        index.masked_fill_(better, number)
        best = torch.maximum(best, scores[number])
    return index, best


@functools.lru_cache(maxsize=2)
def cached_predictor(
    path: str, digest: str, device: str, precision: str, batch_size: int | None, tta: bool
) -> Predictor:
    """The predictor for a model file, kept for the life of the process.

    The digest is part of the key, so that a file that was replaced is read again.

    Raises:
        ModelError: if the file is not, or no longer, the model with this digest.
    """
    model = Model.load(path)
    if model.hash != digest:
        raise ModelError(f"model {path} changed while the run was going on, start again")
    return Predictor(model, device=device, precision=precision, batch_size=batch_size, tta=tta)
