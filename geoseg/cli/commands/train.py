"""``geoseg train``."""

import logging
import os
from dataclasses import replace
from typing import Any

import click

from geoseg.cli import config, options
from geoseg.cli.console import Console
from geoseg.cli.sections import Command, group, section

log = logging.getLogger("geoseg")


@click.command(
    "train",
    cls=Command,
    epilog=options.examples(
        "geoseg train tiles --out model.safetensors",
        "geoseg train tiles --out model.safetensors --start default --epochs 10",
        "torchrun --nproc-per-node 4 -m geoseg train tiles --out model.safetensors",
    ),
)
@click.argument("tiles")
@section(
    "Outputs",
    click.option(
        "--out", required=True, metavar="FILE",
        help="Model file to write, named .safetensors. The learning curves, example predictions "
        "and the checkpoint (FILE.checkpoint) are written beside it.",
    ),
    group(
        "monitor",
        click.option(
            "--pictures", default=5, show_default=True, metavar="EPOCHS",
            help="Epochs between two drawings of the learning curves and example predictions, at "
            "least 0; 0 for none."),
        click.option(
            "--tensorboard", metavar="DIR",
            help="Folder for a TensorBoard log.  [default: no log]"),
    ),
    click.option(
        "-f", "--overwrite", is_flag=True,
        help="Replace an existing model. A complete training starts again, a stopped one resumes.",
    ),
)  # fmt: skip
@section(
    "Tiles",
    click.option(
        "--legend", metavar="FILE",
        help="Classes of a folder of images/ and masks/, or other names and colours for the "
        "classes of a tile set: CSV (value,name,color) or QGIS palette.  [default: the classes of "
        "the masks or the tile set]",
    ),
    group(
        "settings",
        click.option(
            "--ignore", multiple=True, metavar="CLASS",
            help="Class, by name or value, that the model does not get; its pixels count as not "
            "labelled. Repeat the option for several classes; '' for none.  [default: unlabelled, "
            "if the tiles have it; recipe lab: none]"),
        click.option(
            "--val", type=float, metavar="SHARE",
            help="Share of tiles to draw at random for validation, at least 0 and below 1.  "
            "[default: the split of the tile set, or 0.25 if it has none]"),
    ),
    click.option(
        "--replay", metavar="TILES",
        help="Folder of tiles that the model of --start was trained on. The training also uses "
        "windows of its training tiles, so that the model does not forget them; see "
        "--replay-share.  [default: none]",
    ),
    group(
        "settings",
        click.option(
            "--replay-share", type=float, metavar="SHARE",
            help="Share of the training windows that come from the tiles of --replay, above 0 and "
            "below 1.  [default: 0.5 with --replay]"),
        click.option(
            "--pseudo-labels", is_flag=True,
            help="In the second half of the epochs, train also on pixels that are not labelled, "
            "with the classes of which the averaged network is sure. For tiles of which only a "
            "part is labelled."),
    ),
)  # fmt: skip
@section(
    "Network",
    click.option(
        "--start", metavar="MODEL",
        help="Model whose weights the training starts from, to adapt it to new tiles: its file, or "
        "its name in the list of `geoseg models`.  [default: a new network]",
    ),
    group(
        "settings",
        click.option(
            "--encoder", metavar="NAME",
            help="Encoder of the U-Net. lab: that of the reference Keras U-Net. "
            "efficientnet-lite0. smp:NAME: an encoder of segmentation_models_pytorch, which the "
            "extra smp installs.  [default: efficientnet-lite0, or that of --start; recipe lab: "
            "lab]"),
        click.option(
            "--encoder-weights", metavar="FILE|imagenet|none",
            help="Weights that the encoder starts from. imagenet: those that the extra pretrained "
            "installs, for efficientnet-lite0. none: random ones. FILE: a state dict: .pth, or "
            ".safetensors with the names of this encoder.  [default: imagenet for "
            "efficientnet-lite0, else none]"),
        click.option(
            "--width", type=int,
            help="Filters of the first level of the U-Net, 1 to 4096. Levels below have more.  "
            "[default: 16, or the width of --start]"),
        click.option(
            "--depth", type=int,
            help="Levels of the U-Net above the bottleneck, 1 to 12, for encoder lab; others have "
            "5.  [default: 4, or the depth of --start]"),
        click.option(
            "--dropout", type=float, metavar="SHARE",
            help="Share of activations that are set to 0 in training, at least 0 and below "
            "1.  [default: 0.1]"),
        click.option(
            "--window", type=int, metavar="PX",
            help="Side of the windows that the network reads, in training and in `geoseg "
            "classify`, 1 to 4096 px, a multiple of 32 (encoder lab: of 2 to the power of "
            "--depth). Windows larger than a tile are cut from adjacent tiles. If tiles cover less "
            "than three quarters of such windows, all windows are smaller.  [default: 256; recipe "
            "lab: the side of a tile]"),
    ),
    options.pixel_size("the pixel sizes of the tiles, if they are known"),
)  # fmt: skip
@section(
    "Training",
    click.option(
        "--recipe", type=click.Choice(["standard", "lab"]), default="standard", show_default=True,
        help="Defaults of other options. standard: a pretrained encoder, random scales and "
        "colours, and the average of the weights. lab: the training of the reference Keras U-Net.",
    ),
    group(
        "settings",
        click.option(
            "--epochs", type=int,
            help="Passes over as many pixels as the training tiles have, at least 1; see "
            "--sampling. A larger number trains a complete model further, from its checkpoint.  "
            "[default: 40; recipe lab: 25]"),
        click.option(
            "--patience", type=int, metavar="EPOCHS",
            help="Stop after this number of epochs without a lower validation loss, at least 1.  "
            "[default: never]"),
        click.option(
            "--batch-size", type=int,
            help="Windows in each training step, at least 1, over all processes.  [default: 8; "
            "recipe lab: 32]"),
        click.option(
            "--sampling", type=click.Choice(["tiles", "classes"]),
            help="Windows of an epoch. tiles: each tile once, in random order. classes: random "
            "windows, in which rare classes are more frequent; at least 25 steps in each "
            "epoch.  [default: classes; "
            "recipe lab: tiles]"),
        click.option(
            "--augment", type=click.Choice(["none", "flips", "full"]),
            help="Random changes of windows. flips: flips and quarter turns. full: flips, quarter "
            "turns, scale, brightness, colour and blur.  [default: full; recipe lab: none]"),
        click.option(
            "--lr", type=float,
            help="Highest learning rate, above 0.  [default: 0.001]"),
        click.option(
            "--encoder-lr", type=float, metavar="SHARE",
            help="Learning rate of a pretrained encoder, relative to --lr, above 0 and at most "
            "1.  [default: 0.3; recipe lab: 1]"),
        click.option(
            "--optimizer", type=click.Choice(["rmsprop", "adam", "adamw", "sgd"]),
            help="Algorithm that updates the weights: RMSprop, Adam, AdamW with a decay of 0.01 of "
            "all weights, or SGD with momentum 0.9.  [default: adamw; recipe lab: rmsprop]"),
        click.option(
            "--loss", type=click.Choice(["ce", "weighted", "focal", "dice"]),
            help="Loss function. ce: cross-entropy. weighted: cross-entropy with classes weighted "
            "by their inverse frequency. focal: focal loss with gamma 2. dice: cross-entropy plus "
            "Dice loss.  [default: dice; recipe lab: ce]"),
        click.option(
            "--schedule", type=click.Choice(["constant", "cosine", "plateau"]),
            help="Learning rate over the training. constant: always --lr. cosine: falls to 0 along "
            "a half cosine. plateau: halved after 5 epochs without a lower validation loss.  "
            "[default: cosine; recipe lab: constant]"),
        click.option(
            "--warmup", type=float, metavar="EPOCHS",
            help="First epochs, in which the learning rate rises from 0 to --lr; at least 0 and "
            "less than --epochs.  [default: 0.5; recipe lab: 0]"),
        click.option(
            "--clip", type=float, metavar="NORM",
            help="Largest norm of the gradient, at least 0; 0 for no limit. Larger gradients are "
            "scaled down to it.  [default: 5; recipe lab: 0]"),
        click.option(
            "--average", type=float, metavar="DECAY",
            help="Decay: the share of the exponential moving average (EMA) of the weights that "
            "remains in each step, at least 0 and below 1. The average is kept as the model; 0 "
            "keeps the weights themselves.  [default: 0.998; recipe lab: 0]"),
        click.option(
            "--seed", type=int,
            help="Random seed, a number from 0 to 4294967295.  [default: 0]"),
    ),
)  # fmt: skip
@section(
    "Computation",
    click.option(
        "--resume/--no-resume", default=True, show_default=True,
        help="Resume from the checkpoint, if it is of the same tiles and settings. --no-resume "
        "starts again and discards the epochs of the checkpoint.",
    ),
    options.device,
    group(
        "settings",
        click.option(
            "--precision", type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
            help="Floating-point precision of the network. auto: fp32 on a CPU and on mps; bf16 on "
            "cuda, or fp16 if it has no bf16. fp16 works on GPUs only, bf16 not on mps.  "
            "[default: auto]"),
    ),
)  # fmt: skip
@config.option
@options.console
def command(
    tiles: str,
    out: str,
    recipe: str,
    settings: dict[str, Any],
    legend: str | None,
    start: str | None,
    replay: str | None,
    pixel_size_range: tuple[float, float] | None,
    resume: bool,
    monitor: dict[str, Any],
    device: str,
    overwrite: bool,
    console: Console,
) -> None:
    """Train a U-Net on TILES: what `geoseg tile` wrote, or a folder with images/ and masks/.

    The model file gets the weights of the epoch with the lowest validation loss. A stopped training
    resumes when the same command is run again. The checkpoint may be deleted when the training is
    complete; without it, the model cannot be trained for more epochs.
    """
    from geoseg.tiles import open_tiles

    tile_set = open_tiles(tiles, legend)  # before importing torch, so that a wrong path fails fast
    from geoseg.model import tune_malloc
    from geoseg.training import RECIPES, Monitor, train

    tune_malloc()
    given = {name: value for name, value in settings.items() if value not in (None, ())}
    if "ignore" in given:
        given["ignore"] = tuple(name for name in given["ignore"] if name)
    with console.progress(seconds=60) as progress:
        model = train(
            tile_set, out, settings=replace(RECIPES[recipe], **given), start=start, replay=replay,
            pixel_size_range=pixel_size_range, device=device, resume=resume, overwrite=overwrite,
            progress=progress, monitor=Monitor(**monitor, report=_log_epoch),
        )  # fmt: skip
    if os.environ.get("RANK", "0") == "0":  # only the first process of torchrun
        best_epoch = model.training["best_epoch"]
        text = f"{out}: best epoch {best_epoch}, {model.trainable_parameters:,} parameters"
        console.print_result({"outputs": [out], **model.to_dict()}, text)


def _log_epoch(row: dict[str, float]) -> None:
    line = f"epoch {row['epoch']}: loss {row['loss']:.4f}, accuracy {row['accuracy']:.4f}"
    if "val_loss" in row:
        line += (
            f"; validation loss {row['val_loss']:.4f}, accuracy {row['val_accuracy']:.4f}, "
            f"mean IoU {row['val_mean_iou']:.4f}"
        )
    log.info("%s; %.0f s", line, row["seconds"])
