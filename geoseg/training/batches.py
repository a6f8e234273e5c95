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

_MEMORY_SHARE = 0.5
"""Largest share of the free memory that the tiles of a split may take."""

Batch = tuple[Tensor, Tensor]
"""Images (n, bands, s, s) float32 in scene values and labels (n, s, s) int64, on the device."""


class BatchLoader:
    """Loads the tiles of one split: all at once if they fit in memory, else batch by batch."""

    def __init__(
        self, tiles: TileDataset, spec: UNetSpec, device: torch.device, batch_size: int
    ) -> None:
        self._tiles, self._spec, self._device, self._size = tiles, spec, device, batch_size
        self._resident = self._load(np.arange(len(tiles))) if self._fits_in_memory() else None

    def __len__(self) -> int:
        return len(self._tiles)

    def split(self, indices: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Split the indices of tiles (n,) into batches, in their order."""
        size = self._size
        return [indices[start : start + size] for start in range(0, len(indices), size)]

    def load(self, batches: Sequence[NDArray[np.int64]]) -> Iterator[Batch]:
        """Yield batches of tiles, given by their indices; the next batch is read ahead."""
        if self._resident is not None:
            images, labels = self._resident
            for indices in batches:
                on_device = torch.from_numpy(indices).to(self._device)
                yield _to_network_types(images[on_device], labels[on_device])
            return
        with ThreadPoolExecutor(1) as reader:
            pending = deque(reader.submit(self._load, indices) for indices in batches[:1])
            for indices in batches[1:]:
                pending.append(reader.submit(self._load, indices))
                yield _to_network_types(*pending.popleft().result())
            for batch in pending:
                yield _to_network_types(*batch.result())

    def _load(self, indices: NDArray[np.int64]) -> Batch:
        images, valid, labels = self._tiles.read(indices)
        for image, mask in zip(images, valid, strict=True):
            self._spec.scaling.fill_invalid(image, mask)
        if images.dtype in (np.uint16, np.uint32):  # torch lacks most operations on these
            images = images.astype(np.float32)
        return self._to_device(torch.from_numpy(images)), self._to_device(torch.from_numpy(labels))

    def _to_device(self, tensor: Tensor) -> Tensor:
        if self._device.type == "cuda":
            return tensor.pin_memory().to(self._device, non_blocking=True)
        return tensor

    def _fits_in_memory(self) -> bool:
        if not len(self._tiles):
            return False
        needed = len(self._tiles) * sum(tensor.nbytes for tensor in self._load(np.arange(1)))
        on_gpu = self._device.type == "cuda"
        free = torch.cuda.mem_get_info(self._device)[0] if on_gpu else available_memory()
        return needed < _MEMORY_SHARE * free


def _to_network_types(images: Tensor, labels: Tensor) -> Batch:
    return images.float().contiguous(memory_format=torch.channels_last), labels.long()
