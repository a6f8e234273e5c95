"""The input scaling as the first layer of a network, so that pixels cannot be scaled wrongly."""

import torch
from torch import Tensor, nn

from geoseg.model.scaling import Scaling


class Rescale(nn.Module):
    """Scale scene values from ``low``..``high`` to 0..1.

    The numbers are in the spec, so they are no weights in the model file.
    """

    low: Tensor
    scale: Tensor

    def __init__(self, scaling: Scaling) -> None:
        super().__init__()
        # Plain floats: arithmetic on the "meta" device would import torch's compiler (1 s).
        pairs = zip(scaling.low, scaling.high, strict=True)
        scale = [1 / (high - low) for low, high in pairs]
        for name, values in (("low", scaling.low), ("scale", scale)):
            buffer = torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1)
            self.register_buffer(name, buffer, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, bands, h, w) in scene values, of any dtype, to float32."""
        return (x.float() - self.low) * self.scale
