"""The trainings on the Dubai data set: their test images and their settings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from geoseg import RECIPES, TrainSettings

TESTED_SHARE = 16 / 72
"""Share of the images that the published trainings were tested on."""
FOLDERS = (3, 5, 7)
"""Folders to leave out, one at a time."""
SEEDS = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class Training:
    """A training and its test images."""

    name: str
    """Name of its files."""
    settings: TrainSettings
    tested: tuple[Path, ...] = ()
    """Images that it is tested on, and not trained on."""


def trainings(images: Sequence[Path]) -> list[Training]:
    """Return all trainings.

    Args:
        images: all images of the data set, sorted.
    """
    standard = replace(RECIPES["standard"], epochs=15)
    all_trainings = []
    for encoder, suffix in ((None, ""), ("lab", "-lab")):
        settings = replace(standard, encoder=encoder)
        for seed in SEEDS:
            order = np.random.default_rng(seed).permutation(len(images))
            tested = order[: round(TESTED_SHARE * len(images))]
            all_trainings.append(
                Training(
                    f"images-{seed}{suffix}", replace(settings, seed=seed),
                    tuple(images[index] for index in sorted(tested)),
                )
            )  # fmt: skip
        for folder in FOLDERS:
            tested = tuple(i for i in images if i.parent.parent.name == f"Tile {folder}")
            all_trainings.append(Training(f"without-{folder}{suffix}", settings, tested))
    all_trainings.append(Training("default", replace(standard, epochs=40)))
    return all_trainings
