"""``geoseg export``."""

import click

from geoseg.cli import config, options
from geoseg.cli.console import Console
from geoseg.cli.sections import Command


@click.command(
    "export",
    cls=Command,
    epilog=options.examples(
        "geoseg export default --out default.onnx",
        "geoseg export default --out default-int8.onnx --int8 tiles/",
    ),
)
@click.argument("model")
@click.option(
    "--out", required=True, metavar="FILE",
    help="ONNX file to write, .onnx. A STAC item that describes the model (extension MLM) is "
    "written beside it, with the ending .json.",
)  # fmt: skip
@click.option(
    "--int8", metavar="TILES",
    help="Folder that `geoseg tile` wrote, with the classes and bands of the model. Convolutions "
    "are then computed with whole numbers of 8 bits, which is faster on processors with VNNI. The "
    "training tiles show the ranges of the numbers. Nothing is written if the mean IoU on the "
    "validation tiles falls by more than 0.002.  [default: float32]",
)  # fmt: skip
@options.overwrite
@config.option
@options.console
def command(model: str, out: str, int8: str | None, overwrite: bool, console: Console) -> None:
    """Write MODEL as ONNX, with the metadata that QGIS Deepness and GeoDeep read.

    MODEL is a model file, or the name of a model in the list of `geoseg models`.

    The network reads float32 windows of the size of the model, in batches of any size. Other
    programs must divide integers by the range of their type: uint8 by 255, uint16 by 65535.
    Deepness and GeoDeep do this. The outputs are the scores of the classes, which `geoseg classify`
    computes from one window: the largest score is the confidence.
    """
    if int8 is None:
        from geoseg.model import export_model

        onnx, item = export_model(model, out, overwrite=overwrite)
        text, numbers = f"{onnx}: ONNX; {item}: STAC item", None
    else:
        from geoseg.training import export_int8

        report = export_int8(model, int8, out, overwrite=overwrite)
        onnx, item, text, numbers = report.onnx, report.item, report.to_text(), report.to_dict()
    console.print_result({"outputs": [str(onnx), str(item)], "int8": numbers}, text)
