"""The U-Net of the lab, in PyTorch, with bands, classes, width and depth as parameters.

Ronneberger, Fischer, Brox (2015), https://arxiv.org/abs/1505.04597, with same padding,
dropout between the two convolutions of a level, and half the lab's first level doubled each
level down.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor, nn

from geoseg.model.spec import UNetSpec

_TRUNCATED_STD = 0.8796256610342398
"""Standard deviation of a unit normal cut at two sigma; Keras divides by it, so do we."""


class FastDropout(nn.Module):
    """Zero a share of the activations in training and scale up the rest, as `nn.Dropout` does.

    On a CPU torch draws one Bernoulli number at a time, which costs a quarter of a training step;
    16 random bits an activation take a sixth of that and meet the share to 1e-5.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """Any dense tensor to one of its shape, dtype and memory format."""
        if not self.training or self.share == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.share)
        lowest, most = -(2**15), 2**16
        words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        bits = words.view(torch.int16)[: x.numel()].as_strided(x.shape, x.stride())
        kept = bits >= lowest + round(self.share * most)
        return x * kept.to(x.dtype).mul_(1 / (1 - self.share))


class DoubleConv(nn.Module):
    """Convolution, ReLU, dropout, convolution, ReLU: (n, channels, h, w) to (n, filters, h, w)."""

    def __init__(self, channels: int, filters: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, filters, 3, padding=1)
        self.dropout = FastDropout(dropout)
        self.second = nn.Conv2d(filters, filters, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) to (n, filters, h, w)."""
        x = torch.relu_(self.first(x))
        return torch.relu_(self.second(self.dropout(x)))


class UNet(nn.Module):
    """Windows in scene values to class logits.

    Input (n, bands, h, w) in the scene's own units, height and width multiples of 2**depth;
    output (n, classes, h, w) logits in the dtype of the weights. The scaling of the input is part
    of the network, so a model cannot be fed with wrongly scaled pixels.
    """

    low: Tensor
    scale: Tensor

    def __init__(self, spec: UNetSpec) -> None:
        super().__init__()
        self.spec = spec
        filters = [spec.width * 2**level for level in range(spec.depth)]
        bottom = spec.width * 2**spec.depth
        # In Python's doubles: arithmetic on the "meta" device would import torch's compiler (1 s).
        pairs = zip(spec.band_low, spec.band_high, strict=True)
        scale = [1 / (high - low) for low, high in pairs]
        low = torch.tensor(spec.band_low, dtype=torch.float32)
        self.register_buffer("low", low.view(1, -1, 1, 1), persistent=False)
        self.register_buffer(
            "scale", torch.tensor(scale, dtype=torch.float32).view(1, -1, 1, 1), persistent=False
        )
        self.encoder = nn.ModuleList(
            DoubleConv(channels, f, spec.dropout)
            for channels, f in zip([spec.bands, *filters], filters, strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        self.bottom_dropout = FastDropout(spec.dropout)
        self.bottom_first = nn.Conv2d(filters[-1], bottom, 3, padding=1)
        self.bottom_second = nn.Conv2d(bottom, bottom, 3, padding=1)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(2 * f, f, 2, stride=2) for f in reversed(filters)
        )
        self.decoder = nn.ModuleList(DoubleConv(2 * f, f, spec.dropout) for f in reversed(filters))
        self.head = nn.Conv2d(filters[0], spec.classes, 1)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """(n, bands, h, w) in scene values to (n, classes, h, w) logits."""
        x = ((x.float() - self.low) * self.scale).to(self.head.weight.dtype)
        skips = []
        for level in self.encoder:
            x = level(x)
            skips.append(x)
            x = self.pool(x)
        x = torch.relu_(self.bottom_first(self.bottom_dropout(x)))
        x = torch.relu_(self.bottom_second(x))
        for up, level, skip in zip(self.up, self.decoder, reversed(skips), strict=True):
            x = level(torch.cat([skip, up(x)], dim=1))
        return self.head(x)  # type: ignore[no-any-return]


def weight_shapes(spec: UNetSpec) -> dict[str, tuple[int, ...]]:
    """Name and shape of each weight that a network with this spec has; it allocates no memory."""
    with torch.device("meta"):
        network = UNet(spec)
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def _initialise(module: nn.Module) -> None:
    """Kernels as the lab's Keras layers start: He normal for 3x3, Glorot for the others."""
    if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        return
    assert module.bias is not None  # noqa: S101 - tells mypy what the layers above say
    nn.init.zeros_(module.bias)
    if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
        std = math.sqrt(2 / (module.in_channels * 9)) / _TRUNCATED_STD
        nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
    else:
        nn.init.xavier_uniform_(module.weight)
