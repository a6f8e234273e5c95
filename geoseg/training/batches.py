"""Tiles as batches on the device."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoseg.execute import available_memory
from geoseg.model import UNetSpec
from geoseg.tiles import TileDataset

_SHARE = 0.5
"""Of the free memory that the tiles may take to stay there for the whole run."""

Batch = tuple[Tensor, Tensor]
"""Images (n, bands, s, s) float32 in scene values and labels (n, s, s) int64, on the device."""


class BatchLoader:
    """The tiles of one split: in the memory of the device where they fit, else read as needed."""

    def __init__(self, samples: TileDataset, spec: UNetSpec, device: torch.device) -> None:
        self._samples, self._spec, self._device = samples, spec, device
        self._resident = self._load(np.arange(len(samples))) if self._fits() else None

    def __len__(self) -> int:
        return len(self._samples)

    def batches(self, chosen: Sequence[NDArray[np.int64]]) -> Iterator[Batch]:
        """The tiles with these numbers, batch by batch; the next is read while one is used."""
        if self._resident is not None:
            images, labels = self._resident
            for some in chosen:
                numbers = torch.from_numpy(some).to(self._device)
                yield _ready(images[numbers], labels[numbers])
            return
        with ThreadPoolExecutor(1) as reader:
            waiting = deque(reader.submit(self._load, some) for some in chosen[:1])
            for following in chosen[1:]:
                waiting.append(reader.submit(self._load, following))
                yield _ready(*waiting.popleft().result())
            for last in waiting:
                yield _ready(*last.result())

    def _load(self, some: NDArray[np.int64]) -> Batch:
        images, valid, labels = self._samples.read(some)
        for pixels, seen in zip(images, valid, strict=True):
            self._spec.fill(pixels, seen)
        if images.dtype in (np.uint16, np.uint32):  # torch can hardly do anything with these
            images = images.astype(np.float32)
        return self._move(torch.from_numpy(images)), self._move(torch.from_numpy(labels))

    def _move(self, tensor: Tensor) -> Tensor:
        if self._device.type == "cuda":
            return tensor.pin_memory().to(self._device, non_blocking=True)
        return tensor

    def _fits(self) -> bool:
        if not len(self._samples):
            return False
        wanted = len(self._samples) * sum(tensor.nbytes for tensor in self._load(np.arange(1)))
        gpu = self._device.type == "cuda"
        free = torch.cuda.mem_get_info(self._device)[0] if gpu else available_memory()
        return wanted < _SHARE * free


def _ready(images: Tensor, labels: Tensor) -> Batch:
    return images.float().contiguous(memory_format=torch.channels_last), labels.long()
