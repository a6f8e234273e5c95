"""The accuracy of a model on labelled tiles."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import TileError
from geoseg.execute import available_cpus, map_threads
from geoseg.metrics import Confusion
from geoseg.model import Model, Predictor, best_class, one_torch_thread
from geoseg.raster import have_other_names, list_bands
from geoseg.tiles import IGNORE_INDEX, TileDataset, TileSet, open_tiles

_TILES_PER_BATCH = 64
"""Tiles that a thread reads at once."""


def score(
    model: Model | str | Path,
    tiles: TileSet | str | Path,
    split: str = "val",
    *,
    tta: bool = False,
    device: str = "auto",
    precision: str = "auto",
) -> Confusion:
    """Classify the tiles of a split one by one, and compare the result with their labels.

    Args:
        model: a model with the classes and bands of the tiles, or its file.
        tiles: labelled tiles, or their folder.
        split: "train", "val" or "gap".
        tta: average the scores over the eight symmetries of the square.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: "auto", "fp32", "bf16" or "fp16", of weights and activations.

    Returns:
        The confusion matrix over all labelled pixels.

    Raises:
        TileError: if the split has no tiles, or the tiles do not fit the model.
        ModelError: if the model cannot be loaded, or cannot have windows of the size of the tiles.
    """
    model = model if isinstance(model, Model) else Model.load(model)
    tiles = fit_tiles(tiles, model)
    dataset = tiles.dataset(split)
    if not len(dataset):
        raise TileError(f"{tiles.folder} has no {split!r} tiles to score")
    predictor = Predictor(
        model.with_window(tiles.size), device=device, precision=precision, tta=tta
    )
    score_batch = partial(_score_batch, predictor, dataset)
    with one_torch_thread():
        matrices = map_threads(score_batch, tile_batches(dataset), available_cpus())
    return sum(matrices, Confusion.zeros(model.spec.classes))


def fit_tiles(tiles: TileSet | str | Path, model: Model) -> TileSet:
    """Return labelled tiles with the classes of a model; pixels of other classes have no label.

    Raises:
        TileError: if the tiles lack classes of the model, or have other bands.
    """
    tiles = tiles if isinstance(tiles, TileSet) else open_tiles(tiles)
    shared = set(model.legend.values) & set(tiles.legend.values)
    tiles = tiles.keeping(shared) if shared else tiles
    same_classes = model.legend.same_classes(tiles.legend)
    same_bands = model.spec.bands == len(tiles.band_names)
    if not same_classes or not same_bands:
        raise TileError(
            f"the tiles of {tiles.folder} have other classes or bands than model {model.path}, "
            "tile the scenes with the legend and bands of the model"
        )
    if have_other_names(tiles.band_names, model.band_names):
        raise TileError(
            f"the bands of the tiles of {tiles.folder} are {list_bands(tiles.band_names)}, and "
            f"those of model {model.path} {list_bands(model.band_names)}, tile the scenes with the "
            "bands of the model in its order (--bands)"
        )
    return tiles


def tile_batches(dataset: TileDataset) -> list[NDArray[np.int64]]:
    """Return the indices of all tiles, in batches that a thread reads at once."""
    return np.array_split(np.arange(len(dataset)), -(-len(dataset) // _TILES_PER_BATCH))


def _score_batch(
    predictor: Predictor, dataset: TileDataset, indices: NDArray[np.int64]
) -> Confusion:
    """Return the confusion matrix of a batch of tiles."""
    images, valid, labels = dataset.read(indices)
    mapped = classify_tiles(predictor, images, valid)
    return Confusion.of(mapped, labels, predictor.spec.classes, IGNORE_INDEX)


def classify_tiles(
    predictor: Predictor, images: NDArray[Any], valid: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Classify tiles as one column of windows.

    Args:
        predictor: its windows have the side of the tiles.
        images: (n, bands, side, side) in scene values.
        valid: (n, side, side), True where a pixel has data.

    Returns:
        (n, side, side) class indices.
    """
    size = valid.shape[-1]
    column = images.transpose(1, 0, 2, 3).reshape(images.shape[1], -1, size)
    predictor.spec.scaling.fill_invalid(column, valid.reshape(-1, size))
    rows = range(0, size * len(valid), size)
    windows = [(slice(row, row + size), slice(0, size)) for row in rows]
    with predictor.stream():
        scores = predictor.scores(column, windows)
        return np.stack([best_class(window_scores)[0].cpu().numpy() for window_scores in scores])
