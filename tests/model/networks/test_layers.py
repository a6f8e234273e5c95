"""The layer table of networks with a pretrained encoder, compared with the networks."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.model import UNetSpec, layer_table, make_network, network_weights
from geoseg.model.networks.conv_norm import ConvNorm
from geoseg.model.networks.efficientnet_lite import InvertedResidual
from tests.support.torch_packages import import_or_skip

SMP = ["resnet18", "mobilenet_v2", "efficientnet-b0", "tu-resnetv2_50"]


def encoder_spec(encoder, *, bands=4, classes=5, width=16, window=64):
    return UNetSpec(
        bands=bands, classes=classes, width=width, depth=5, window=window, encoder=encoder
    )


def recorded_shapes(network, modules, spec):
    """Run a network; return the output shape (height, width, channels) of each named module."""
    shapes = {}

    def record(name):
        def hook(_module, _inputs, output):
            _, channels, height, width = output.shape
            shapes[name] = (height, width, channels)

        return hook

    for name, module in modules.items():
        module.register_forward_hook(record(name))
    with torch.inference_mode():
        network.eval()(torch.zeros(1, spec.bands, spec.window, spec.window))
    return shapes


def own_modules(network):
    """The modules that are not of the encoder, by the name of their layer."""
    decoder = {f"decoder_{number}": level for number, level in enumerate(network.decoder, 1)}
    return {
        "rescaling": network.rescale, "full_size": network.full_size, "dropout": network.dropout,
        **decoder, "head": network.head,
    }  # fmt: skip


def lite_modules(encoder):
    """The modules of EfficientNet-Lite0 by the name of their layer."""
    stages = {f"stage_{number}": stage for number, stage in enumerate(encoder.stages, 1)}
    return {"stem": encoder.stem, **stages}


def check_joins(layers):
    """Check the layers of the decoder that are no modules, and that layers read those before."""
    names = [layer.name for layer in layers]
    assert len(set(names)) == len(names)
    table = dict(zip(names, layers, strict=True))
    for layer in layers:
        inputs = [table[name] for name in layer.inputs]
        assert all(names.index(source.name) < names.index(layer.name) for source in inputs)
        if layer.kind == "UpSampling2D":
            [(height, width, channels)] = [source.shape for source in inputs]
            assert layer.shape == (2 * height, 2 * width, channels)
        if layer.kind == "Concatenate":
            assert layer.shape[2] == sum(source.shape[2] for source in inputs)
            assert {source.shape[:2] for source in inputs} == {layer.shape[:2]}


def skips_of(layers):
    """Names of the layers that the concatenations read beside the upsampling, by their side."""
    return {
        layer.shape[0]: next(name for name in layer.inputs if not name.startswith("upsample"))
        for layer in layers
        if layer.kind == "Concatenate"
    }


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 7), st.integers(1, 6), st.integers(1, 8))
def test_the_table_counts_the_weights_that_the_network_has(bands, classes, width):
    spec = encoder_spec("efficientnet-lite0", bands=bands, classes=classes, width=width)
    network = make_network(spec)
    counts = {layer.name: layer.parameters for layer in layer_table(spec)}
    assert sum(counts.values()) == sum(v.numel() for v in network_weights(network).values())
    for name, module in {**own_modules(network), **lite_modules(network.encoder)}.items():
        assert counts[name] == sum(v.numel() for v in network_weights(module).values()), name


def test_shapes_and_blocks_of_efficientnet_lite0_are_those_of_a_run():
    spec = encoder_spec("efficientnet-lite0")
    network, layers = make_network(spec), layer_table(spec)
    modules = {**own_modules(network), **lite_modules(network.encoder)}
    shapes = recorded_shapes(network, modules, spec)
    assert {layer.name: layer.shape for layer in layers if layer.name in modules} == shapes
    blocks = {"InvertedResidual": InvertedResidual, "Conv2D+BatchNorm": ConvNorm}
    for layer in layers:
        if kind := blocks.get(layer.kind):
            found = [m for m in modules[layer.name].modules() if isinstance(m, kind)]
            assert len(found) == layer.blocks, layer
    check_joins(layers)
    assert skips_of(layers) == {
        4: "stage_5", 8: "stage_3", 16: "stage_2", 32: "stage_1", 64: "full_size"
    }  # fmt: skip


@pytest.mark.parametrize("name", SMP)
def test_stages_of_smp_have_the_shapes_of_the_features_and_all_weights(name):
    import_or_skip("segmentation_models_pytorch")
    spec = encoder_spec(f"smp:{name}", bands=3)
    network, layers = make_network(spec).eval(), layer_table(spec)
    stages = [layer for layer in layers if layer.name.startswith("stage")]
    with torch.inference_mode():
        features = network.encoder(torch.zeros(1, 3, 64, 64))
    assert [layer.shape for layer in stages] == [(*f.shape[2:], f.shape[1]) for f in features]
    counted = sum(layer.parameters for layer in layers)
    assert counted == sum(v.numel() for v in network_weights(network).values())
    shapes = recorded_shapes(network, own_modules(network), spec)
    assert {layer.name: layer.shape for layer in layers if layer.name in shapes} == shapes
    check_joins(layers)
    sides = (4, 8, 16, 32)
    skips = dict(zip(sides, ("stage_4", "stage_3", "stage_2", "stage_1"), strict=True))
    assert skips_of(layers) == {**skips, 64: "full_size"}


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_stages_of_resnet18_are_those_of_its_modules(mode):
    import_or_skip("segmentation_models_pytorch")
    spec = encoder_spec("smp:resnet18")
    resnet = make_network(spec).encoder.network
    wanted = [
        [resnet.conv1, resnet.bn1], [resnet.layer1], [resnet.layer2], [resnet.layer3],
        [resnet.layer4],
    ]  # fmt: skip
    with mode():
        counts = [lay.parameters for lay in layer_table(spec) if lay.name.startswith("stage")]
    assert counts == [
        sum(v.numel() for v in itertools.chain(*(network_weights(m).values() for m in modules)))
        for modules in wanted
    ]
