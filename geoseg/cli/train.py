"""``geoseg train``."""

from typing import Any

import click

from geoseg.cli import options


@click.command(
    "train",
    epilog="Example: geoseg train tiles --out model.safetensors --epochs 100 --augment full",
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
    "--loss", type=click.Choice(["ce", "weighted"]), default="ce", show_default=True,
    help="Cross-entropy, plain or weighted by inverse class frequency.",
)  # fmt: skip
@click.option(
    "--schedule", type=click.Choice(["constant", "cosine"]), default="constant", show_default=True,
    help="Learning rate over time.",
)  # fmt: skip
@click.option(
    "--augment", type=click.Choice(["none", "flips", "full"]), default="none", show_default=True,
    help="Flips and quarter turns; full: also colour and zoom.",
)  # fmt: skip
@click.option(
    "--val", type=float,
    help="Share of tiles drawn for validation.  [default: the set's own split, else 0.25]",
)  # fmt: skip
@click.option("--width", default=16, show_default=True, help="Filters of the first level.")
@click.option("--depth", default=4, show_default=True, help="Levels above the bottleneck.")
@click.option("--patience", type=int, help="Stop after so many epochs without a better loss.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint of a stopped run.")
@click.option(
    "--precision", type=click.Choice(["auto", "fp32", "bf16", "fp16"]), default="auto",
    show_default=True,
)  # fmt: skip
@options.device
@options.seed
@options.overwrite
@options.verbosity
def command(
    tiles: str,
    out: str,
    resume: bool,
    device: str,
    overwrite: bool,
    quiet: bool,
    verbose: bool,
    **settings: Any,  # noqa: ANN401 - the fields of TrainSettings
) -> None:
    """Train a U-Net on TILES: what `geoseg tile` wrote, or a folder with images/ and masks/."""
    from geoseg.cli.report import set_up
    from geoseg.training import TrainSettings, train

    set_up(quiet=quiet, verbose=verbose)
    model = train(
        tiles, out, settings=TrainSettings(**settings), device=device, resume=resume,
        overwrite=overwrite, report=None if quiet else _print_epoch,
    )  # fmt: skip
    click.echo(f"{out}: best epoch {model.training['best_epoch']}, {model.parameters:,} parameters")


def _print_epoch(row: dict[str, float]) -> None:
    click.echo(
        f"geoseg: epoch {row['epoch']}: loss {row['loss']:.4f}, accuracy {row['accuracy']:.4f}; "
        f"validation loss {row['val_loss']:.4f}, accuracy {row['val_accuracy']:.4f}, "
        f"mean IoU {row['val_mean_iou']:.4f}; {row['seconds']:.0f} s",
        err=True,
    )
