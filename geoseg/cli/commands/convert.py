"""``geoseg convert``."""

import click

from geoseg.cli import config, options
from geoseg.cli.console import Console
from geoseg.cli.sections import Command


@click.command(
    "convert",
    cls=Command,
    epilog=options.examples(
        "geoseg convert lulc.keras --legend classes.csv --out model.safetensors"
    ),
)
@click.argument("path", metavar="FILE")
@click.option(
    "--out", required=True, metavar="FILE", help="Model file to write, named .safetensors."
)
@click.option(
    "--legend", required=True, metavar="FILE",
    help="Classes of the network in order of value: CSV (value,name,color) or QGIS palette (.qml, "
    ".txt, .clr).",
)  # fmt: skip
@click.option(
    "--band-names", metavar="NAMES",
    help="Names of the input bands, separated by commas.  [default: red,green,blue if there are "
    "three bands, else band 1, band 2, ...]",
)  # fmt: skip
@options.pixel_size("unknown")
@options.overwrite
@config.option
@options.console
def command(
    path: str,
    out: str,
    legend: str,
    band_names: str | None,
    pixel_size_range: tuple[float, float] | None,
    overwrite: bool,
    console: Console,
) -> None:
    """Convert FILE, the reference U-Net as Keras 3 saves it (.keras), to a model file.

    Keras need not be installed, and no code of FILE is run. Other networks are refused.
    """
    from geoseg.model import convert_model

    names = None if band_names is None else [name.strip() for name in band_names.split(",")]
    model = convert_model(
        path, out, legend=legend, band_names=names, pixel_size_range=pixel_size_range,
        overwrite=overwrite,
    )  # fmt: skip
    text = f"{out}: {model.trainable_parameters:,} parameters, {model.spec.classes} classes"
    console.print_result({"outputs": [out], **model.to_dict()}, text)
