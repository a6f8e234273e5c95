"""All that a training run works on: tiles, network, optimizer, made from settings."""

import math
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoseg.model import Model, UNet, UNetSpec, choose_precision, torch_dtype
from geoseg.tiles import TileDataset
from geoseg.training.batches import BatchLoader
from geoseg.training.distributed import ProcessGroup
from geoseg.training.losses import class_weights
from geoseg.training.plan import TrainingPlan
from geoseg.training.settings import TrainSettings

_TILES_FOR_RANGE = 500
"""Tiles whose values decide the scaling, where the dtype does not."""


class TrainingContext:
    """What a run works on; the loop moves it on.

    Raises:
        ModelError: if no network can be made for the tiles.
        GeosegError: if the device lacks the precision.
    """

    def __init__(self, plan: TrainingPlan, device: torch.device, processes: ProcessGroup) -> None:
        settings, start = plan.settings, plan.start
        self.plan, self.device, self.processes = plan, device, processes
        self.tiles, self.settings = plan.tiles, settings
        self.spec = _spec(plan)
        self.precision = choose_precision(settings.precision, device)
        self.dtype = torch_dtype(self.precision)
        self.train, self.val = (
            BatchLoader(samples, self.spec, device) for samples in (plan.train, plan.val)
        )
        torch.manual_seed(settings.seed)
        network = UNet(self.spec)
        if start is not None:
            _take_weights(network, start, same_classes=start.legend.same_classes(plan.tiles.legend))
        network.to(device)
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.wrapped = processes.wrap(self.network)
        self.optimizer = _optimizer(settings, self.network)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype == torch.float16)
        self.weights = class_weights(plan.train.counts).to(device)
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


def _spec(plan: TrainingPlan) -> UNetSpec:
    tiles, settings, classes = plan.tiles, plan.settings, len(plan.tiles.legend)
    if plan.start is not None:
        spec = plan.start.spec
        return replace(spec, classes=classes, dropout=settings.dropout, window=tiles.size)
    assert settings.width is not None and settings.depth is not None  # noqa: S101, PT018
    low, high = _value_range(plan.train, tiles.dtype)
    return UNetSpec(
        bands=len(tiles.band_names), classes=classes, width=settings.width, depth=settings.depth,
        dropout=settings.dropout, window=tiles.size, low=low, high=high,
    )  # fmt: skip


def _take_weights(network: UNet, start: Model, *, same_classes: bool) -> None:
    """Start from a model's weights; its last layer stays new where it has other classes."""
    weights = start.network.state_dict()
    kept = weights if same_classes else {k: v for k, v in weights.items() if "head" not in k}
    network.load_state_dict(kept, strict=same_classes)


def _value_range(samples: TileDataset, dtype: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Input values that the network sees as 0 and 1: the range of bytes, else robust extremes."""
    if dtype == "uint8":
        return (0.0,), (255.0,)
    keep = max(1, len(samples) // _TILES_FOR_RANGE)
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
