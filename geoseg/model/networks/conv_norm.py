"""Convolution with batch normalisation, and folding of the normalisation into the convolution."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

_COUNTER = "num_batches_tracked"
"""A buffer of batch normalisation that has no use here."""


def without_counters(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights by name, without the counters of batch normalisation."""
    return {name: value for name, value in weights.items() if not name.endswith(_COUNTER)}


class ConvNorm(nn.Module):
    """A convolution without bias, and batch normalisation.

    A convolution with stride pads below and on the right only, as TensorFlow does for even sizes
    ("SAME"), because the ImageNet weights were trained so.
    """

    def __init__(
        self, channels: int, filters: int, kernel: int = 3, *, stride: int = 1, groups: int = 1,
        epsilon: float = 1e-5,
    ) -> None:  # fmt: skip
        super().__init__()
        before = (kernel - stride) // 2
        after = kernel - stride - before
        self._padding = (before, after, before, after) if before != after else None
        self.conv = nn.Conv2d(
            channels, filters, kernel, stride, 0 if self._padding else before, groups=groups,
            bias=False,
        )  # fmt: skip
        self.norm: nn.Module = nn.BatchNorm2d(filters, epsilon)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, channels, h, w) to (n, filters, h / stride, w / stride)."""
        if self._padding is not None:
            x = F.pad(x, self._padding)
        if self.training and self.conv.groups > 1 and x.device.type == "cpu":
            # The gradient of a depthwise convolution takes 2 to 4 times as long in bf16.
            with torch.autocast("cpu", enabled=False):
                return self.norm(self.conv(x.float()))  # type: ignore[no-any-return]
        return self.norm(self.conv(x))  # type: ignore[no-any-return]

    def fold(self) -> None:
        """Put the normalisation into the weights of the convolution, for inference only."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """Fold all batch normalisations of a network in evaluation mode, in place.

    The outputs differ by rounding only. Returns the network.
    """
    for module in network.modules():
        if isinstance(module, ConvNorm):
            module.fold()
    return network
