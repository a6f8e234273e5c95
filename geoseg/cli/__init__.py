"""The command line: parse, call one function, print.

Commands are loaded when they are called, so that ``geoseg --help`` is quick.
"""

from importlib import import_module

import click

import geoseg
from geoseg.cli.errors import print_errors

_COMMANDS = {
    "tile": "Cut labelled scenes into training tiles.",
    "train": "Train a U-Net on tiles.",
    "classify": "Classify scenes into land-cover maps and polygons.",
    "vectorise": "Outline the classes of a class raster as polygons.",
    "evaluate": "Compare a map with a reference and write a report.",
    "sample": "Draw points of a map for collecting a reference.",
    "info": "Describe a scene, model, tile set, label map, vector file or part folder.",
}


_ALIASES = {"vectorize": "vectorise"}


class _Commands(click.Group):
    """A group whose commands live in modules of the same name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = _ALIASES.get(cmd_name, cmd_name)
        if name not in _COMMANDS:
            return None
        command = import_module(f"geoseg.cli.{name}").command
        assert isinstance(command, click.Command)  # noqa: S101 - a convention of this package
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example:\n\n\b\ngeoseg classify scene.tif --out lulc.tif --polygons lulc.gpkg",
)
@click.version_option(geoseg.__version__, prog_name="geoseg")
def cli() -> None:
    """Land-cover maps from aerial and satellite imagery."""


def main() -> None:
    """Run the command line; deliberate errors end in one sentence and an exit code."""
    with print_errors():
        cli(prog_name="geoseg")
