"""``geoseg info``."""

import click

from geoseg.cli import config, options
from geoseg.cli.console import Console
from geoseg.cli.sections import Command


@click.command(
    "info",
    cls=Command,
    epilog=options.examples("geoseg info model.safetensors --plot unet.png"),
)
@click.argument("path")
@click.option(
    "--plot", metavar="FILE",
    help="Also draw a picture (.png, .svg or .pdf): the layers of a model, a map with its legend, "
    "a preview of a scene, or example tiles of a tile set.  [default: no picture]",
)  # fmt: skip
@config.option
@options.console
def command(path: str, plot: str | None, console: Console) -> None:
    """Describe PATH: a scene, class map, tile set, model, ONNX file, vector file or run folder.

    A scene is a raster, a SAFE or Landsat folder, a folder of band files, a pattern of such files
    in quotes, or a STAC item (file or address). PATH may also be the name of a model in the list of
    `geoseg models`.
    """
    from pathlib import Path

    from geoseg.info import as_text, describe
    from geoseg.info import plot as draw

    report = describe(path)
    if plot is not None:
        draw(path, Path(plot))
    console.print_result(report.to_dict(), as_text(report), always=True)
