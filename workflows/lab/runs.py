"""The trainings of the lab and of what followed: which tiles, which settings."""

from dataclasses import dataclass, replace

import numpy as np

from geoseg import TileSet, TrainSettings

LAB_FOLDERS = ("Tile 4", "Tile 8")
HELD = 500
"""Tiles that the lab holds for validation, of its 2,016."""
FOLDS = ("Tile 5", "Tile 7")
"""Folders that are tested on after training on the other seven; not the lab's, whose long training
is where these start from."""


@dataclass(frozen=True, slots=True)
class Training:
    """One training."""

    name: str
    """Of its files."""
    what: str
    """In the table."""
    settings: TrainSettings
    data: str = "lab"
    """"lab": Tiles 4 and 8, of which 500 tiles, drawn at random, are held. "all": all images, the
    same 500 held. "all but X": all folders but X, which is held whole."""
    start: str | None = None
    """Name of the training whose weights it starts from."""
    tta: bool = False
    """Whether to test it also with the scores of the eight symmetries averaged."""
    folds: tuple[str, ...] = ()
    """Folders, none of which it was trained on, to test it on as well."""


def trainings(*, long: int, more: int, precision: str) -> list[Training]:
    """All trainings, in the order of the table.

    Args:
        long: epochs in place of the lab's 25 ("train for longer (100 epochs)").
        more: epochs on all images, from the weights of the long training.
        precision: of the forward pass.
    """
    lab = TrainSettings(precision=precision)
    flips = replace(lab, augment="flips")
    cosine = replace(flips, optimizer="adam", schedule="cosine", batch_size=16)
    longer = replace(cosine, epochs=long)
    further = replace(cosine, epochs=more, augment="full", warmup=0.5)
    return [
        *(
            Training(f"lab-{seed}", f"the lab, seed {seed}", replace(lab, seed=seed))
            for seed in range(3)
        ),
        Training("flips", "flips and quarter turns", flips),
        Training("cosine", "flips, Adam, cosine schedule, batches of 16", cosine),
        Training("dice", "the same with Dice in the loss", replace(cosine, loss="dice")),
        Training("long", f"flips, Adam, cosine, {long} epochs", longer, tta=True, folds=FOLDS),
        Training("all", f"all images, colour, zoom, {more} epochs more", further, "all", "long",
                 tta=True),
        *(
            Training(f"without-{fold[-1]}", f"seven folders, {more} epochs after those {long}",
                     further, f"all but {fold}", "long")
            for fold in FOLDS
        ),
    ]  # fmt: skip


def choose(tiles: TileSet, data: str) -> TileSet:
    """The tiles of a training, each "train", "val", or "gap" where it takes no part.

    The tiles of a folder that is held whole are "gap": they must not choose the best epoch, as
    they are what the model is tested on.

    Args:
        tiles: of all images, whatever their split.
        data: of a `Training`.
    """
    if data.startswith("all but "):
        fold = data.removeprefix("all but ")
        return replace(tiles, splits=tuple("gap" if g == fold else "train" for g in tiles.scenes))
    lab = [number for number, group in enumerate(tiles.scenes) if group in LAB_FOLDERS]
    drawn = np.random.default_rng(0).permutation(len(lab))[:HELD]
    held = {lab[place] for place in drawn}
    others = "train" if data == "all" else "gap"
    splits = [others] * len(tiles.scenes)
    for number in lab:
        splits[number] = "val" if number in held else "train"
    return replace(tiles, splits=tuple(splits))
