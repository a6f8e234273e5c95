"""`geoseg info` on model files whose training record holds anything that JSON can."""

import copy
import json
import math
from dataclasses import replace

import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from geoseg.errors import ModelError
from geoseg.info import as_text, describe
from geoseg.info.training import training_facts
from geoseg.model import Model, UNetSpec, make_network
from geoseg.model.record import check_record
from tests.support.commands import here, refused
from tests.support.models import LEGEND, TRAINING, as_json, parse_facts, save_model

CALIBRATION = {
    "pixels": 1000, "temperature": 1.25, "expected_calibration_error": 0.385,
    "expected_calibration_error_at_1": 0.379,
}  # fmt: skip
RECORD = {**TRAINING, "calibration": CALIBRATION}
VALUES = {
    "missing": None,
    "NaN": math.nan,
    "infinite": math.inf,
    "huge": 10**400,
    "negative": -3,
    "text": "many",
    "surrogate": "\ud800",
    "empty text": "",
    "true": True,
    "list": [1, [2, [math.nan, None]]],
    "object": {"a": {"b": math.nan}},
    "empty object": {},
}
NOT_JSON = ("NaN", "infinite", "surrogate", "list", "object")


def places(record, path=()):
    """The path of each value in nested objects."""
    for name, value in record.items():
        yield (*path, name)
        if isinstance(value, dict):
            yield from places(value, (*path, name))


def changed(path, value):
    """The record with a value in another place, without it for None."""
    record = copy.deepcopy(RECORD)
    inner = record
    for name in path[:-1]:
        inner = inner[name]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return record


def with_record(model, record, out):
    """A model file with another training record (JSON), written without geoseg's own checks."""
    with safe_open(model, framework="pt") as file:
        metadata = json.loads(file.metadata()["geoseg"])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    metadata["training"] = "RECORD"
    save_file(weights, out, {"geoseg": json.dumps(metadata).replace('"RECORD"', record)})
    return out


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report of a model with the whole record."""
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    return describe(save_model(path, training=RECORD))


def with_training(report, record):
    """The report of the same model with another record; to load a file for each takes minutes.

    As when a file is loaded, a record that JSON cannot hold or that has wrong types is refused.
    """
    json.dumps(record, allow_nan=False, ensure_ascii=False).encode()
    check_record(record)
    return replace(report, data={**report.data, "training": record})


@pytest.mark.parametrize("value", VALUES)
def test_any_value_anywhere_is_refused_or_said_in_words_and_as_json(report, value):
    for path in places(RECORD):
        try:
            other = with_training(report, changed(path, VALUES[value]))
        except (ModelError, ValueError):
            # Settings may have any value that JSON can hold.
            assert path[0] != "settings" or len(path) == 1 or value in NOT_JSON, path
            continue
        text = as_text(other)
        text.encode()
        assert "nan" not in text.split(), path
        data = as_json(other)
        assert data["kind"] == "model", path


@pytest.mark.parametrize("record", [{}, {"a": [[[[]]]]}])
def test_records_with_unknown_entries_only(report, record):
    other = with_training(report, record)
    assert parse_facts(as_text(other))["Training"] == "not recorded"
    as_json(other)


@pytest.mark.parametrize("record", [None, [], "text", 3])
def test_records_of_another_type_are_refused(tmp_path, record):
    model = save_model(tmp_path / "m.safetensors", training=RECORD)
    done = here("info", with_record(model, json.dumps(record), tmp_path / "odd.safetensors"))
    assert "training must be of the type Mapping" in refused(done)


def test_the_command_shows_a_file_whose_record_is_odd(tmp_path):
    model = save_model(tmp_path / "m.safetensors", training=RECORD)
    record = changed(("validation", "accuracy"), None)
    record["settings"] |= {"lr": None, "note": "strange", "list": [None, {"a": []}]}
    path = with_record(model, json.dumps(record), tmp_path / "odd.safetensors")
    done = here("info", path)
    assert done.returncode == 0, done.stderr
    assert parse_facts(done.stdout)["Validation"] == "accuracy -, mean IoU 50.0 %, 1,000 pixels"
    assert "lr" not in parse_facts(done.stdout)["Training"]
    assert "note strange, list [None, {'a': []}]" in parse_facts(done.stdout)["Training"]
    done = here("info", path, "--json")
    assert done.returncode == 0, done.stderr
    settings = json.loads(done.stdout)["training"]["settings"]
    assert settings["lr"] is None


def test_the_command_refuses_a_record_that_json_cannot_hold(tmp_path):
    model = save_model(tmp_path / "m.safetensors", training=RECORD)
    record = changed(("settings", "lr"), math.nan)
    done = here("info", with_record(model, json.dumps(record), tmp_path / "nan.safetensors"))
    assert "metadata of model" in refused(done)


def test_a_record_that_is_nested_too_deeply_is_refused(tmp_path):
    model = save_model(tmp_path / "m.safetensors", training=RECORD)
    record = f'{{"settings": {"[" * 100_000}{"]" * 100_000}}}'
    done = here("info", with_record(model, record, tmp_path / "deep.safetensors"))
    assert "metadata of model" in refused(done)


SETTINGS = {
    "encoder": "efficientnet-lite0", "encoder_lr": 0.3, "encoder_weights": None, "depth": 5,
    "seed": 0, "warmup": 0.5, "clip": 5.0, "average": 0.998, "pseudo_labels": True, "ignore": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("encoder", "changes", "words"),
    [
        ("efficientnet-lite0", {}, "encoder lr 0.3, seed 0, warmup 0.5, clip 5.0, average 0.998, "
         "pseudo labels yes"),
        ("efficientnet-lite0", {"encoder_weights": "none", "pseudo_labels": False},
         "encoder weights none, seed 0, warmup 0.5, clip 5.0, average 0.998"),
        ("smp:resnet18", {"encoder_lr": 0.3, "average": 0.0, "clip": 0.0, "warmup": 0.0},
         "seed 0, pseudo labels yes"),
        ("lab", {"depth": 4, "pseudo_labels": False},
         "depth 4, seed 0, warmup 0.5, clip 5.0, average 0.998"),
    ],
)  # fmt: skip
def test_settings_without_effect_are_left_out(encoder, changes, words):
    [(title, text)] = training_facts({"settings": {**SETTINGS, **changes}}, encoder)
    assert (title, text) == ("Training", words)


def test_a_start_model_makes_the_rate_of_the_encoder_matter():
    record = {"settings": {"encoder_lr": 0.3}, "start": "abc"}
    assert training_facts(record, "lab") == [("Training", "encoder lr 0.3")]


def test_calibration_names_what_is_before_and_what_after(tmp_path):
    facts = parse_facts(as_text(describe(save_model(tmp_path / "m.safetensors", training=RECORD))))
    assert facts["Confidence"] == (
        "temperature 1.25, expected calibration error 38.5 % (37.9 % before temperature scaling)"
    )


def test_bands_without_a_name_have_a_number(tmp_path):
    network = make_network(UNetSpec(bands=4, classes=3, width=4, depth=2, window=32))
    Model(network, LEGEND, ("", "green", "", "nir")).save(tmp_path / "m.safetensors")
    facts = parse_facts(as_text(describe(tmp_path / "m.safetensors")))
    assert facts["Bands"] == "band 1, green, band 3, nir (uint8)"
