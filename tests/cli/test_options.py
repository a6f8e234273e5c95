"""Options that several commands share."""

import click
import pytest

from geoseg.cli import cli


@pytest.mark.parametrize("command", ["classify", "tile"])
@pytest.mark.parametrize(
    ("text", "bands"),
    [
        ("3,2,1", (3, 2, 1)),
        ("nir,red, green", ("nir", "red", "green")),
        ("B8A", ("B8A",)),
        ("4,vv", (4, "vv")),
    ],
)
def test_bands_are_numbers_or_names(command, text, bands):
    args = ["scene.tif", "--out", "out", "--bands", text]
    context = cli.get_command(click.Context(cli), command).make_context(command, args)
    assert context.params["bands"] == bands


@pytest.mark.parametrize("text", ["", "red,", "1,,2"])
def test_bands_without_a_name_are_refused(text):
    command = cli.get_command(click.Context(cli), "tile")
    with pytest.raises(click.BadParameter, match="not a list of bands like 3,2,1 or nir,red"):
        command.make_context("tile", ["scene.tif", "--out", "out", "--bands", text])
