"""The trainings on the Dubai data set: their settings, and the images that they are tested on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from geoseg import RECIPES, TrainSettings

TESTED_SHARE = 16 / 72
"""Share of the images that published trainings are tested on."""
FOLDERS = (3, 5, 7)
"""Folders to leave out, one at a time."""
SEEDS = (0, 1, 2)
LABEL_SHARES = (1.0, 0.5, 0.2, 0.05)
"""Shares of the labels to keep, in small squares spread over the images."""


@dataclass(frozen=True, slots=True)
class Training:
    """A training and its test images."""

    name: str
    """Name of its files."""
    what: str
    """Description in the table."""
    settings: TrainSettings
    tested: tuple[Path, ...] = ()
    """Images that it is tested on, and not trained on."""
    validated: tuple[Path, ...] = ()
    """Images that choose its best epoch and its temperature, and that it is not trained on."""
    unused: tuple[Path, ...] = ()
    """Images that it neither sees nor is tested on."""
    labels: float | None = None
    """Share of the labels that is kept, from `LABEL_SHARES`, in tiles of 256 px; None for all
    labels in tiles of 64 px."""


def trainings(images: Sequence[Path], epochs: int) -> list[Training]:
    """Return all trainings.

    Args:
        images: all images of the data set, sorted.
        epochs: of each training. Those with few labels have two thirds of them and half of the
            images, because there are many of them; the bundled model has twice as many epochs.
    """
    standard = replace(RECIPES["standard"], epochs=epochs)
    reference = replace(standard, encoder="lab")
    planned = []
    for suffix, what, settings in (
        ("", "standard", standard),
        ("-lab", "standard, reference network", reference),
    ):
        for seed in SEEDS:
            tested = drawn_images(images, seed)
            seeded = replace(settings, seed=seed)
            planned.append(Training(f"images-{seed}{suffix}", what, seeded, tested))
        for folder in FOLDERS:
            tested = tuple(i for i in images if i.parent.parent.name == f"Tile {folder}")
            planned.append(Training(f"without-{folder}{suffix}", what, settings, tested))
    short = replace(standard, epochs=max(1, epochs * 2 // 3))
    for seed in SEEDS:
        tested = drawn_images(images, seed)
        unused = tuple(image for image in images if image not in tested)[::2]
        for share in LABEL_SHARES:
            for pseudo in (False, True) if share < 1 else (False,):
                what = f"{share:.0%} of the labels{', pseudo-labels' if pseudo else ''}"
                name = f"labels-{share * 100:.0f}{'-pseudo' if pseudo else ''}-{seed}"
                settings = replace(short, seed=seed, pseudo_labels=pseudo)
                planned.append(Training(name, what, settings, tested, unused=unused, labels=share))
    longer = replace(standard, epochs=2 * epochs)
    validated = drawn_images(images, 0)[::5]
    return [*planned, Training("default", "all images but three", longer, validated=validated)]


def drawn_images(images: Sequence[Path], seed: int) -> tuple[Path, ...]:
    """Return the images that the trainings with this seed are tested on."""
    order = np.random.default_rng(seed).permutation(len(images))
    return tuple(images[index] for index in sorted(order[: round(TESTED_SHARE * len(images))]))
