"""How well a model maps tiles that it was not trained on."""

import numpy as np
import torch

from geoseg.errors import TileError
from geoseg.metrics import Confusion
from geoseg.model import Model, choose_device, choose_precision, keep_freed_memory, torch_dtype
from geoseg.tiles import TileSet
from geoseg.training.feed import Feed
from geoseg.training.processes import Processes
from geoseg.training.tally import Tally

_AT_ONCE = 16
"""Tiles in a batch; small ones stay in a processor's cache."""


@torch.inference_mode()
def score(
    model: Model,
    tiles: TileSet,
    split: str = "val",
    *,
    device: str = "auto",
    precision: str = "auto",
) -> Confusion:
    """Map the tiles of a split, each by itself, and compare with their labels.

    Args:
        model: with the legend and bands of the tiles.
        tiles: labelled tiles.
        split: "train", "val" or "gap".
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: "auto", "fp32", "bf16" or "fp16".

    Returns:
        The error matrix over all labelled pixels.

    Raises:
        TileError: if there are no such tiles, or they do not fit the model.
    """
    if model.legend != tiles.legend or model.spec.bands != len(tiles.band_names):
        raise TileError(
            f"the tiles of {tiles.folder} have other classes or bands than model {model.path}, "
            "tile the scenes with --legend and --bands of the model"
        )
    samples = tiles.samples(split)
    if not len(samples):
        raise TileError(f"{tiles.folder} has no {split!r} tiles to score")
    keep_freed_memory()
    where = choose_device(device)
    dtype = torch_dtype(choose_precision(precision, where))
    network = model.network.to(where).eval()
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    tally = Tally(model.spec.classes, where)
    numbers = np.arange(len(samples))
    batches = [numbers[first : first + _AT_ONCE] for first in range(0, len(samples), _AT_ONCE)]
    for images, labels in Feed(samples, model.spec, where).batches(batches):
        with torch.autocast(where.type, dtype, enabled=dtype != torch.float32):
            logits = network(images)
        tally.add(torch.zeros((), device=where), logits, labels)
    return tally.scores(Processes()).confusion
