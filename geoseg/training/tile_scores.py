"""How well a model maps tiles that it was not trained on."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import TileError
from geoseg.execute import available_cpus, map_threads
from geoseg.metrics import Confusion
from geoseg.model import Model, Predictor, best_class
from geoseg.tiles import IGNORE_INDEX, TileDataset, TileSet, open_tiles

_TILES_PER_BATCH = 64
"""Tiles read together."""


def score(
    model: Model | str | Path,
    tiles: TileSet | str | Path,
    split: str = "val",
    *,
    tta: bool = False,
    device: str = "auto",
    precision: str = "auto",
) -> Confusion:
    """Map the tiles of a split, each by itself, and compare with their labels.

    Args:
        model: with the classes and bands of the tiles, or its file.
        tiles: labelled tiles, or their folder.
        split: "train", "val" or "gap".
        tta: average the scores over the eight symmetries of the square.
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: "auto", "fp32", "bf16" or "fp16", of weights and activations.

    Returns:
        The error matrix over all labelled pixels.

    Raises:
        TileError: if there are no such tiles, or they do not fit the model.
        ModelError: if the model cannot be loaded.
    """
    model = model if isinstance(model, Model) else Model.load(model)
    tiles = tiles if isinstance(tiles, TileSet) else open_tiles(tiles)
    same_classes = model.legend.same_classes(tiles.legend)
    fits = same_classes and model.spec.bands == len(tiles.band_names)
    if not fits or model.spec.window != tiles.size:
        raise TileError(
            f"the tiles of {tiles.folder} have other classes, bands or size than model "
            f"{model.path}, tile the scenes with legend, bands and size of the model"
        )
    samples = tiles.dataset(split)
    if not len(samples):
        raise TileError(f"{tiles.folder} has no {split!r} tiles to score")
    predictor = Predictor(model, device=device, precision=precision, tta=tta)
    numbers = np.array_split(np.arange(len(samples)), -(-len(samples) // _TILES_PER_BATCH))
    parts = map_threads(partial(_score_batch, predictor, samples), numbers, available_cpus())
    return sum(parts, Confusion.zeros(model.spec.classes))


def _score_batch(predictor: Predictor, samples: TileDataset, some: NDArray[np.int64]) -> Confusion:
    """The error matrix of the tiles with these numbers, mapped as one column of windows."""
    images, valid, labels = samples.read(some)
    size = labels.shape[-1]
    column = images.transpose(1, 0, 2, 3).reshape(images.shape[1], -1, size)
    predictor.spec.fill(column, valid.reshape(-1, size))
    windows = [(slice(row, row + size), slice(0, size)) for row in range(0, size * len(some), size)]
    mapped = [best_class(scores)[0].cpu().numpy() for scores in predictor.scores(column, windows)]
    return Confusion.of(np.stack(mapped), labels, predictor.spec.classes, IGNORE_INDEX)
