"""Damaged and absurd model files: one sentence, at once, or a model that works."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from geoseg.errors import ModelError
from geoseg.info import as_text, describe
from geoseg.legend import Legend
from geoseg.model import Model, Predictor, UNetSpec, find_model, make_network
from geoseg.model.networks import weight_shapes
from tests.support.models import as_json, check_message, refused
from tests.support.training import one_thread as one_thread

SCORES = {"iou": 0.5, "users_accuracy": 0.6, "producers_accuracy": None, "pixels": 9}
TRAINING = {
    "settings": {"epochs": 2, "lr": 0.001, "ignore": [], "patience": None},
    "start": None,
    "tiles": {"train": 3, "val": 1},
    "best_epoch": 1,
    "epochs": 2,
    "validation": {
        "accuracy": 0.7, "mean_iou": 0.5, "pixels": 18, "confusion": [],
        "classes": {"water": SCORES},
    },
    "calibration": {
        "temperature": 1.5, "expected_calibration_error": 0.1,
        "expected_calibration_error_at_1": 0.2,
    },
}  # fmt: skip


@pytest.fixture
def path(tmp_path):
    torch.manual_seed(0)
    spec = UNetSpec(bands=2, classes=2, width=1, depth=1, window=16)
    model = Model(
        make_network(spec), Legend.from_names(["water", "land"]), ("red", "nir"), pixel_size=10.0,
        training=TRAINING, temperature=1.5, pixel_size_range=(5.0, 20.0),
    )  # fmt: skip
    model.save(tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


def contents(path):
    """Metadata and weights of a model file."""
    with safe_open(path, framework="pt") as file:
        names = list(file.keys())
        weights = {name: file.get_tensor(name) for name in names}
        return json.loads(file.metadata()["geoseg"]), weights


# Weights.


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("checksum", [True, False], ids=["with checksum", "older file"])
def test_a_weight_that_is_not_finite_is_refused(path, value, checksum):
    model = Model.load(path)
    with torch.no_grad():
        model.network.head.weight[1, 0] = value
    model.save(path)
    if not checksum:
        metadata, weights = contents(path)
        del metadata["weights_sha256"]
        save_file(weights, path, {"geoseg": json.dumps(metadata)})
    assert "head.weight holds values that are not finite numbers" in refused(path)


def test_a_weight_beyond_float32_is_refused(path):
    metadata, weights = contents(path)
    del metadata["weights_sha256"]
    weights["head.bias"] = torch.tensor([0, 1e300], dtype=torch.float64)
    save_file(weights, path, {"geoseg": json.dumps(metadata)})
    assert "head.bias holds values that are not finite" in refused(path)


@pytest.mark.parametrize(
    "scaling",
    [
        {"low": (math.nan,) * 3}, {"high": (math.inf,) * 3}, {"low": (-math.inf,)},
        {"low": (0,), "high": (5e-324,)}, {"low": (-3e38,), "high": (3e38,)}, {"low": "abc"},
    ],
    ids=str,
)  # fmt: skip
def test_a_scaling_that_is_not_finite_is_refused(scaling):
    with pytest.raises(ModelError, match=r"low is|high is|scaling from"):
        UNetSpec(**scaling)


def test_a_flipped_byte_of_the_weights_is_refused_by_the_checksum(path):
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    assert "its weights do not match its checksum" in refused(path)


def test_the_checksum_is_that_of_the_stored_weights_also_at_half_precision(path):
    Model.load(path).save(path, half=True)
    metadata, weights = contents(path)
    assert {value.dtype for value in weights.values()} == {torch.float16}
    Model.load(path)
    metadata["weights_sha256"] = metadata["weights_sha256"][::-1]
    save_file(weights, path, {"geoseg": json.dumps(metadata)})
    assert "checksum" in refused(path)


def test_an_older_file_without_checksum_and_range_of_pixel_sizes_loads(path):
    metadata, weights = contents(path)
    for key in ("weights_sha256", "pixel_size_range"):
        del metadata[key]
    save_file(weights, path, {"geoseg": json.dumps(metadata)})
    assert Model.load(path).pixel_size_range == (10.0, 10.0)


@pytest.mark.parametrize("start", [b"\x80", b"PK"])
def test_a_model_whose_first_bytes_look_like_a_pickle_or_an_archive_loads(path, start):
    model = Model.load(path)
    shortest = int.from_bytes(path.read_bytes()[:8], "little")
    wanted = next(
        n for n in range(shortest + 64, 99_999, 8) if n.to_bytes(8, "little")[: len(start)] == start
    )
    padding = "x" * (wanted - shortest - 24)
    while not path.read_bytes().startswith(start):
        replace(model, training={**TRAINING, "note": padding}).save(path)
        padding += "x"
    assert Model.load(path).hash != model.hash


def test_a_file_of_another_kind_is_refused_before_it_is_read(tmp_path, monkeypatch):
    """A scene that is given as the model may be larger than the memory."""
    scene = tmp_path / "scene.tif"
    scene.write_bytes(b"II*\0\x08\0\0\0\0\0")
    monkeypatch.setattr("pathlib.Path.read_bytes", None)
    assert "is not a model, or is truncated" in refused(scene)


def test_a_file_larger_than_the_memory_is_refused_in_a_sentence(path, monkeypatch):
    def too_large(self):
        raise MemoryError

    monkeypatch.setattr("pathlib.Path.read_bytes", too_large)
    assert "it is larger than the memory" in refused(path)


def test_the_long_reason_of_a_damaged_header_is_cut(path):
    path.write_bytes(path.read_bytes().replace(b'"F32"', b'"F99"', 1))
    assert "is not a model, or is truncated" in refused(path)


# Shapes.


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("depth", 7, "but a network of depth 7 and width 16 needs shape"),
        ("depth", 10**9, "depth is 1000000000, give a whole number from 1 to 12"),
        ("width", 96, "but a network of depth 4 and width 96 needs shape 1536"),
        ("width", 4096, "needs shape 65536"),
        ("width", 10**9, "width is 1000000000, give a whole number from 1 to 4096"),
        ("bands", 4, "but a network of depth 4"),
        ("classes", 5, "has shape 6, but a network of depth 4 and width 16 needs shape 5"),
    ],
)
def test_weights_are_compared_with_the_spec_before_a_network_is_built(
    tmp_path, monkeypatch, field, value, words
):
    metadata, weights = contents(find_model("lab"))
    metadata["unet"][field] = value
    path = tmp_path / "m.safetensors"
    save_file(weights, path, {"geoseg": json.dumps(metadata)})
    monkeypatch.setattr("geoseg.model.model_file.make_network", None)
    monkeypatch.setattr("geoseg.model.model_file._check_weights", None)
    assert words in refused(path)


def test_the_shapes_of_the_weights_are_those_of_a_network_and_take_no_memory():
    spec = UNetSpec(bands=4, classes=3, width=3, depth=2, window=16)
    state = make_network(spec).state_dict()
    assert weight_shapes(spec) == {name: tuple(value.shape) for name, value in state.items()}
    assert weight_shapes(UNetSpec(width=4096, depth=12, window=4096))["bottom_first.bias"] == (
        4096 * 2**12,
    )


def test_a_file_of_other_weights_is_refused(path):
    metadata, weights = contents(path)
    weights["extra"] = torch.zeros(2)
    save_file(weights, path, {"geoseg": json.dumps(metadata)})
    assert "weight 'extra' has shape 2, but a network of depth 1 and width 1 needs no value" in (
        refused(path)
    )


# Metadata.

ABSURD = (
    None, True, 0, 7, -1, 0.5, 1e300, 10**400, math.nan, "", "3", "\ud800", "x" * 9999,
    [], [None], ["a", "b"], {}, {"a": 1},
)  # fmt: skip


def places(data, path=()):
    """The path to each value of nested objects and lists."""
    for key in data if isinstance(data, dict) else range(len(data)):
        yield (*path, key)
        if isinstance(data[key], dict | list):
            yield from places(data[key], (*path, key))


def test_an_absurd_value_is_refused_in_a_sentence_or_the_model_works(path):
    original, weights = contents(path)
    window = np.zeros((2, 16, 16), np.uint8)
    loaded = []
    for place in places(original):
        for value in ABSURD:
            metadata = json.loads(json.dumps(original))
            owner = metadata
            for key in place[:-1]:
                owner = owner[key]
            owner[place[-1]] = value
            save_file(weights, path, {"geoseg": json.dumps(metadata)})
            try:
                model = Model.load(path)
            except ModelError as error:
                check_message(error, path)
                continue
            loaded.append(place)
            report = describe(path)
            as_text(report).encode()
            as_json(report)
            if place[0] not in ("unet", "temperature"):
                continue
            size = model.spec.window
            predictor = Predictor(model, device="cpu", batch_size=1)
            pixels = np.resize(window, (2, size, size))
            (scores,) = predictor.scores(pixels, [(slice(0, size), slice(0, size))])
            assert torch.isfinite(predictor.apply_temperature(scores)).all(), (place, value)
    assert ("pixel_size",) in loaded
    for place in (("unet", "depth"), ("legend",), ("legend", "classes", 0), ("weights_sha256",)):
        assert place not in loaded


def test_a_missing_entry_is_named(path):
    metadata, weights = contents(path)
    for key in ("unet", "legend", "bands", "dtype", "pixel_size", "training"):
        fewer = {name: value for name, value in metadata.items() if name != key}
        save_file(weights, path, {"geoseg": json.dumps(fewer)})
        assert f"it has no '{key}'" in refused(path)


def test_deeply_nested_metadata_is_refused(path):
    _, weights = contents(path)
    save_file(weights, path, {"geoseg": "[" * 100_000})
    assert "metadata" in refused(path)


# Pixel sizes.


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ((0.5, 0.1), "range 0.5 to 0.1 m is not in order"),
        ((0, 1), "pixel size is 0, give a number above 0"),
        ((1,), "is not a pair of numbers"),
        (3, "is not a pair of numbers"),
        ((1, math.inf), "pixel size is inf"),
    ],
)
def test_a_range_of_pixel_sizes_out_of_order_or_range_is_refused(path, sizes, words):
    model = Model.load(path)
    with pytest.raises(ModelError, match=words):
        Model(model.network, model.legend, model.band_names, pixel_size_range=sizes)


def test_the_range_of_pixel_sizes_is_kept_and_follows_from_the_pixel_size(path):
    model = Model.load(path)
    assert model.pixel_size_range == (5.0, 20.0)
    args = model.network, model.legend, model.band_names
    assert Model(*args).pixel_size_range is None
    assert Model(*args, pixel_size=3).pixel_size_range == (3.0, 3.0)
    assert Model(*args, pixel_size_range=[1, 2]).pixel_size_range == (1.0, 2.0)
