"""The encoder EfficientNet-Lite0.

EfficientNet (Tan and Le 2019, https://arxiv.org/abs/1905.11946) without squeeze-and-excitation and
with ReLU6, as Google published it for mobile devices:
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
"""

from dataclasses import dataclass

import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor, nn

from geoseg.model.networks.conv_norm import ConvNorm

EPSILON = 1e-3
"""Of the batch normalisation, as in the training of the ImageNet weights."""
STEM = 32
"""Filters of the first convolution."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of the same size."""

    blocks: int
    kernel: int
    stride: int
    """Of the first block; the others have 1."""
    expansion: int
    """Channels inside a block, relative to its input."""
    filters: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
SKIPS = (0, 1, 2, 4, 6)
"""Stages whose outputs the decoder reads: the last ones with 1/2, 1/4, ..., 1/32 of the size."""


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution and projection, added to the input if the shapes agree."""

    def __init__(self, channels: int, stage: Stage, stride: int) -> None:
        super().__init__()
        inner = channels * stage.expansion
        self.expand = ConvNorm(channels, inner, 1, epsilon=EPSILON) if inner > channels else None
        self.depthwise = ConvNorm(
            inner, inner, stage.kernel, stride=stride, groups=inner, epsilon=EPSILON
        )
        self.project = ConvNorm(inner, stage.filters, 1, epsilon=EPSILON)
        self._residual = stride == 1 and channels == stage.filters

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, channels, h, w) to (n, filters, h / stride, w / stride)."""
        y = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        y = self.project(F.relu6(self.depthwise(y), inplace=True))
        return x + y if self._residual else y  # type: ignore[no-any-return]


class EfficientNetLite0(nn.Module):
    """Images to features at five scales.

    The parameters have the order of the published ones, which end with a classifier (see
    `pretrained.load_encoder_weights`).
    """

    filters = tuple(STAGES[index].filters for index in SKIPS)
    """Channels of the features, from 1/2 to 1/32 of the size."""
    mean, std = 0.5, 0.5
    """Standardisation of the inputs 0..1 in the training of the ImageNet weights."""

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.stem = ConvNorm(bands, STEM, stride=2, epsilon=EPSILON)
        stages, channels = [], STEM
        for stage in STAGES:
            blocks = []
            for number in range(stage.blocks):
                stride = stage.stride if number == 0 else 1
                blocks.append(InvertedResidual(channels, stage, stride))
                channels = stage.filters
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map standardised images (n, bands, h, w) to features of 1/2, 1/4, ..., 1/32 of the size.

        Height and width are multiples of 32.
        """
        x = F.relu6(self.stem(x), inplace=True)
        features = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in SKIPS:
                features.append(x)
        return features
