"""A training run before it begins: its tiles, its settings, and what identifies it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from geoseg.errors import ModelError, TileError
from geoseg.model import Model, PixelSizes, UNetSpec, pixel_size_range
from geoseg.tiles import TileDataset, TileSet
from geoseg.training.settings import TrainSettings

DEFAULT_VAL = 0.25
"""Share of validation tiles where neither the set nor the settings say."""
_SPLIT_SUFFIX = ("epochs", "patience")
"""Settings that say when a run ends, and do not change the weights of any epoch before that."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What a run trains on and how."""

    tiles: TileSet
    """Split, and without the labels of ignored classes."""
    train: TileDataset
    val: TileDataset
    settings: TrainSettings
    """With numbers for width and depth."""
    start: Model | None
    pixel_sizes: PixelSizes | None
    """Smallest and largest ground size of the pixels (m)."""
    identity: Mapping[str, Any]
    """All that determines the weights of each epoch, as plain data. Where the tiles lie on disk
    does not count, only what they contain."""

    @property
    def run(self) -> str:
        """SHA-256 of the identity."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """How the identity of another run differs, in words; empty if it is the same."""
        ours, theirs = self.identity["settings"], other["settings"]
        words = [
            f"{name.replace('_', ' ')} was {theirs.get(name)} and is {ours.get(name)}"
            for name in sorted(ours.keys() | theirs.keys())
            if ours.get(name) != theirs.get(name)
        ]
        names = [name for name in self.identity if name != "settings"]
        return words + [f"other {name}" for name in names if self.identity[name] != other.get(name)]


def make_plan(
    tiles: TileSet,
    settings: TrainSettings,
    start: Model | None = None,
    pixel_sizes: PixelSizes | None = None,
) -> TrainingPlan:
    """Split the tiles and check that they can be trained on.

    Args:
        tiles: labelled tiles.
        settings: how to train.
        start: model whose weights to start from.
        pixel_sizes: smallest and largest ground size of the pixels (m); None for that of the tiles.

    Raises:
        TileError: if there are no training tiles, or fewer than two classes are labelled in them.
        ModelError: if the start model does not fit the tiles or the settings.
        LabelError: if a class to ignore is not in the legend.
    """
    tiles = _split(tiles, settings).ignoring(settings.ignore)
    train, val = tiles.dataset("train"), tiles.dataset("val")
    _check_labels(tiles, train, val)
    if start is not None:
        _check_start(start, tiles)
    settings = _with_size(settings, start)
    if pixel_sizes is None and tiles.pixel_size is not None:
        pixel_sizes = tiles.pixel_size, tiles.pixel_size
    identity = {
        "settings": {k: v for k, v in settings.to_dict().items() if k not in _SPLIT_SUFFIX},
        "bands": list(tiles.band_names),
        "classes": [[c.value, c.name] for c in tiles.legend.classes],
        "training tiles": train.digest,
        "validation tiles": val.digest,
        "start model": start.hash if start else None,
    }
    return TrainingPlan(tiles, train, val, settings, start, pixel_size_range(pixel_sizes), identity)


def _split(tiles: TileSet, settings: TrainSettings) -> TileSet:
    if settings.val is not None or not any(tiles.splits):
        share = DEFAULT_VAL if settings.val is None else settings.val
        return tiles.resplit("random", share, settings.seed)
    return tiles


def _check_labels(tiles: TileSet, train: TileDataset, val: TileDataset) -> None:
    if not len(train):
        raise TileError(f"{tiles.folder} has no tiles to train on, tile more scenes")
    for split, samples in (("train", train), ("val", val)):
        if len(samples) and not samples.counts.sum():
            raise TileError(
                f"no pixel of the {split} tiles of {tiles.folder} has a class of the legend "
                f"({', '.join(tiles.legend.names)}), give the legend of the masks (--legend)"
            )
    labelled = [name for name, count in zip(tiles.legend.names, train.counts, strict=True) if count]
    if len(labelled) < 2:
        only_there = (val.counts > 0).sum() > 1
        cure = (
            "split the tiles again, so that training tiles have more classes" if only_there
            else "label at least one more class (what lies outside may be a class of its own)"
        )  # fmt: skip
        raise TileError(
            f"only class {labelled[0]!r} is labelled in the training tiles of {tiles.folder}, so "
            f"there is nothing to tell it from, {cure}"
        )


def _check_start(start: Model, tiles: TileSet) -> None:
    bands = len(tiles.band_names)
    if (start.spec.bands, start.dtype) != (bands, tiles.dtype):
        raise ModelError(
            f"model {start.path} sees {start.spec.bands} bands of {start.dtype}, the tiles have "
            f"{bands} of {tiles.dtype}, choose the bands when you cut the tiles, or start from "
            "another model"
        )


def _with_size(settings: TrainSettings, start: Model | None) -> TrainSettings:
    """The settings with numbers for width and depth."""
    spec = UNetSpec() if start is None else start.spec
    for name in ("width", "depth"):
        wanted, given = getattr(settings, name), getattr(spec, name)
        if start is not None and wanted not in (None, given):
            raise ModelError(
                f"{name} is {wanted}, but the network of the start model {start.path} has {name} "
                f"{given}, leave {name} out or train without a start model"
            )
    width, depth = settings.width or spec.width, settings.depth or spec.depth
    return replace(settings, width=width, depth=depth)
