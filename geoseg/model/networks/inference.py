"""Networks for inference: without batch normalisation, and with probabilities as output."""

import copy

import torch
from torch import Tensor, nn

from geoseg.model.networks import Network
from geoseg.model.networks.conv_norm import fold_batch_norm


def inference_copy(network: Network) -> Network:
    """Return a copy in evaluation mode on the CPU, float32, with batch normalisation folded."""
    copied = copy.deepcopy(network).cpu().float().eval()
    fold_batch_norm(copied)
    return copied


class Probabilities(nn.Module):
    """A network that returns the probabilities of the classes, to be traced as an ONNX graph.

    Args:
        network: maps windows to logits.
        temperature: that divides the logits.
    """

    def __init__(self, network: nn.Module, temperature: float = 1.0) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature

    def forward(self, image: Tensor) -> Tensor:
        """Map (n, bands, h, w) in scene values to (n, classes, h, w)."""
        logits = self.network(image)
        if self.temperature != 1:
            logits = logits / self.temperature
        return torch.softmax(logits, dim=1)
