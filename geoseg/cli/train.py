"""``geoseg train``."""

import os
from typing import Any

import click

from geoseg.cli import options


@click.command(
    "train",
    epilog=options.examples(
        "geoseg train tiles --out model.safetensors --epochs 100 \\\n"
        "--augment full --optimizer adam --schedule cosine",
        "torchrun --nproc-per-node 4 -m geoseg train tiles --out model.safetensors",
    ),
)
@click.argument("tiles")
@click.option("--out", required=True, metavar="FILE", help="Model to write, .safetensors.")
@click.option("--epochs", default=25, show_default=True)
@click.option("--batch-size", default=32, show_default=True, help="Tiles a step.")
@click.option("--lr", default=1e-3, show_default=True, help="Learning rate.")
@click.option(
    "--optimizer", type=click.Choice(["rmsprop", "adam", "adamw", "sgd"]), default="rmsprop",
    show_default=True,
)  # fmt: skip
@click.option(
    "--loss", type=click.Choice(["ce", "weighted", "focal", "dice"]), default="ce",
    show_default=True,
    help="Cross-entropy; weighted by inverse class frequency; focal; plus Dice.",
)  # fmt: skip
@click.option(
    "--schedule", type=click.Choice(["constant", "cosine", "plateau"]), default="constant",
    show_default=True,
    help="Learning rate over time: the same; down to 0; halved after 5 epochs without a better "
    "validation loss.",
)  # fmt: skip
@click.option(
    "--warmup", default=0.0, show_default=True, help="Epochs in which the rate rises from 0."
)
@click.option("--clip", type=float, help="Largest norm of the gradient.  [default: no limit]")
@click.option(
    "--augment", type=click.Choice(["none", "flips", "full"]), default="none", show_default=True,
    help="Flips and quarter turns; full: also colour and zoom.",
)  # fmt: skip
@click.option("--dropout", default=0.1, show_default=True, help="Share of activations dropped.")
@click.option(
    "--val", type=float,
    help="Share of tiles drawn for validation.  [default: the set's own split, else 0.25]",
)  # fmt: skip
@click.option(
    "--legend", metavar="FILE",
    help="Classes of a folder of images/ and masks/: CSV (value,name,color) or QGIS palette.",
)  # fmt: skip
@click.option(
    "--ignore", multiple=True, metavar="CLASS",
    help="Class, by name or value, whose pixels count as not labelled; may be repeated.",
)  # fmt: skip
@click.option("--width", default=16, show_default=True, help="Filters of the first level.")
@click.option("--depth", default=4, show_default=True, help="Levels above the bottleneck.")
@click.option(
    "--start", metavar="MODEL",
    help="Start from this model's weights (default: the bundled one), to adapt it to new tiles.",
)  # fmt: skip
@click.option("--patience", type=int, help="Stop after so many epochs without a better loss.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint of a stopped run.")
@click.option(
    "--precision", type=click.Choice(["auto", "fp32", "bf16", "fp16"]), default="auto",
    show_default=True, help="Of the network's arithmetic; auto: fp32 on a CPU.",
)  # fmt: skip
@click.option(
    "--pictures", default=5, show_default=True, metavar="N",
    help="Draw curves and sample predictions every N epochs; 0 for never.",
)  # fmt: skip
@click.option("--tensorboard", metavar="DIR", help="Also write a TensorBoard log.")
@options.device
@options.seed
@options.overwrite
@options.verbosity
def command(
    tiles: str,
    out: str,
    legend: str | None,
    resume: bool,
    device: str,
    overwrite: bool,
    quiet: bool,
    verbose: bool,
    **settings: Any,  # noqa: ANN401 - the fields of TrainSettings, and what is popped below
) -> None:
    """Train a U-Net on TILES: what `geoseg tile` wrote, or a folder with images/ and masks/."""
    from geoseg.cli.report import Progress, set_up
    from geoseg.tiles import open_tiles
    from geoseg.training import TrainSettings, Watch, train

    set_up(quiet=quiet, verbose=verbose)
    progress = Progress(quiet=quiet, seconds=60)
    watch = Watch(
        settings.pop("pictures"), settings.pop("tensorboard"), progress=progress,
        report=None if quiet else lambda row: progress.say(_epoch(row)),
    )  # fmt: skip
    start = settings.pop("start")
    model = train(
        open_tiles(tiles, legend), out, settings=TrainSettings(**settings), start=start,
        device=device, resume=resume, overwrite=overwrite, watch=watch,
    )  # fmt: skip
    progress.close()
    if os.environ.get("RANK", "0") == "0":  # of the processes of torchrun, one speaks
        best = f"best epoch {model.training['best_epoch']}, {model.parameters:,} parameters"
        click.echo(f"{out}: {best}")


def _epoch(row: dict[str, float]) -> str:
    line = f"epoch {row['epoch']}: loss {row['loss']:.4f}, accuracy {row['accuracy']:.4f}"
    if "val_loss" in row:
        line += (
            f"; validation loss {row['val_loss']:.4f}, accuracy {row['val_accuracy']:.4f}, "
            f"mean IoU {row['val_mean_iou']:.4f}"
        )
    return f"{line}; {row['seconds']:.0f} s"
