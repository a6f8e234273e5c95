"""The exponential average of the weights over the steps."""

import torch
from torch import nn

_RAMP = 10
"""The average over the first steps is short: after n steps the decay is at most (1 + n) / (10 + n),
as in TensorFlow's ExponentialMovingAverage."""


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move the weights of the average, and its statistics of batches, towards those of a network.

    Args:
        average: a copy of the network, changed in place.
        network: after a step.
        decay: share of the old average that remains, below 1.
        step: number of finished steps, from 1.
    """
    decay = min(decay, (1 + step) / (_RAMP + step))
    old, new = (
        [value for value in module.state_dict().values() if value.is_floating_point()]
        for module in (average, network)
    )
    torch._foreach_lerp_(old, new, 1 - decay)
