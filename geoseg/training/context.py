"""The data, the network and the optimizer of a training run."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

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
"""About how many tiles the percentiles of the input scaling come from."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The tiles of a run on its device."""

    train: BatchLoader
    val: BatchLoader
    batch_size: int
    """Tiles in a batch, over all processes."""
    class_weights: Tensor
    """(classes,) float32, see `losses.class_weights`."""
    value_range: Tensor
    """(bands,) float32: range of the scene values that the network reads as 0 to 1."""

    @property
    def steps_per_epoch(self) -> int:
        """Training batches in an epoch."""
        return math.ceil(len(self.train) / self.batch_size)

    def split_into_batches(self, indices: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Split the indices of tiles (n,) into batches, in their order."""
        size = self.batch_size
        return [indices[start : start + size] for start in range(0, len(indices), size)]


@dataclass(frozen=True, slots=True)
class TrainableNetwork:
    """A U-Net with its optimizer."""

    unet: UNet
    data_parallel: torch.nn.Module
    """The U-Net, or a wrapper of it that averages the gradients over the processes."""
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    """Loss scaling, which only fp16 needs."""
    device: torch.device
    precision: str
    """Of the forward pass: "fp32", "bf16" or "fp16"."""

    @property
    def spec(self) -> UNetSpec:
        """Shape and input scaling of the U-Net."""
        return self.unet.spec

    def logits(self, network: torch.nn.Module, images: Tensor) -> Tensor:
        """Run `unet` or `data_parallel` on images in the precision of the run.

        Args:
            network: one of the two.
            images: (n, bands, s, s) float32 in scene values.

        Returns:
            (n, classes, s, s) float32.
        """
        dtype = torch_dtype(self.precision)
        with torch.autocast(self.device.type, dtype, dtype != torch.float32):
            logits: Tensor = network(images)
        return logits.float()

    def state(self) -> dict[str, Any]:
        """Return the state of the U-Net, the optimizer and the scaler, for a checkpoint."""
        return {name: part.state_dict() for name, part in self._stateful().items()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        for name, part in self._stateful().items():
            part.load_state_dict(state[name])

    def _stateful(self) -> dict[str, Any]:
        return {"network": self.unet, "optimizer": self.optimizer, "scaler": self.scaler}


@dataclass(frozen=True, slots=True)
class TrainingContext:
    """All that the training loop works on."""

    plan: TrainingPlan
    processes: ProcessGroup
    data: TrainingData
    network: TrainableNetwork

    @property
    def settings(self) -> TrainSettings:
        """Settings of the run."""
        return self.plan.settings


def make_context(
    plan: TrainingPlan, device: torch.device, processes: ProcessGroup
) -> TrainingContext:
    """Load the tiles and build the network of a run.

    Raises:
        ModelError: if no network fits the tiles.
        GeosegError: if the device does not support the precision.
    """
    spec, settings = _make_spec(plan), plan.settings
    precision = choose_precision(settings.precision, device)
    train, val = (BatchLoader(tiles, spec, device) for tiles in (plan.train, plan.val))
    torch.manual_seed(settings.seed)
    unet = UNet(spec)
    if plan.start is not None:
        same_classes = plan.start.legend.same_classes(plan.tiles.legend)
        _copy_weights(plan.start, unet, same_classes=same_classes)
    unet.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    low, high = torch.tensor(spec.band_low), torch.tensor(spec.band_high)
    data = TrainingData(
        train=train,
        val=val,
        batch_size=settings.batch_size,
        class_weights=class_weights(plan.train.counts).to(device),
        value_range=(high - low).to(device),
    )
    network = TrainableNetwork(
        unet=unet,
        data_parallel=processes.wrap_network(unet),
        optimizer=_make_optimizer(settings, unet),
        scaler=torch.amp.GradScaler(device.type, enabled=precision == "fp16"),
        device=device,
        precision=precision,
    )
    return TrainingContext(plan, processes, data, network)


def _make_spec(plan: TrainingPlan) -> UNetSpec:
    tiles, settings, classes = plan.tiles, plan.settings, len(plan.tiles.legend)
    if plan.start is not None:
        spec = plan.start.spec
        return replace(spec, classes=classes, dropout=settings.dropout, window=tiles.size)
    assert settings.width is not None and settings.depth is not None  # noqa: S101, PT018
    low, high = _input_scaling(plan.train, tiles.dtype)
    return UNetSpec(
        bands=len(tiles.band_names), classes=classes, width=settings.width, depth=settings.depth,
        dropout=settings.dropout, window=tiles.size, low=low, high=high,
    )  # fmt: skip


def _copy_weights(start: Model, unet: UNet, *, same_classes: bool) -> None:
    """Copy the weights of a model; the last layer stays random if the classes differ."""
    weights = start.network.state_dict()
    if not same_classes:
        weights = {name: value for name, value in weights.items() if "head" not in name}
    unet.load_state_dict(weights, strict=same_classes)


def _input_scaling(tiles: TileDataset, dtype: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return `UNetSpec.low` and `UNetSpec.high`.

    uint8 is scaled from 0..255, other dtypes from the 0.1th to the 99.9th percentile of each band.
    """
    if dtype == "uint8":
        return (0.0,), (255.0,)
    stride = max(1, len(tiles) // _TILES_FOR_RANGE)
    images, valid, _ = tiles.read(np.arange(0, len(tiles), stride))
    values = images.transpose(1, 0, 2, 3)[:, valid].astype(np.float64)
    low, high = np.percentile(values, [0.1, 99.9], axis=1)
    high = np.maximum(high, low + np.finfo(np.float32).eps * np.maximum(1, np.abs(low)))
    return tuple(low.tolist()), tuple(high.tolist())


def _make_optimizer(settings: TrainSettings, unet: UNet) -> torch.optim.Optimizer:
    parameters, lr = unet.parameters(), settings.lr
    if settings.optimizer == "rmsprop":
        # Decay and epsilon are the defaults of Keras, which adds epsilon inside the root.
        return torch.optim.RMSprop(parameters, lr=lr, alpha=0.9, eps=1e-7)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=lr, momentum=0.9)
    if settings.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=lr)
    return torch.optim.AdamW(parameters, lr=lr)
