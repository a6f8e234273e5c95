"""The U-Net, its file, and its scores."""

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from geoseg.errors import GeosegError, ModelError, OutputError
from geoseg.legend import Legend
from geoseg.model import (
    SYMMETRIES,
    Model,
    Predictor,
    UNetSpec,
    apply_symmetry,
    best_class,
    invert_symmetry,
    layer_table,
    make_network,
)
from tests.support.models import refused, tiny_model
from tests.support.windows import scores_of

REFERENCE_PARAMETERS = 1_941_190


def test_the_default_network_has_as_many_parameters_as_the_reference_network():
    network = make_network(UNetSpec())
    assert sum(p.numel() for p in network.parameters()) == REFERENCE_PARAMETERS
    assert sum(layer.parameters for layer in layer_table(UNetSpec())) == REFERENCE_PARAMETERS


@given(st.integers(1, 7), st.integers(2, 12), st.integers(1, 8), st.integers(1, 3))
def test_the_layer_table_counts_what_the_network_has(bands, classes, width, depth):
    spec = UNetSpec(bands=bands, classes=classes, width=width, depth=depth, window=16)
    counted = sum(p.numel() for p in make_network(spec).parameters())
    assert sum(layer.parameters for layer in layer_table(spec)) == counted


def test_random_weights_have_the_distribution_of_keras():
    torch.manual_seed(0)
    network = make_network(UNetSpec())
    kernel = network.bottom_second.weight.detach()
    he = (2 / (256 * 9)) ** 0.5
    assert abs(float(kernel.std()) / he - 1) < 0.01
    assert float(kernel.abs().max()) <= 2 * he / 0.8796 + 1e-6
    assert all(bool((m.bias == 0).all()) for m in network.modules() if hasattr(m, "bias"))


def test_scores_do_not_depend_on_place_in_the_batch_or_neighbours(model):
    windows = np.random.default_rng(0).integers(0, 256, (11, 3, 32, 32), dtype=np.uint8)
    predictor = Predictor(Model.load(model), device="cpu", batch_size=4)
    together = scores_of(predictor, windows)
    for i in (0, 3, 5, 10):
        assert np.array_equal(scores_of(predictor, windows[i : i + 1])[0], together[i])
    np.testing.assert_allclose(together.sum(1), 1, atol=1e-5)


def test_tta_scores_turn_with_the_image(model):
    predictor = Predictor(Model.load(model), device="cpu", tta=True)
    window = np.random.default_rng(0).integers(0, 256, (1, 3, 32, 32), dtype=np.uint8)
    plain = torch.from_numpy(scores_of(predictor, window))
    for symmetry in range(SYMMETRIES):
        turned = apply_symmetry(torch.from_numpy(window), symmetry).numpy()
        scores = torch.from_numpy(scores_of(predictor, turned))
        assert torch.allclose(invert_symmetry(scores, symmetry), plain, atol=1e-5)


@pytest.mark.parametrize("symmetry", range(SYMMETRIES))
def test_invert_symmetry_undoes_apply_symmetry_and_all_symmetries_differ(symmetry):
    square = torch.arange(9).reshape(3, 3)
    assert torch.equal(invert_symmetry(apply_symmetry(square, symmetry), symmetry), square)
    others = [apply_symmetry(square, s) for s in range(SYMMETRIES) if s != symmetry]
    assert not any(torch.equal(apply_symmetry(square, symmetry), other) for other in others)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_every_dtype_of_scene_gives_the_same_scores_for_the_same_values(model, dtype):
    predictor = Predictor(Model.load(model), device="cpu")
    window = np.random.default_rng(0).integers(0, 256, (1, 3, 32, 32))
    expected = scores_of(predictor, window.astype(np.uint8))
    assert np.array_equal(scores_of(predictor, window.astype(dtype)), expected)


def test_bf16_is_close_to_fp32(model):
    loaded = Model.load(model)
    window = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    exact = scores_of(Predictor(loaded, device="cpu"), window)
    close = scores_of(Predictor(loaded, device="cpu", precision="bf16"), window)
    assert close.dtype == np.float32
    assert 0 < np.abs(close - exact).max() < 0.05


def test_bf16_does_not_round_the_input_scaling(model):
    """1003 is 1000 or 1008 in bf16, which would move all values out of the range."""
    loaded = Model.load(model)
    network = make_network(replace(loaded.spec, low=(1003.0,), high=(1005.0,)))
    network.load_state_dict(loaded.network.state_dict())
    loaded = replace(loaded, network=network.eval(), dtype="uint16")
    window = np.random.default_rng(0).integers(1003, 1006, (2, 3, 32, 32), dtype=np.uint16)
    exact = scores_of(Predictor(loaded, device="cpu"), window)
    close = scores_of(Predictor(loaded, device="cpu", precision="bf16"), window)
    assert np.abs(close - exact).max() < 0.05


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_best_class_is_the_argmax(classes, seed):
    scores = torch.from_numpy(np.random.default_rng(seed).integers(0, 4, (classes, 3, 5))).float()
    index, best = best_class(scores)
    assert np.array_equal(index.numpy(), scores.numpy().argmax(0))
    assert np.array_equal(best.numpy(), scores.numpy().max(0))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_score_that_is_not_finite_has_no_class(value):
    scores = torch.rand(3, 4, 5)
    scores[1, 2, 3] = value
    with pytest.raises(ModelError, match=r"not finite numbers, check the values of the scene"):
        best_class(scores)


def test_a_saved_model_loads_with_all_its_fields(tmp_path):
    torch.manual_seed(0)
    spec = UNetSpec(bands=2, classes=3, width=2, depth=1, window=16, low=(0, 10), high=(100, 3000))
    saved = Model(
        make_network(spec), Legend.from_names(["a", "b", "c"]), ("nir", "red"), dtype="uint16",
        pixel_size=10.0, training={"epochs": 3},
    )  # fmt: skip
    saved.save(tmp_path / "m.safetensors")
    loaded = Model.load(tmp_path / "m.safetensors")
    assert (loaded.spec, loaded.legend, loaded.band_names) == (spec, saved.legend, ("nir", "red"))
    assert (loaded.dtype, loaded.pixel_size, loaded.training) == ("uint16", 10.0, {"epochs": 3})
    weights = saved.network.state_dict()
    assert all(torch.equal(v, weights[k]) for k, v in loaded.network.state_dict().items())
    assert len(loaded.hash) == 16
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


class Bomb:
    """Unpickling it would run code."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('code was run')",))


def test_a_pickled_model_is_refused_without_running_it(tmp_path):
    torch.save({"w": Bomb()}, tmp_path / "zip.pt")
    assert "pickled PyTorch file" in refused(tmp_path / "zip.pt")
    torch.save({"w": Bomb()}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert "pickled PyTorch file" in refused(tmp_path / "old.pt")


def test_a_file_that_is_no_model_is_refused(tmp_path, model):
    assert "No such file" in refused(tmp_path / "missing.safetensors")
    (tmp_path / "text.safetensors").write_text("hello, this is not a model at all")
    assert "not a model" in refused(tmp_path / "text.safetensors")
    (tmp_path / "empty.safetensors").write_bytes(b"")
    assert "not a model" in refused(tmp_path / "empty.safetensors")
    data = model.read_bytes()
    for share in (0.02, 0.5, 0.99):
        (tmp_path / "cut.safetensors").write_bytes(data[: int(len(data) * share)])
        assert "truncated" in refused(tmp_path / "cut.safetensors")
    save_file({"w": torch.zeros(3)}, tmp_path / "other.safetensors")
    assert "not a geoseg model" in refused(tmp_path / "other.safetensors")
    for metadata in ("nonsense", json.dumps([1]), json.dumps({"format": 1})):
        save_file({"w": torch.zeros(3)}, tmp_path / "odd.safetensors", {"geoseg": metadata})
        assert "odd.safetensors" in refused(tmp_path / "odd.safetensors")
    newer = json.dumps({"format": 99})
    save_file({"w": torch.zeros(3)}, tmp_path / "newer.safetensors", {"geoseg": newer})
    assert "format 99" in refused(tmp_path / "newer.safetensors")


def test_hash_and_weights_are_of_one_version_of_the_file(tmp_path, model, monkeypatch):
    path, old = tmp_path / "m.safetensors", Model.load(model)
    old.save(path)
    read = Path.read_bytes

    def read_and_replace(self):
        data = read(self)
        if self == path:
            with torch.no_grad():
                other = next(old.network.parameters())
                other += 1
            old.save(path)
        return data

    monkeypatch.setattr(Path, "read_bytes", read_and_replace)
    loaded = Model.load(path)
    monkeypatch.undo()
    assert (
        loaded.hash == hashlib.sha256(model.read_bytes()).hexdigest()[:16] != Model.load(path).hash
    )
    first, original = (next(m.network.parameters()) for m in (loaded, Model.load(model)))
    assert torch.equal(first, original)


def test_a_model_that_cannot_be_written_leaves_nothing(tmp_path, model):
    loaded = Model.load(model)
    with pytest.raises(OutputError, match=r"cannot write m\.safetensors"):
        loaded.save(tmp_path / "missing" / "m.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_half_precision_weights_are_half_the_size_and_read_back_rounded(tmp_path, model):
    loaded = Model.load(model)
    loaded.save(tmp_path / "whole.safetensors")
    loaded.save(tmp_path / "half.safetensors", half=True)
    sizes = [(tmp_path / f"{n}.safetensors").stat().st_size for n in ("whole", "half")]
    header = 500  # largest difference of the texts (bytes)
    assert sizes[0] - sizes[1] == pytest.approx(2 * loaded.trainable_parameters, abs=header)
    whole, half = (Model.load(tmp_path / f"{n}.safetensors") for n in ("whole", "half"))
    for name, value in half.network.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, whole.network.state_dict()[name].half().float())
    assert (half.legend, half.spec, half.training) == (whole.legend, whole.spec, whole.training)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"window": 100}, "multiple of 16"),
        ({"classes": 0}, "classes is 0, give a whole number from 1 to 256"),
        ({"dropout": 1.0}, "dropout"),
        ({"low": (0, 0)}, "low has 2"),
        ({"high": (0,)}, "is empty, give a high value above"),
    ],
)
def test_a_spec_out_of_range_is_refused(fields, words):
    with pytest.raises(ModelError, match=words):
        UNetSpec(**fields)


@pytest.mark.parametrize(
    ("device", "precision", "words"),
    [
        ("cuda:99", "auto", "there is no device"),
        ("banana", "auto", "unknown device"),
        ("cpu", "fp16", "works on a GPU only"),
        ("cpu", "int8", "unknown precision"),
    ],
)
def test_a_missing_device_or_unsupported_precision_is_refused(model, device, precision, words):
    with pytest.raises(GeosegError, match=words):
        Predictor(Model.load(model), device=device, precision=precision)


def test_fill_invalid_fills_with_low():
    spec = UNetSpec(bands=2, classes=2, low=(10.4, 20), high=(100, 100))
    pixels = np.full((2, 2, 2), 50, np.uint16)
    valid = np.array([[True, False], [True, True]])
    spec.scaling.fill_invalid(pixels, valid)
    assert pixels[:, 0, 1].tolist() == [10, 20]
    assert (pixels[:, valid] == 50).all()


def test_different_models_have_different_hashes(tmp_path, model):
    other = Model.load(tiny_model(tmp_path / "other.safetensors", seed=2))
    assert other.hash != Model.load(model).hash


def test_a_weight_too_large_for_half_precision_is_refused(tmp_path, model):
    loaded = Model.load(model)
    next(loaded.network.parameters()).data.flatten()[0] = 1e5
    with pytest.raises(ModelError, match="a weight is too large for float16, save the model in"):
        loaded.save(tmp_path / "m.safetensors", half=True)
    assert list(tmp_path.iterdir()) == []
