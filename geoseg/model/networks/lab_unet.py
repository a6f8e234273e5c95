"""The reference Keras U-Net in PyTorch, with bands, classes, width and depth as parameters.

Ronneberger, Fischer, Brox (2015), https://arxiv.org/abs/1505.04597, with same padding, dropout
between the two convolutions of a level, and twice the filters on each level down.
"""

import math

import torch
from torch import Tensor, nn

from geoseg.model.networks.fast_dropout import FastDropout
from geoseg.model.networks.rescale import Rescale
from geoseg.model.spec import UNetSpec

_TRUNCATED_STD = 0.8796256610342398
"""Standard deviation of a unit normal distribution cut at two sigma. Keras divides by it."""


class DoubleConv(nn.Module):
    """Convolution, ReLU, dropout, convolution, ReLU."""

    def __init__(self, channels: int, filters: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, filters, 3, padding=1)
        self.dropout = FastDropout(dropout)
        self.second = nn.Conv2d(filters, filters, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, channels, h, w) to (n, filters, h, w)."""
        x = torch.relu_(self.first(x))
        return torch.relu_(self.second(self.dropout(x)))


class LabUNet(nn.Module):
    """The reference network: windows in scene values to class logits.

    The names of the parameters are those in model files.
    """

    def __init__(self, spec: UNetSpec) -> None:
        super().__init__()
        self.spec = spec
        filters = [spec.width * 2**level for level in range(spec.depth)]
        bottleneck = spec.width * 2**spec.depth
        self.rescale = Rescale(spec.scaling)
        self.encoder = nn.ModuleList(
            DoubleConv(channels, f, spec.dropout)
            for channels, f in zip([spec.bands, *filters], filters, strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        self.bottom_dropout = FastDropout(spec.dropout)
        self.bottom_first = nn.Conv2d(filters[-1], bottleneck, 3, padding=1)
        self.bottom_second = nn.Conv2d(bottleneck, bottleneck, 3, padding=1)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(2 * f, f, 2, stride=2) for f in reversed(filters)
        )
        self.decoder = nn.ModuleList(DoubleConv(2 * f, f, spec.dropout) for f in reversed(filters))
        self.head = nn.Conv2d(filters[0], spec.classes, 1)
        self.apply(initialise_as_keras)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, bands, h, w) in scene values to (n, classes, h, w) logits.

        Height and width are multiples of 2**depth. Logits have the dtype of the weights.
        """
        x = self.rescale(x).to(self.head.weight.dtype)
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


def initialise_as_keras(module: nn.Module) -> None:
    """Draw kernels as the reference U-Net does: He normal for 3x3, Glorot uniform for others."""
    if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        return
    if module.weight.is_meta:  # it has no values, and PyTorch 2.7 would load its compiler
        return
    assert module.bias is not None  # noqa: S101 - for mypy
    nn.init.zeros_(module.bias)
    if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
        std = math.sqrt(2 / (module.in_channels * 9)) / _TRUNCATED_STD
        nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
    else:
        nn.init.xavier_uniform_(module.weight)
