"""A U-Net whose encoder is a network for images, such as one trained on ImageNet."""

import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor, nn

from geoseg.model.networks.conv_norm import ConvNorm
from geoseg.model.networks.efficientnet_lite import EfficientNetLite0
from geoseg.model.networks.fast_dropout import FastDropout
from geoseg.model.networks.rescale import Rescale
from geoseg.model.networks.smp_encoder import SmpEncoder
from geoseg.model.spec import EFFICIENTNET_LITE0, SMP, UNetSpec

LEVEL_FACTORS = (1, 2, 3, 4, 8)
"""Filters of the levels of the decoder, from the full size to 1/16, relative to the width."""


class DecoderLevel(nn.Module):
    """Upsampling by 2, concatenation with a skip, and two convolutions with ReLU."""

    def __init__(self, channels: int, skip: int, filters: int) -> None:
        super().__init__()
        self.first = ConvNorm(channels + skip, filters)
        self.second = ConvNorm(filters, filters)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Map (n, channels, h, w) and (n, skip, 2h, 2w) to (n, filters, 2h, 2w)."""
        x = torch.cat([F.interpolate(x, scale_factor=2, mode="nearest"), skip], dim=1)
        x = torch.relu_(self.first(x))
        return torch.relu_(self.second(x))


class EncoderUNet(nn.Module):
    """Windows in scene values to class logits, with skips from 1/16 to the full size.

    An encoder for images has no features of the full size, where the outlines of land cover are. A
    convolution of the input adds them.
    """

    def __init__(self, spec: UNetSpec) -> None:
        super().__init__()
        self.spec = spec
        self.rescale = Rescale(spec.scaling)
        self.encoder = _make_encoder(spec)
        filters = [spec.width * factor for factor in LEVEL_FACTORS]
        self.full_size = ConvNorm(spec.bands, spec.width)
        skips = [spec.width, *self.encoder.filters[:-1]]
        inputs = [*filters[1:], self.encoder.filters[-1]]
        self.dropout = FastDropout(spec.dropout)
        levels = list(zip(inputs, skips, filters, strict=True))
        self.decoder = nn.ModuleList(DecoderLevel(*sizes) for sizes in reversed(levels))
        self.head = nn.Conv2d(filters[0], spec.classes, 1)
        for module in (self.full_size, self.decoder):
            module.apply(_initialise)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, bands, h, w) in scene values to (n, classes, h, w) logits.

        Height and width are multiples of 32. Logits have the dtype of the weights.
        """
        x = (self.rescale(x) - self.encoder.mean) / self.encoder.std
        x = x.to(self.head.weight.dtype)
        features: list[Tensor] = [torch.relu_(self.full_size(x)), *self.encoder(x)]
        y = self.dropout(features.pop())
        for level, skip in zip(self.decoder, reversed(features), strict=True):
            y = level(y, skip)
        return self.head(y)  # type: ignore[no-any-return]


def _make_encoder(spec: UNetSpec) -> EfficientNetLite0 | SmpEncoder:
    if spec.encoder == EFFICIENTNET_LITE0:
        return EfficientNetLite0(spec.bands)
    return SmpEncoder(spec.encoder.removeprefix(SMP), spec.bands)


def _initialise(module: nn.Module) -> None:
    """Draw the kernels of the decoder: He normal."""
    # On the "meta" device there is nothing to draw, and it would import torch's compiler (2 s).
    if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
