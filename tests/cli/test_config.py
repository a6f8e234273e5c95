"""Options that do not come from the command line: --config, the environment, completion."""

import json
import os
import subprocess
import sys

import click
import pytest

from geoseg.cli import cli
from geoseg.cli.config import config_name
from tests.support.commands import here, refused

COMMANDS = {name: cli.get_command(click.Context(cli), name) for name in cli.list_commands(None)}


def parse(name: str, *args: str) -> dict[str, object]:
    """The values that a command gets."""
    return COMMANDS[name].make_context(name, list(args)).params


def write_config(folder, text: str, name: str = "job.toml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_reads_a_config_whose_names_differ(name):
    params = COMMANDS[name].params
    assert "config" in {config_name(param) for param in params}
    names = [config_name(param) for param in params]
    assert len(set(names)) == len(names)


def test_a_file_gives_options_and_arguments_under_both_spellings(tmp_path):
    path = write_config(
        tmp_path,
        '\ufeffscenes = ["a b.tif", "c.tif"]\nout = "maps"\nmin-area = 50\ninput_std = [1, 0.5]\n'
        'tta = true\nresume = false\nbands = "3,2,1"\nco = "COMPRESS=ZSTD"\nshard = "1/2"\n',
    )
    values = parse("classify", "--config", path)
    expected = {
        "scenes": ("a b.tif", "c.tif"), "out": "maps", "min_area": 50.0, "input_std": (1.0, 0.5),
        "tta": True, "resume": False, "bands": (3, 2, 1), "shard": (1, 2), "overlap": 32,
        "creation_options": {"COMPRESS": "ZSTD"},
    }  # fmt: skip
    assert {name: values[name] for name in expected} == expected


def test_the_command_line_comes_first_then_the_file_then_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("GEOSEG_TILE_SIZE", "32")
    monkeypatch.setenv("GEOSEG_TILE_STRIDE", "16")
    monkeypatch.setenv("GEOSEG_TILE_VAL", "0.5")
    path = write_config(tmp_path, "size = 64\nstride = 48\n")
    given = ("scene.tif", "--out", "tiles", "--config", path)
    values = parse("tile", *given, "--size", "96")
    assert (values["size"], values["stride"], values["val"]) == (96, 48, 0.5)
    monkeypatch.setenv("GEOSEG_TILE_VAL", "")
    assert parse("tile", *given)["val"] == 0.25


def test_words_of_a_variable_are_those_of_a_shell(monkeypatch, tmp_path):
    monkeypatch.setenv("GEOSEG_CLASSIFY_SCENES", "'a b.tif' c.tif")
    monkeypatch.setenv("GEOSEG_CLASSIFY_OUT", "my maps")
    monkeypatch.setenv("GEOSEG_CLASSIFY_TTA", "yes")
    values = parse("classify")
    assert values["scenes"] == ("a b.tif", "c.tif")
    assert (values["out"], values["tta"]) == ("my maps", True)
    monkeypatch.setenv("GEOSEG_CLASSIFY_CONFIG", write_config(tmp_path, "overlap = 16"))
    assert parse("classify")["overlap"] == 16


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("overlp = 3", "unknown option 'overlp' of `geoseg classify`, use overlap"),
        ("config = 'b.toml'", "unknown option 'config'"),
        ("help = true", "unknown option 'help'"),
        ("overlap = 'wide'", "option overlap in {path}: 'wide' is not a valid integer"),
        ("overlap = true", "overlap in {path} is true, it must be a text, a number or a list"),
        ("overlap = [1, 2]", "option overlap in {path}: '1,2' is not a valid integer"),
        ("out = 2026-01-01", "it must be a text, a number or a list of these"),
        ("tta = 1", "option tta in {path} is 1, it must be true or false"),
        ("blend = 'hamm'", "option blend in {path}: 'hamm' is not one of"),
        ("bands = ['red', '']", "option bands in {path}: 'red,' is not a list of bands"),
        ("co = ['ZSTD']", "option co in {path}: 'ZSTD' is not an option like COMPRESS=ZSTD"),
        ("smooth = 9", "option smooth in {path}: 9 is not in the range"),
        ("[classify]\noverlap = 3", "unknown option 'classify'"),
        (
            "overlap = x",
            "cannot read {path}: Invalid value (at line 1, column 11), correct the file",
        ),
    ],
)
def test_a_wrong_file_is_told_in_one_sentence(text, words, tmp_path):
    path = write_config(tmp_path, text)
    sentence = refused(here("classify", "a.tif", "--out", "o.tif", "--config", path))
    assert words.format(path=path) in sentence


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("no.toml", None, "No such file or directory, check the path"),
        ("other.json", "{}", "not the report of a map"),
        ("list.json", "[1]", "not the report of a map"),
        ("deep.json", "[" * 100_000, "correct the file"),
        ("bytes.toml", b"\xff\xfe", "correct the file"),
    ],
)
def test_a_file_that_holds_no_options_is_told(name, content, words, tmp_path):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    sentence = refused(here("classify", "a.tif", "--out", "o.tif", "--config", path))
    assert name in sentence
    assert words in sentence


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("GEOSEG_CLASSIFY_OVERLAP", "wide", "'wide' is not a valid integer"),
        ("GEOSEG_CLASSIFY_TTA", "perhaps", "'perhaps' is not a valid boolean"),
        ("GEOSEG_CLASSIFY_SCENES", "'a.tif", "No closing quotation"),
    ],
)
def test_a_wrong_variable_is_told_by_its_name(variable, value, words, monkeypatch):
    monkeypatch.setenv(variable, value)
    sentence = refused(here("classify", "a.tif", "--out", "o.tif"))
    assert f"environment variable {variable}: {words}" in sentence


def test_variables_that_geoseg_reads_already_are_no_options():
    """GEOSEG_MODELS is the folder of models, GEOSEG_MOTO a program of the tests."""
    variables = {
        f"GEOSEG_{name}_{config_name(param)}".upper()
        for name, command in COMMANDS.items()
        for param in command.params
    }
    assert variables.isdisjoint({"GEOSEG_MODELS", "GEOSEG_MOTO", "GEOSEG_TEST"})


def test_options_that_are_null_in_a_report_are_not_set(tmp_path):
    text = json.dumps({"config": {"scenes": ["a.tif"], "out": "o.tif", "nodata": None}})
    assert parse("classify", "--config", write_config(tmp_path, text, "r.json"))["nodata"] is None


COMPLETE = "from geoseg.cli import main; main()"


@pytest.mark.parametrize(
    ("shell", "typed", "expected"),
    [
        ("bash", "geoseg cl", {"plain,classify"}),
        ("bash", "geoseg classify --ov", {"plain,--overlap", "plain,--overwrite"}),
        ("bash", "geoseg classify a.tif --blend h", {"plain,hann"}),
    ],
)
def test_the_shell_completes_commands_options_and_choices(shell, typed, expected):
    words = typed.split()
    environment = {
        **os.environ, "_GEOSEG_COMPLETE": f"{shell}_complete", "COMP_WORDS": typed,
        "COMP_CWORD": str(len(words) - 1), "GEOSEG_CLASSIFY_OVERLAP": "wrong",
    }  # fmt: skip
    command = [sys.executable, "-W", "ignore", "-c", COMPLETE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == expected
    assert done.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_of_each_shell_calls_geoseg(shell):
    environment = {**os.environ, "_GEOSEG_COMPLETE": f"{shell}_source"}
    command = [sys.executable, "-W", "ignore", "-c", COMPLETE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert f"_GEOSEG_COMPLETE={shell}_complete" in done.stdout
