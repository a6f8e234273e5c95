"""The networks: U-Nets that map windows in scene values to class logits."""

import torch
from torch import Tensor, nn

from geoseg.model.networks.conv_norm import without_counters
from geoseg.model.networks.encoder_unet import EncoderUNet
from geoseg.model.networks.lab_unet import LabUNet
from geoseg.model.spec import LAB, UNetSpec

Network = LabUNet | EncoderUNet


def make_network(spec: UNetSpec) -> Network:
    """Return the network of a spec, with random weights.

    Raises:
        ModelError: if its encoder is not installed.
    """
    return LabUNet(spec) if spec.encoder == LAB else EncoderUNet(spec)


def network_weights(network: nn.Module) -> dict[str, Tensor]:
    """Return the weights of a network, or of a part of it, by name, as in its model file."""
    return without_counters(network.state_dict())


def weight_shapes(spec: UNetSpec) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of each weight of a network, without allocating memory.

    Raises:
        ModelError: if its encoder is not installed.
    """
    with torch.device("meta"):
        network = make_network(spec)
    return {name: tuple(value.shape) for name, value in network_weights(network).items()}
