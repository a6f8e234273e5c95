"""The layers of a U-Net as a table, as Keras' ``model.summary()`` lists them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from geoseg.model.networks import network_weights
from geoseg.model.networks.efficientnet_lite import STAGES, STEM, EfficientNetLite0
from geoseg.model.networks.encoder_unet import LEVEL_FACTORS, EncoderUNet
from geoseg.model.networks.smp_encoder import SmpEncoder
from geoseg.model.spec import LAB, SMP, UNetSpec

_CONV_NORM = "Conv2D+BatchNorm"
"""Kind of a convolution with batch normalisation and ReLU."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One row of the layer table."""

    name: str
    kind: str
    """Keras class of the layer, such as "Conv2D", or the kind of the blocks of a stage."""
    shape: tuple[int, ...]
    """Output shape (height, width, channels)."""
    parameters: int
    """With the means and variances of batch normalisation, which are not trained."""
    inputs: tuple[str, ...]
    """Names of the layers that this one reads."""
    blocks: int = 1
    """Number of blocks of this kind, one after the other."""


def layer_table(spec: UNetSpec) -> list[Layer]:
    """Return the layers of a network in order of execution.

    Those of the reference network are named and counted as Keras does. A network with another
    encoder has one row for each stage.

    Raises:
        ModelError: if the encoder is not installed.
    """
    if spec.encoder == LAB:
        return _lab_layers(spec)
    # `_count_by_feature` needs autograd, which a caller may have turned off.
    with torch.inference_mode(mode=False), torch.device("meta"):
        return _encoder_unet_layers(spec)


def _lab_layers(spec: UNetSpec) -> list[Layer]:
    table: list[Layer] = []
    name_counts: dict[str, int] = {}

    def add(kind: str, stem: str, shape: tuple[int, ...], parameters: int, *inputs: str) -> str:
        n = name_counts.get(stem, 0)
        name_counts[stem] = n + 1
        name = f"{stem}_{n}" if n else stem
        table.append(Layer(name, kind, shape, parameters, inputs))
        return name

    def conv(source: str, side: int, channels: int, filters: int, kernel: int = 3) -> str:
        parameters = (channels * kernel**2 + 1) * filters
        return add("Conv2D", "conv2d", (side, side, filters), parameters, source)

    def double_conv(source: str, side: int, channels: int, filters: int) -> str:
        x = conv(source, side, channels, filters)
        x = add("Dropout", "dropout", (side, side, filters), 0, x)
        return conv(x, side, filters, filters)

    side, channels = spec.window, spec.bands
    x = add("InputLayer", "input_layer", (side, side, channels), 0)
    x = add("Rescaling", "rescaling", (side, side, channels), 0, x)
    skips = []
    for level in range(spec.depth):
        filters = spec.width * 2**level
        x = double_conv(x, side, channels, filters)
        skips.append(x)
        side, channels = side // 2, filters
        x = add("MaxPooling2D", "max_pooling2d", (side, side, channels), 0, x)
    filters = spec.width * 2**spec.depth
    x = add("Dropout", "dropout", (side, side, channels), 0, x)
    x = conv(x, side, channels, filters)
    x = conv(x, side, filters, filters)
    channels = filters
    for level in reversed(range(spec.depth)):
        filters, side = spec.width * 2**level, side * 2
        parameters = (channels * 4 + 1) * filters
        up = add("Conv2DTranspose", "conv2d_transpose", (side, side, filters), parameters, x)
        x = add("Concatenate", "concatenate", (side, side, 2 * filters), 0, skips[level], up)
        x = double_conv(x, side, 2 * filters, filters)
        channels = filters
    conv(x, side, channels, spec.classes, kernel=1)
    return table


def _encoder_unet_layers(spec: UNetSpec) -> list[Layer]:
    """Return the layers of a network that is built on the current device."""
    network = EncoderUNet(spec).eval()
    size = (spec.window, spec.window)
    image = Layer("input_layer", "InputLayer", (*size, spec.bands), 0, ())
    rescaling = Layer("rescaling", "Rescaling", image.shape, 0, (image.name,))
    full_size = Layer(
        "full_size", _CONV_NORM, (*size, spec.width), _count(network.full_size), (rescaling.name,)
    )
    stages = list(_encoder_layers(network.encoder, spec, rescaling.name))
    dropout = Layer("dropout", "Dropout", stages[-1].shape, 0, (stages[-1].name,))
    skips = {layer.shape[:2]: layer for layer in [full_size, *stages]}  # the last one of each size
    decoder = _decoder_layers(network, dropout, skips)
    return [image, rescaling, full_size, *stages, dropout, *decoder]


def _encoder_layers(
    encoder: EfficientNetLite0 | SmpEncoder, spec: UNetSpec, source: str
) -> Iterator[Layer]:
    """Yield the stages of an encoder. The first one reads the layer ``source``."""
    if isinstance(encoder, EfficientNetLite0):
        yield from _lite_layers(encoder, spec.window, source)
        return
    kind = spec.encoder.removeprefix(SMP)
    features = encoder(torch.empty(1, spec.bands, spec.window, spec.window))
    stages = zip(features, _count_by_feature(encoder, features), strict=True)
    for number, (feature, parameters) in enumerate(stages, 1):
        channels, *size = feature.shape[1:]
        yield Layer(f"stage_{number}", kind, (*size, channels), parameters, (source,))
        source = f"stage_{number}"


def _lite_layers(encoder: EfficientNetLite0, window: int, source: str) -> Iterator[Layer]:
    # Sizes are computed, because a run on the "meta" device would import torch's compiler (2 s).
    side = window // 2
    yield Layer("stem", _CONV_NORM, (side, side, STEM), _count(encoder.stem), (source,))
    source = "stem"
    for number, (stage, module) in enumerate(zip(STAGES, encoder.stages, strict=True), 1):
        side //= stage.stride
        yield Layer(
            f"stage_{number}", "InvertedResidual", (side, side, stage.filters), _count(module),
            (source,), stage.blocks,
        )  # fmt: skip
        source = f"stage_{number}"


def _decoder_layers(
    network: EncoderUNet, x: Layer, skips: Mapping[tuple[int, ...], Layer]
) -> Iterator[Layer]:
    """Yield the levels of the decoder, which reads ``x`` first, and the head."""
    levels = zip(network.decoder, reversed(LEVEL_FACTORS), strict=True)
    for number, (level, factor) in enumerate(levels, 1):
        height, width, channels = x.shape
        size = (2 * height, 2 * width)
        up = Layer(f"upsample_{number}", "UpSampling2D", (*size, channels), 0, (x.name,))
        skip, filters = skips[size], network.spec.width * factor
        shape, inputs = (*size, channels + skip.shape[2]), (up.name, skip.name)
        concat = Layer(f"concat_{number}", "Concatenate", shape, 0, inputs)
        x = Layer(
            f"decoder_{number}", _CONV_NORM, (*size, filters), _count(level), (concat.name,),
            blocks=2,
        )  # fmt: skip
        yield from (up, concat, x)
    logits = (*x.shape[:2], network.spec.classes)
    yield Layer("head", "Conv2D", logits, _count(network.head), (x.name,))


def _count(module: nn.Module) -> int:
    return sum(value.numel() for value in network_weights(module).values())


def _count_by_feature(network: nn.Module, features: Sequence[Tensor]) -> list[int]:
    """Count the weights of the modules that each feature needs, and the features before it do not.

    The last count includes the modules that no feature needs. Which modules a feature needs is in
    the graph that autograd has recorded.
    """
    owners = {weight: m for m in network.modules() for weight in m.parameters(recurse=False)}
    first: dict[nn.Module, int] = {}
    visited = set()
    for index, feature in enumerate(features):
        nodes = [feature.grad_fn]
        while nodes:
            node = nodes.pop()
            if node is None or node in visited:
                continue
            visited.add(node)
            nodes += [source for source, _ in node.next_functions]
            if hasattr(node, "variable"):  # a weight
                first.setdefault(owners[node.variable], index)
    counts = [0] * len(features)
    for name, value in network_weights(network).items():
        module = network.get_submodule(name.rpartition(".")[0])
        counts[first.get(module, -1)] += value.numel()
    return counts
