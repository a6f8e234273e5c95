"""All that a training run works on: tiles, network, optimizer, made from settings."""

import hashlib
import json
import math
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoseg.errors import ModelError, TileError
from geoseg.model import Model, UNet, UNetSpec, choose_precision, torch_dtype
from geoseg.tiles import Samples, TileSet
from geoseg.training.feed import Feed
from geoseg.training.losses import class_weights
from geoseg.training.processes import Processes
from geoseg.training.settings import TrainSettings

DEFAULT_VAL = 0.25
"""Share of tiles held for validation where neither the set nor the settings say."""
_LOOKED_AT = 500
"""Tiles whose values decide the scaling, where the dtype does not."""


class Run:
    """What a run works on; the loop moves it on.

    Raises:
        TileError: if there is nothing to train on.
        ModelError: if the model to start from does not fit the tiles.
    """

    def __init__(
        self,
        tiles: TileSet,
        settings: TrainSettings,
        device: torch.device,
        processes: Processes,
        start: Model | None,
    ) -> None:
        tiles = _split(tiles, settings).ignoring(settings.ignore)
        samples, held = tiles.samples("train"), tiles.samples("val")
        _check(tiles, samples, held)
        self.tiles, self.settings, self.device, self.processes = tiles, settings, device, processes
        self.identity = _identity(settings, tiles, (samples, held), start)
        self.start = start.hash if start else None
        self.spec = _spec(settings, tiles, samples, start)
        self.train, self.val = (Feed(some, self.spec, device) for some in (samples, held))
        self.dtype = torch_dtype(choose_precision(settings.precision, device))
        torch.manual_seed(settings.seed)
        network = UNet(self.spec)
        if start is not None:
            _take_weights(network, start, same_classes=start.legend == tiles.legend)
        network.to(device)
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.wrapped = processes.wrap(self.network)
        self.optimizer = _optimizer(settings, self.network)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype == torch.float16)
        self.weights = class_weights(samples.counts).to(device)
        low_high = torch.tensor(self.spec.band_low), torch.tensor(self.spec.band_high)
        self.spread = (low_high[1] - low_high[0]).to(device)
        self.steps = math.ceil(len(self.train) / settings.batch_size)

    def logits(self, network: torch.nn.Module, images: Tensor) -> Tensor:
        """(n, bands, s, s) in scene values to (n, classes, s, s) float32, in the precision set."""
        autocast = torch.autocast(self.device.type, self.dtype, self.dtype != torch.float32)
        with autocast:
            logits: Tensor = network(images)
        return logits.float()

    def batches(self, order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Numbers of the tiles of each batch, in this order."""
        size = self.settings.batch_size
        return [order[first : first + size] for first in range(0, len(order), size)]


def _split(tiles: TileSet, settings: TrainSettings) -> TileSet:
    if settings.val is not None or not any(tiles.splits):
        share = DEFAULT_VAL if settings.val is None else settings.val
        return tiles.split_again("random", share, settings.seed)
    return tiles


def _check(tiles: TileSet, samples: Samples, held: Samples) -> None:
    if not len(samples):
        raise TileError(f"{tiles.folder} has no tiles to train on, tile more scenes")
    for split, some in (("train", samples), ("val", held)):
        if len(some) and not some.counts.sum():
            raise TileError(
                f"no pixel of the {split} tiles of {tiles.folder} has a class of the legend "
                f"({', '.join(tiles.legend.names)}), give the masks' own with --legend"
            )


def _spec(
    settings: TrainSettings, tiles: TileSet, samples: Samples, start: Model | None
) -> UNetSpec:
    bands, classes = len(tiles.band_names), len(tiles.legend)
    if start is None:
        low, high = _scaling(samples, tiles.dtype)
        return UNetSpec(
            bands=bands, classes=classes, width=settings.width, depth=settings.depth,
            dropout=settings.dropout, window=tiles.size, low=low, high=high,
        )  # fmt: skip
    if (start.spec.bands, start.dtype) != (bands, tiles.dtype):
        raise ModelError(
            f"model {start.path} sees {start.spec.bands} bands of {start.dtype}, the tiles have "
            f"{bands} of {tiles.dtype}, choose bands with `geoseg tile --bands` or another --start"
        )
    return replace(start.spec, classes=classes, dropout=settings.dropout, window=tiles.size)


def _take_weights(network: UNet, start: Model, *, same_classes: bool) -> None:
    """Start from a model's weights; its last layer stays new where it has other classes."""
    weights = start.network.state_dict()
    kept = weights if same_classes else {k: v for k, v in weights.items() if "head" not in k}
    network.load_state_dict(kept, strict=same_classes)


def _identity(
    settings: TrainSettings,
    tiles: TileSet,
    splits: tuple[Samples, Samples],
    start: Model | None,
) -> str:
    """A hash of all that determines a run: wherever the tiles are, only what is in them counts."""
    about = {
        "settings": settings.to_dict(),
        "bands": tiles.band_names,
        "samples": [samples.digest for samples in splits],
        "start": start.hash if start else None,
        **tiles.legend.to_dict(),
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _scaling(samples: Samples, dtype: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Input values that the network sees as 0 and 1: the range of bytes, else robust extremes."""
    if dtype == "uint8":
        return (0.0,), (255.0,)
    keep = max(1, len(samples) // _LOOKED_AT)
    images, valid, _ = samples.read(np.arange(0, len(samples), keep))
    values = images.transpose(1, 0, 2, 3)[:, valid].astype(np.float64)
    low, high = np.percentile(values, [0.1, 99.9], axis=1)
    high = np.maximum(high, low + np.finfo(np.float32).eps * np.maximum(1, np.abs(low)))
    return tuple(low.tolist()), tuple(high.tolist())


def _optimizer(settings: TrainSettings, network: UNet) -> torch.optim.Optimizer:
    parameters, lr = network.parameters(), settings.lr
    if settings.optimizer == "rmsprop":
        # Decay and epsilon are those of Keras, and so the lab's; Keras has epsilon in the root.
        return torch.optim.RMSprop(parameters, lr=lr, alpha=0.9, eps=1e-7)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=lr, momentum=0.9)
    if settings.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=lr)
    return torch.optim.AdamW(parameters, lr=lr)
