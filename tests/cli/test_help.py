"""The help of the commands: every option is explained, and holds to its settings class."""

import re
import shlex
import subprocess
import sys
from dataclasses import fields

import click
import pytest

import geoseg
from geoseg.cli import cli
from geoseg.cli.sections import repeat_names
from tests.support.paths import ROOT

COMMANDS = {name: cli.get_command(click.Context(cli), name) for name in cli.list_commands(None)}
OPTIONS = [
    pytest.param(option, id=f"{name} {option.opts[-1]}")
    for name, command in COMMANDS.items()
    for option in command.params
    if isinstance(option, click.Option)
]
DEFAULT = re.compile(r"\[default: .+\]$", re.DOTALL)
QUANTITY = re.compile(
    r"px|pixel|m²|metres|seconds|epochs|number|share|tiles|windows|points|threads|chunks|rounds"
    r"|levels|filters|rate|norm|error|seed|from 1",
    re.IGNORECASE,
)
"""A unit, or what a number without unit counts or is."""
RANGE = re.compile(
    r"(at least|at most|above|below|between|less than|from) \S|\d to \S|any number|a multiple of"
)


SETTINGS = {
    ("tile", "settings"): "TileSettings",
    ("train", "settings"): "TrainSettings",
    ("train", "monitor"): "Monitor",
    ("classify", "settings"): "ClassifySettings",
    ("classify", "cleaning"): "Cleaning",
    ("classify", "execution"): "Execution",
    ("vectorise", "settings"): "VectoriseSettings",
    ("vectorise", "cleaning"): "Cleaning",
    ("evaluate", "settings"): "EvaluateSettings",
    ("compare", "settings"): "CompareSettings",
    ("sample", "settings"): "SampleSettings",
    ("suggest", "settings"): "SuggestSettings",
    ("view", "settings"): "ViewSettings",
}
"""The class that a group of options fills."""
NO_OPTION = {
    ("train", "monitor"): {"report"},  # a callback
    ("classify", "settings"): {"cleaning"},  # a group of its own
    ("vectorise", "settings"): {"cleaning"},  # a group of its own
    ("sample", "settings"): {"expected_by_class"},  # given with --expected
}
OTHER_DEFAULT = {
    ("sample", "settings"): {"expected"},  # the option collects several values
    ("train", "settings"): {option.name for option in COMMANDS["train"].params},  # of the recipe
}


def parsed(name: str) -> dict[str, object]:
    """The values of a command's parameters when only the required ones are given."""
    required = [param for param in COMMANDS[name].params if param.required]
    args = [f"{param.opts[0]}=x" for param in required if isinstance(param, click.Option)]
    args += ["x" for param in required if isinstance(param, click.Argument)]
    return COMMANDS[name].make_context(name, args).params


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_examples_that_can_be_copied(name):
    command = COMMANDS[name]
    text = command.get_help(click.Context(command, info_name=f"geoseg {name}"))
    assert max(map(len, text.splitlines())) <= 80
    lines = text.partition("\n  Example")[2].partition("\n")[2].replace("\\\n", " ").splitlines()
    examples = [shlex.split(line) for line in lines if line.strip()]
    assert examples
    for words in examples:
        start = words.index("geoseg")
        assert words[start + 1] == name
        command.make_context(name, words[start + 2 :])  # fails for an option that does not exist


SECTION = re.compile(r"^([A-Z][a-z ]+):$(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)


def sections(name: str) -> dict[str, list[str]]:
    """The options of each section of the help of a command, in their order."""
    text = COMMANDS[name].get_help(click.Context(COMMANDS[name], info_name=f"geoseg {name}"))
    found = SECTION.findall(text.partition("\n\n")[2])
    return {
        title: re.findall(r"^  (?:-\w, )?(--[\w-]+)", body, re.MULTILINE) for title, body in found
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_has_sections_in_which_each_option_is_once(name):
    shown = sections(name)
    params = [param for param in COMMANDS[name].params if isinstance(param, click.Option)]
    names = [max(param.opts, key=len) for param in params]
    assert sorted(option for options in shown.values() for option in options) == sorted(
        [*names, "--help"]
    )
    assert list(shown)[-1] == "General options"
    general = [
        n for n in names if n in ("--config", "--json", "--log-file", "--quiet", "--verbose")
    ]
    assert shown["General options"] == [*general, "--help"]
    assert len(shown.get("Options", ())) <= 6  # more need sections


def missing(option: click.Option) -> set[str]:
    """What the help of an option does not say."""
    text = DEFAULT.sub("", option.help or "")
    flag = option.is_flag and not option.secondary_opts
    shown = option.show_default and option.default is not None
    says = {
        "what it is": len(text.split()) >= 2,
        "default": option.required or flag or shown or DEFAULT.search(option.help or ""),
    }
    if isinstance(option.type, click.types.IntParamType | click.types.FloatParamType):
        says |= {"unit": QUANTITY.search(text), "range": RANGE.search(text)}
    return {name for name, said in says.items() if not said}


@pytest.mark.parametrize("option", OPTIONS)
def test_the_help_of_an_option_says_what_it_is_its_unit_range_and_default(option):
    assert missing(option) == set(), option.help


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (click.Option(["--lr"], default=1.0, show_default=True), {"what it is", "unit", "range"}),
        (click.Option(["--lr"], default=1.0, help="Learning rate, above 0."), {"default"}),
        (click.Option(["--aoi"], help="Area of interest."), {"default"}),
        (click.Option(["--size"], type=int, help="Its size.  [default: 1]"), {"unit", "range"}),
        (click.Option(["--on/--off"], help="A switch."), {"default"}),
        (click.Option(["--on"], is_flag=True), {"what it is"}),
    ],
)
def test_a_help_text_that_lacks_something_is_noticed(option, expected):
    assert missing(option) == expected


@pytest.mark.parametrize(("name", "group"), SETTINGS)
def test_options_and_settings_are_the_same(name, group):
    options = set(COMMANDS[name].callback.option_groups[group])
    settings = getattr(geoseg, SETTINGS[name, group])
    defaults = {field.name: field.default for field in fields(settings)}
    assert options == set(defaults) - NO_OPTION.get((name, group), set())
    values = parsed(name)
    same = options - OTHER_DEFAULT.get((name, group), set())
    assert {option: values[option] for option in same} == {name: defaults[name] for name in same}


def recipe_default(name: str) -> str:
    """How the help should state the defaults of a setting that the recipes give."""
    standard, lab = (getattr(geoseg.RECIPES[recipe], name) for recipe in ("standard", "lab"))
    texts = [f"{value:g}" if isinstance(value, float) else str(value) for value in (standard, lab)]
    return texts[0] if standard == lab else f"{texts[0]}; recipe lab: {texts[1]}"


@pytest.mark.parametrize("name", sorted(geoseg.RECIPES["standard"].to_dict()))
def test_the_help_of_train_states_the_defaults_of_the_recipes(name):
    [option] = [o for o in COMMANDS["train"].params if o.name == name]
    values = [getattr(recipe, name) for recipe in geoseg.RECIPES.values()]
    if option.is_flag:
        assert values == [False, False]
    elif None not in values and () not in values:  # these are put in words
        assert option.help.endswith(f"[default: {recipe_default(name)}]")


def test_every_group_of_options_fills_settings():
    groups = {
        (name, group)
        for name, command in COMMANDS.items()
        for group in getattr(command.callback, "option_groups", {})
    }
    assert groups - {("classify", "side_outputs")} == set(SETTINGS)  # outputs are no settings


def test_the_command_reference_is_that_of_the_help(tmp_path):
    docs = ROOT / "docs"
    subprocess.run([sys.executable, docs / "make_cli.py", tmp_path / "cli.md"], check=True)
    message = "run python docs/make_cli.py"
    assert (docs / "reference" / "cli.md").read_text() == (tmp_path / "cli.md").read_text(), message


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("s --labels a b --out o", "s --labels a --labels b --out o"),
        ("--labels a --out o s", "--labels a --out o s"),
        ("s t --out o", "s t --out o"),
        ("s --labels a --labels b c -f", "s --labels a --labels b --labels c -f"),
    ],
)
def test_labels_take_several_values_in_a_row(typed, expected):
    assert repeat_names(typed.split(), {"--labels"}) == expected.split()


@pytest.mark.parametrize("option", OPTIONS)
def test_dots_show_which_options_take_several_values_in_a_row(option):
    assert option.multiple or not str(option.metavar).endswith("...")
