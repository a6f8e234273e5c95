"""The settings of a classification, in the library and on the command line."""

from dataclasses import fields

import pytest

from geoseg.classification import ClassifySettings, Cleaning, Execution
from geoseg.cli.classify import command
from geoseg.errors import RunError


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
    ],
)
def test_an_execution_that_makes_no_sense_is_refused(values, words):
    with pytest.raises(RunError, match=words):
        Execution(**values)
