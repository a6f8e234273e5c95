"""The reference run and the further trainings: their tiles and settings."""

from dataclasses import dataclass, replace

import numpy as np

from geoseg import RECIPES, TileSet, TrainSettings

REFERENCE_FOLDERS = ("Tile 4", "Tile 8")
VAL_TILES = 500
"""Validation tiles of the reference run, of 2,016."""


@dataclass(frozen=True, slots=True)
class Training:
    """A training and its tests."""

    name: str
    """Name of its files."""
    what: str
    """Description in the table."""
    settings: TrainSettings
    data: str = "lab"
    """"lab": Tiles 4 and 8, of which 500 random tiles are for validation. "all": all images, with
    the same 500 validation tiles."""
    start: str | None = None
    """Name of the training whose weights it starts from; None for random weights."""
    tta: bool = False
    """Whether to test it also with the scores averaged over the eight symmetries."""


def trainings(*, long: int, more: int, precision: str) -> list[Training]:
    """Return all trainings, in the order of the table.

    Args:
        long: epochs of the long training; the reference run has 25.
        more: epochs on all images, from the weights of the long training.
        precision: floating-point precision of the forward pass.
    """
    reference = replace(RECIPES["lab"], precision=precision)
    flips = replace(reference, augment="flips")
    cosine = replace(flips, optimizer="adam", schedule="cosine", batch_size=16)
    longer = replace(cosine, epochs=long)
    further = replace(cosine, epochs=more, augment="full", warmup=0.5)
    standard = replace(
        RECIPES["standard"], encoder="lab", window=None, batch_size=32, epochs=long, ignore=(),
        precision=precision,
    )  # fmt: skip
    return [
        *(
            Training(f"lab-{n}", f"the reference run, seed {n}", replace(reference, seed=n))
            for n in range(3)
        ),
        Training("flips", "flips and quarter turns", flips),
        Training("cosine", "flips, Adam, cosine schedule, batches of 16", cosine),
        Training("dice", "the same with Dice in the loss", replace(cosine, loss="dice")),
        Training("long", f"flips, Adam, cosine, {long} epochs", longer, tta=True),
        Training("standard", f"the recipe \"standard\", {long} epochs", standard, tta=True),
        Training("all", f"all images, colour, scale, {more} epochs more", further, "all", "long",
                 tta=True),
    ]  # fmt: skip


def choose(tiles: TileSet, data: str) -> TileSet:
    """Set the split of the tiles for a training: "train", "val", or "gap" for unused tiles.

    Args:
        tiles: of all images; their split is replaced.
        data: `Training.data`.
    """
    indices = [index for index, group in enumerate(tiles.groups) if group in REFERENCE_FOLDERS]
    drawn = np.random.default_rng(0).permutation(len(indices))[:VAL_TILES]
    val = {indices[place] for place in drawn}
    elsewhere = "train" if data == "all" else "gap"
    splits = [elsewhere] * len(tiles.groups)
    for index in indices:
        splits[index] = "val" if index in val else "train"
    return replace(tiles, splits=tuple(splits))
