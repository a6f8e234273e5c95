"""The settings of a classification, in the library and on the command line."""

from dataclasses import fields

import numpy as np
import pytest

from geoseg.classification import ClassifySettings, Cleaning, Execution, classify
from geoseg.cli.commands.classify import command
from geoseg.errors import GeosegError, RunError


@pytest.mark.parametrize("settings", [ClassifySettings, Cleaning, Execution])
def test_each_setting_is_an_option_with_the_same_default(settings):
    parsed = command.make_context("classify", ["scene.tif", "--out", "map.tif"]).params
    names = {field.name for field in fields(settings)} - {"cleaning"}
    assert names <= parsed.keys()
    assert {name: parsed[name] for name in names} == {
        name: getattr(settings(), name) for name in names
    }


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"shard": (0, 3)}, "count from 1/3 to 3/3"),
        ({"shard": (4, 3)}, "count from 1/3 to 3/3"),
        ({"shard": (1, 3), "resume": False}, "leave out resume=False"),
        ({"chunk": 600}, "chunk size 600 is not a positive multiple of 512"),
        ({"chunk": 0}, "chunk size 0 is not a positive multiple of 512"),
        ({"batch_size": 0}, "batch size is 0 windows"),
        ({"wait": -3.0}, r"the time to wait is -3 s, it must be at least 0 \(wait, --wait\)$"),
        ({"wait": float("nan")}, "the time to wait is nan s, it must be at least 0"),
    ],
)
def test_an_execution_that_makes_no_sense_is_refused(values, words):
    with pytest.raises(RunError, match=words):
        Execution(**values)


@pytest.mark.parametrize("rounds", [-1, 4, 2.5, 1.0])
def test_rounds_of_smoothing_are_a_whole_number(rounds):
    with pytest.raises(RunError, match="it must be a whole number from 0 to 3"):
        Cleaning(smooth=rounds)


def test_a_list_in_place_of_a_scene_is_refused(model, tmp_path):
    with pytest.raises(GeosegError, match="not list, give several to classify_scenes"):
        classify(["scene.tif"], tmp_path / "map.tif", model=model)


def test_numbers_of_numpy_are_numbers():
    assert ClassifySettings(nodata=np.uint8(3)) == ClassifySettings(nodata=3.0)
