"""``geoseg export``."""

import click

from geoseg.cli import options


@click.command("export", epilog=options.examples("geoseg export default --out default.onnx"))
@click.argument("model")
@click.option(
    "--out", required=True, metavar="FILE",
    help="ONNX file to write, .onnx. A STAC item that describes the model (extension MLM) is "
    "written beside it, with the ending .json.",
)  # fmt: skip
@options.overwrite
@options.verbosity
def command(model: str, out: str, overwrite: bool, quiet: bool, verbose: bool) -> None:
    """Write MODEL as ONNX, with the metadata that QGIS Deepness and GeoDeep read.

    MODEL is a model file, or the name of a model in the list of `geoseg models`.

    The network reads float32 windows of the size of the model, in batches of any size. Divide
    values of whole numbers by the range of their type before: uint8 by 255, uint16 by 65535. Both
    tools do so. The outputs are the scores of the classes, which `geoseg classify` computes from
    one window: the largest score is the confidence.
    """
    from geoseg.cli.console import setup_logging
    from geoseg.model import export_model

    setup_logging(quiet=quiet, verbose=verbose)
    onnx, item = export_model(model, out, overwrite=overwrite)
    if not quiet:
        click.echo(f"{onnx}: ONNX; {item}: STAC item")
