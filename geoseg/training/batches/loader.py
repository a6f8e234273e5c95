"""The pixels of training windows as batches on the device."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from numpy.typing import NDArray
from torch import Tensor

from geoseg.execute import available_memory, prefetch_map
from geoseg.model import Scaling
from geoseg.tiles import IGNORE_INDEX, TileDataset
from geoseg.training.batches.draw import WindowDraws
from geoseg.training.batches.layout import MISSING, TileLayout

_MEMORY_SHARE = 0.5
"""Largest share of the free memory that the tiles of a split may take, over all processes."""
_TILES_PER_READ = 64
"""Tiles that are read at once to load a split."""
_LOADED_DTYPES = (np.uint8, np.int8, np.int16, np.float32)
"""Dtypes that loaded images keep. Others become float32, as in the network, because torch lacks
most operations on uint16 and uint32, and GPUs of Apple have no float64."""


_SMALLEST_SHARE = 1e-6
"""Lower limit of the share of valid pixels by which a sum is divided, so that it is never 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """n windows, on the device."""

    images: Tensor
    """(n, bands, s, s) float32, in scene values."""
    labels: Tensor
    """(n, s, s) int64 class indices, `IGNORE_INDEX` where not labelled."""
    valid: Tensor
    """(n, s, s) bool, True where a pixel has data."""

    def map(self, function: Callable[[Tensor], Tensor]) -> "Batch":
        """Return the results of a function of each tensor."""
        return Batch(function(self.images), function(self.labels), function(self.valid))


class BatchLoader:
    """Cuts windows from the tiles of one split.

    The tiles are read once if they fit in memory, else for each batch.
    """

    def __init__(
        self, tiles: TileDataset, layout: TileLayout, scaling: Scaling, device: torch.device,
        *, sharers: int = 1,
    ) -> None:  # fmt: skip
        """Read the tiles, if they fit in memory.

        Args:
            tiles: of one split.
            layout: of these tiles.
            scaling: of the network; invalid pixels get its low values.
            device: of the batches.
            sharers: processes that load tiles into the memory of this machine.

        Raises:
            GeosegError: if a tile cannot be read.
        """
        self.layout = layout
        self._tiles, self._scaling, self._device = tiles, scaling, device
        fill = torch.tensor(scaling.fill_values(tiles.dtype), device=device)
        self._fill = fill[:, None, None]
        """Value of each band (bands, 1, 1) where there is no data."""
        fits = len(tiles) and self._needed_bytes() < _MEMORY_SHARE * self._free_bytes(sharers)
        self._resident = self._load_split() if fits else None

    def __len__(self) -> int:
        return len(self._tiles)

    def load(self, batches: Sequence[WindowDraws], window: int) -> Iterator[Batch]:
        """Yield batches of windows, ``window`` px high and wide; the next ones are read ahead."""
        if self._resident is not None:
            for draws in batches:
                yield self._cut(self._resident, draws, self._touched(draws), window)
            return
        with prefetch_map(1) as map_fn:
            yield from map_fn(partial(self._read, window=window), batches)

    def load_all(self, draws: WindowDraws, batch_size: int, window: int) -> Iterator[Batch]:
        """Yield all windows in batches, as `load` does."""
        starts = range(0, len(draws), batch_size)
        return self.load([draws.take(slice(i, i + batch_size)) for i in starts], window)

    def _read(self, draws: WindowDraws, window: int) -> Batch:
        """Read the tiles of a batch, and cut its windows."""
        touched = self._touched(draws)
        needed = np.unique(np.concatenate([indices.ravel() for indices in touched]))
        needed = needed[needed != MISSING]
        places = np.full(len(self._tiles) + 1, MISSING)  # the last one for MISSING itself
        places[needed] = np.arange(len(needed))
        in_loaded = [places[indices] for indices in touched]
        return self._cut(self._load(needed), draws, in_loaded, window)

    def _touched(self, draws: WindowDraws) -> list[NDArray[np.int64]]:
        """Return the indices of the tiles that each window touches (rows, cols)."""
        return [self.layout.touched(*draw) for draw in _as_ints(draws)]

    def _cut(
        self, tiles: Batch, draws: WindowDraws, touched: Sequence[NDArray[np.int64]], window: int
    ) -> Batch:
        """Cut windows from loaded tiles; ``touched`` has the indices of those that they touch."""
        size = self.layout.size
        whole = (draws.row == 0) & (draws.col == 0) & (draws.side == size)
        if whole.all() and window == size:  # faster, and the usual case for windows of tile size
            index = torch.from_numpy(np.concatenate(touched).ravel()).to(self._device)
            return _to_network_types(tiles.map(lambda tensor: tensor[index]))
        windows = []
        for (_, row, col, side), indices in zip(_as_ints(draws), touched, strict=True):
            first_row, first_col = row % size, col % size
            part = (..., slice(first_row, first_row + side), slice(first_col, first_col + side))
            joined = self._join(tiles, indices)
            pixels = Batch(joined.images[part], joined.labels[part], joined.valid[part])
            windows.append(_resample(pixels, window, self._fill))
        return _to_network_types(
            Batch(
                torch.stack([pixels.images for pixels in windows]),
                torch.stack([pixels.labels for pixels in windows]),
                torch.stack([pixels.valid for pixels in windows]),
            )
        )

    def _join(self, tiles: Batch, indices: NDArray[np.int64]) -> Batch:
        """Return tiles (rows, cols) as one image, its labels and its valid mask."""
        index = torch.from_numpy(np.maximum(indices, 0)).to(self._device)
        images, labels, valid = tiles.images[index], tiles.labels[index], tiles.valid[index]
        if (indices == MISSING).any():
            missing = torch.from_numpy(indices == MISSING).to(self._device)
            images[missing] = self._fill.to(images)
            labels[missing], valid[missing] = IGNORE_INDEX, False
        rows, cols = (n * self.layout.size for n in indices.shape)
        return Batch(
            images.permute(2, 0, 3, 1, 4).reshape(-1, rows, cols),
            labels.permute(0, 2, 1, 3).reshape(rows, cols),
            valid.permute(0, 2, 1, 3).reshape(rows, cols),
        )

    def _load_split(self) -> Batch:
        """Load all tiles, a few at a time, because reading takes a multiple of their memory."""
        number, one = len(self._tiles), self._load(np.arange(1))
        tiles = one.map(lambda tensor: tensor.new_empty((number, *tensor.shape[1:])))
        for first in range(0, number, _TILES_PER_READ):
            end = min(first + _TILES_PER_READ, number)
            part = self._load(np.arange(first, end))
            tiles.images[first:end] = part.images
            tiles.labels[first:end] = part.labels
            tiles.valid[first:end] = part.valid
        return tiles

    def _load(self, indices: NDArray[np.int64]) -> Batch:
        images, valid, labels = self._tiles.read(indices)
        for image, mask in zip(images, valid, strict=True):
            self._scaling.fill_invalid(image, mask)
        if images.dtype not in _LOADED_DTYPES:
            images = images.astype(np.float32)
        tensors = Batch(*map(torch.from_numpy, (images, labels, valid)))
        return tensors.map(self._to_device)

    def _to_device(self, tensor: Tensor) -> Tensor:
        if self._device.type == "cuda":
            return tensor.pin_memory().to(self._device, non_blocking=True)
        return tensor.to(self._device)

    def _needed_bytes(self) -> int:
        one = self._load(np.arange(1))
        return len(self._tiles) * (one.images.nbytes + one.labels.nbytes + one.valid.nbytes)

    def _free_bytes(self, sharers: int) -> int:
        """Bytes of memory for this process; a GPU gets the tiles from that of the host."""
        free = available_memory() // sharers
        if self._device.type == "cuda":
            return min(free, int(torch.cuda.mem_get_info(self._device)[0]))
        return free


def _as_ints(draws: WindowDraws) -> Iterator[tuple[int, int, int, int]]:
    """Yield tile, row, column and side of each window."""
    columns = (draws.tile, draws.row, draws.col, draws.side)
    return zip(*(column.tolist() for column in columns), strict=True)


def _resample(pixels: Batch, window: int, fill: Tensor) -> Batch:
    """Resample one window to another side; valid pixels are averages of valid pixels.

    Args:
        pixels: the image (bands, s, s), its labels (s, s) and its valid mask (s, s).
        window: side of the result (px).
        fill: (bands, 1, 1) value of pixels without data.
    """
    images, labels, valid = pixels.images, pixels.labels, pixels.valid
    side, shape = labels.shape[-1], (window, window)
    if side == window:
        return Batch(images.float(), labels, valid)
    masks = torch.stack([labels.float(), valid.float()])[None]
    nearest = F.interpolate(masks, shape, mode="nearest-exact")[0]
    labels, is_valid = nearest[0].to(labels.dtype), nearest[1].bool()

    def smooth(image: Tensor) -> Tensor:
        return F.interpolate(
            image[None], shape, mode="bilinear", align_corners=False, antialias=side > window
        )[0]

    if valid.all():
        return Batch(smooth(images.float()), labels, is_valid)
    mean = average_valid(images.float(), valid, smooth)
    return Batch(torch.where(is_valid, mean, fill.to(mean)), labels, is_valid)


def average_valid(image: Tensor, valid: Tensor, smooth: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the weighted average of the valid pixels around each pixel.

    The result has no meaning where none of them is valid.

    Args:
        image: (bands, s, s).
        valid: (s, s) bool.
        smooth: returns weighted averages over all pixels of (k, s, s).
    """
    share = smooth(valid[None].to(image.dtype))
    return smooth(torch.where(valid, image, 0)) / share.clamp(min=_SMALLEST_SHARE)


def _to_network_types(batch: Batch) -> Batch:
    images = batch.images.float().contiguous(memory_format=torch.channels_last)
    return Batch(images, batch.labels.long(), batch.valid)
