"""Encoders of segmentation_models_pytorch."""

import sys

import pytest
import torch

from geoseg.errors import ModelError
from geoseg.model import UNetSpec, load_encoder_weights, make_network
from geoseg.model.networks import weight_shapes
from tests.support.torch_packages import import_or_skip


@pytest.fixture(scope="module", autouse=True)
def smp():
    return import_or_skip("segmentation_models_pytorch")


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "tu-tf_efficientnet_lite0"])
def test_encoders_have_features_at_five_scales(name):
    spec = UNetSpec(bands=4, classes=3, width=4, depth=5, window=64, encoder=f"smp:{name}")
    network = make_network(spec).eval()
    with torch.inference_mode():
        assert network(torch.rand(1, 4, 64, 96) * 255).shape == (1, 3, 64, 96)
    shapes = {n: tuple(v.shape) for n, v in network.state_dict().items() if "batches" not in n}
    assert weight_shapes(spec) == shapes


def test_weights_of_timm_fit_by_name(tmp_path):
    spec = UNetSpec(bands=3, classes=3, width=4, depth=5, window=64, encoder="smp:resnet18")
    torch.manual_seed(0)
    source = make_network(spec).encoder.network
    torch.save({**source.state_dict(), "fc.weight": torch.zeros(2, 2)}, tmp_path / "w.pth")
    network = make_network(spec)
    load_encoder_weights(network.encoder, tmp_path / "w.pth", ("red", "green", "blue"))
    for name, value in network.encoder.network.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]), name


@pytest.mark.parametrize("name", ["banana", "tu-vit_tiny_patch16_224"])
def test_an_encoder_that_does_not_fit_is_refused(name):
    with pytest.raises(ModelError, match=f"{name}.*, give another"):
        make_network(UNetSpec(depth=5, window=64, encoder=f"smp:{name}"))


def test_without_the_package_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch.encoders", None)
    with pytest.raises(ModelError, match=r"pip install 'geoseg\[smp\]'"):
        make_network(UNetSpec(depth=5, window=64, encoder="smp:resnet18"))
