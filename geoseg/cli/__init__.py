"""The command line: each command parses its options, calls one function and prints the result.

A command is imported when it is called, so that ``geoseg --help`` is fast.
"""

import atexit
import gc
import os
import sys
from importlib import import_module

import click

from geoseg.errors import GeosegError, InterruptedRun
from geoseg.version import __version__

_COMMANDS = {
    "tile": "Cut labelled scenes into training tiles.",
    "train": "Train a U-Net on tiles.",
    "classify": "Classify scenes into land-cover maps and polygons.",
    "vectorise": "Convert a class raster to polygons.",
    "evaluate": "Compare a map with a reference and write a report.",
    "compare": "Compare two maps of one place and write a report on the changes.",
    "sample": "Draw a random sample of points for collecting a reference.",
    "suggest": "Suggest places of a map to label next, to improve the model.",
    "view": "Show a scene and its map in the browser, and correct the map.",
    "models": "List the bundled models and those of the user folder.",
    "export": "Write a model as ONNX, for QGIS Deepness, GeoDeep and others.",
    "convert": "Convert a network of Keras to a model file.",
    "info": "Describe a scene, class map, tile set, model, vector file or run folder.",
}
_ALIASES = {"vectorize": "vectorise"}


class _Commands(click.Group):
    """The group of all commands; each is the ``command`` of the module with its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = _ALIASES.get(cmd_name, cmd_name)
        if name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"geoseg.cli.commands.{name}").command
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Import and call a command. Ctrl-C ends it, unless it handles Ctrl-C itself."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise InterruptedRun("interrupted, run the same command to start again") from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example:\n\n\b\ngeoseg classify scene.tif --out lulc.tif --polygons lulc.gpkg",
)
@click.version_option(__version__, prog_name="geoseg")
def cli() -> None:
    """Land-cover maps from aerial and satellite imagery.

    Each option has an environment variable, such as GEOSEG_CLASSIFY_MIN_AREA for --min-area of
    classify. If an option takes several values, its variable has them separated by spaces.
    """


def main() -> None:
    """Run the command line. A deliberate error ends in one sentence on stderr and its exit code."""
    # Else Numba wraps stdout where colorama is installed, and prints codes of colours at the end.
    os.environ.setdefault("NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING", "1")
    # Else the interpreter visits all objects once more when it ends: 0.4 s after PyTorch.
    atexit.register(gc.freeze)
    try:
        cli(prog_name="geoseg")
    except GeosegError as error:
        click.echo(f"geoseg: {error}", err=True)
        sys.exit(error.exit_code)
