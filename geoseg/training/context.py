"""The data, the network and the optimizer of a training run."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from geoseg.errors import ModelError
from geoseg.legend import Legend
from geoseg.model import (
    LAB,
    Model,
    Network,
    UNetSpec,
    choose_precision,
    load_encoder_weights,
    make_network,
    torch_dtype,
)
from geoseg.tiles import TileDataset
from geoseg.training.batches import BatchLoader, TileLayout, WindowDraws, cover, epoch_size
from geoseg.training.distributed import ProcessGroup
from geoseg.training.losses import class_weights
from geoseg.training.plan import TrainingPlan

_TILES_FOR_RANGE = 500
"""About how many tiles the percentiles of the input scaling come from."""


@dataclass(frozen=True, slots=True)
class TrainableNetwork:
    """A U-Net with its optimizer."""

    unet: Network
    data_parallel: torch.nn.Module
    """The U-Net; with several processes, wrapped so that they average their gradients."""
    averaged: Network
    """The network to validate and to keep: the average of the weights over the steps, in evaluation
    mode. The U-Net itself if there is no average."""
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    """Loss scaling, which only fp16 needs."""
    device: torch.device
    precision: str
    """Of the forward pass: "fp32", "bf16" or "fp16"."""
    keeps_statistics: bool
    """Whether batch normalisation normalises by its statistics, those of the start model, and does
    not change them."""

    def set_training_mode(self) -> None:
        """Set the U-Net to training mode, except batch normalisation that keeps its statistics."""
        self.unet.train()
        if self.keeps_statistics:
            for module in self.unet.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()

    @property
    def spec(self) -> UNetSpec:
        """Shape and input scaling of the U-Net."""
        return self.unet.spec

    def logits(self, network: torch.nn.Module, images: Tensor) -> Tensor:
        """Run one of the networks on images in the precision of the run.

        It maps (n, bands, s, s) float32 in scene values to (n, classes, s, s) float32. Tiles whose
        side does not suit the network are continued by their last pixels.
        """
        size = images.shape[-1]
        beyond = -size % self.spec.multiple
        if beyond:
            images = F.pad(images, (0, beyond, 0, beyond), mode="replicate")
        dtype = torch_dtype(self.precision)
        with torch.autocast(self.device.type, dtype, dtype != torch.float32):
            logits: Tensor = network(images)
        return logits[..., :size, :size].float()

    def state(self) -> dict[str, Any]:
        """Return the state of the U-Net, the optimizer and the scaler, for a checkpoint."""
        return {name: owner.state_dict() for name, owner in self._stateful().items()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        for name, owner in self._stateful().items():
            if name != "scaler" or state[name]:  # empty if the earlier precision needs no scaling
                owner.load_state_dict(state[name])

    def _stateful(self) -> dict[str, Any]:
        stateful = {"network": self.unet, "optimizer": self.optimizer, "scaler": self.scaler}
        return stateful if self.averaged is self.unet else {**stateful, "average": self.averaged}


@dataclass(frozen=True, slots=True)
class TrainingContext:
    """All that the training loop works on."""

    plan: TrainingPlan
    processes: ProcessGroup
    train: BatchLoader
    val: BatchLoader
    val_windows: WindowDraws
    """Windows that show each pixel of the validation tiles once."""
    val_window: int
    """Side of these windows (px): that of the network, or less where tiles have no neighbours."""
    class_weights: Tensor
    """(classes,) float32, see `losses.class_weights`."""
    value_range: Tensor
    """(2, bands) float32: scene values that the network reads as 0 and as 1."""
    network: TrainableNetwork


def make_context(
    plan: TrainingPlan, device: torch.device, processes: ProcessGroup
) -> TrainingContext:
    """Load the tiles and build the network of a run.

    Raises:
        ModelError: if no network fits the tiles.
        GeosegError: if the device does not support the precision.
    """
    spec, settings = _make_spec(plan), plan.settings
    _check_batch(plan, spec, processes)
    precision = choose_precision(settings.precision, device)
    size = plan.tiles.size
    val_layout = TileLayout(size, plan.val.places)
    val_window = val_layout.largest_window(spec.multiple, spec.window) if len(plan.val) else 0
    train, val = (
        BatchLoader(tiles, layout, spec.scaling, device, sharers=processes.local_size)
        for tiles, layout in ((plan.train, plan.layout), (plan.val, val_layout))
    )
    torch.manual_seed(settings.seed)
    unet = processes.share_statistics(make_network(spec), device)
    if plan.start is not None:
        _copy_weights(plan.start, unet, plan.tiles.legend)
    if plan.encoder_weights is not None:
        load_encoder_weights(unet.encoder, plan.encoder_weights, plan.tiles.band_names)
    unet.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(unet).eval() if settings.average else unet
    return TrainingContext(
        plan, processes, train, val, cover(val_layout, val_window or size), val_window or size,
        class_weights=class_weights(plan.train.counts).to(device),
        value_range=torch.tensor([spec.scaling.low, spec.scaling.high]).to(device),
        network=TrainableNetwork(
            unet, processes.wrap_network(unet), averaged, _make_optimizer(plan, unet),
            torch.amp.GradScaler(device.type, enabled=precision == "fp16"), device, precision,
            keeps_statistics=plan.start is not None,
        ),
    )  # fmt: skip


def _check_batch(plan: TrainingPlan, spec: UNetSpec, processes: ProcessGroup) -> None:
    """Refuse batches whose smallest features have a single pixel, which cannot be normalised."""
    if plan.start is not None:
        return
    settings = plan.settings
    windows = epoch_size(settings, len(plan.train), plan.tiles.size, spec.window, plan.replayed)
    rest = windows % settings.batch_size if settings.sampling == "tiles" else 0
    in_step = (rest or settings.batch_size) // processes.world_size
    if spec.encoder != LAB and spec.window == spec.multiple and in_step < 2:
        raise ModelError(
            f"a step would normalise a single window of {spec.window} px, give larger windows "
            "(window), larger batches (batch size), or sampling by classes"
        )


def _make_spec(plan: TrainingPlan) -> UNetSpec:
    tiles, settings, classes = plan.tiles, plan.settings, len(plan.tiles.legend)
    assert settings.width and settings.depth and settings.window  # noqa: S101, PT018 - for mypy
    if plan.start is not None:
        spec = plan.start.spec
        return replace(spec, classes=classes, dropout=settings.dropout, window=settings.window)
    low, high = _input_scaling(plan.train, tiles.dtype)
    return UNetSpec(
        bands=len(tiles.band_names), classes=classes, width=settings.width, depth=settings.depth,
        dropout=settings.dropout, window=settings.window, low=low, high=high,
        encoder=settings.encoder or LAB,
    )  # fmt: skip


def _copy_weights(start: Model, unet: Network, legend: Legend) -> None:
    """Copy the weights of a model; the last layer stays random if the classes differ."""
    weights, same_classes = start.network.state_dict(), start.legend.same_classes(legend)
    if not same_classes:
        weights = {name: value for name, value in weights.items() if not name.startswith("head.")}
    unet.load_state_dict(weights, strict=same_classes)


def _input_scaling(tiles: TileDataset, dtype: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return `UNetSpec.low` and `UNetSpec.high`.

    uint8 is scaled from 0..255, other dtypes from the 0.1th to the 99.9th percentile of each band.
    """
    if dtype == "uint8":
        return (0.0,), (255.0,)
    stride = max(1, len(tiles) // _TILES_FOR_RANGE)
    images, valid, _ = tiles.read(np.arange(0, len(tiles), stride))
    low, high = np.transpose([  # one band at a time, to save memory
        np.percentile(images[:, band][valid].astype(np.float64), [0.1, 99.9])
        for band in range(images.shape[1])
    ])  # fmt: skip
    high = np.maximum(high, low + np.finfo(np.float32).eps * np.maximum(1, np.abs(low)))
    return tuple(low.tolist()), tuple(high.tolist())


def _make_optimizer(plan: TrainingPlan, unet: Network) -> torch.optim.Optimizer:
    """Return the optimizer. "lr_factor" of its groups is their learning rate relative to `lr`."""
    settings, lr = plan.settings, plan.settings.lr
    pretrained = plan.start is not None or plan.encoder_weights is not None
    factor = settings.encoder_lr if pretrained else 1.0
    encoder = {id(parameter) for parameter in unet.encoder.parameters()}
    groups: dict[float, list[torch.nn.Parameter]] = {}
    for parameter in unet.parameters():
        groups.setdefault(factor if id(parameter) in encoder else 1.0, []).append(parameter)
    parameters = [{"params": params, "lr_factor": factor} for factor, params in groups.items()]
    if settings.optimizer == "rmsprop":
        # Decay and epsilon are the defaults of Keras, which adds epsilon inside the root.
        return torch.optim.RMSprop(parameters, lr=lr, alpha=0.9, eps=1e-7)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=lr, momentum=0.9)
    if settings.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=lr)
    return torch.optim.AdamW(parameters, lr=lr, weight_decay=0.01)
