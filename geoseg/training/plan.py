"""The plan of a training run: its tiles, its settings and its identity."""

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
"""Share of validation tiles if neither the tile set nor the settings define it."""
_END_SETTINGS = ("epochs", "patience")
"""Settings that decide only when a run ends, not the weights of its epochs."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """The tiles, settings and start model of a run."""

    tiles: TileSet
    """With a split, and without the labels of ignored classes."""
    train: TileDataset
    val: TileDataset
    settings: TrainSettings
    """With numbers for width and depth."""
    start: Model | None
    """Model whose weights the run starts from; None for random weights."""
    pixel_sizes: PixelSizes | None
    """Smallest and largest ground size of the pixels (m)."""
    identity: Mapping[str, Any]
    """All that determines the weights of an epoch, as plain data: of the tiles the digest, not the
    paths."""

    @property
    def run(self) -> str:
        """SHA-256 of the identity."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()

    def differences(self, identity: Mapping[str, Any]) -> list[str]:
        """List the differences to the identity of a checkpoint; empty if they are the same."""
        new, old = self.identity["settings"], identity["settings"]
        changed = [name for name in self.identity if self.identity[name] != identity.get(name)]
        return [
            f"{name.replace('_', ' ')} was {old.get(name)} and is {new.get(name)}"
            for name in sorted(new.keys() | old.keys())
            if new.get(name) != old.get(name)
        ] + [f"other {name}" for name in changed if name != "settings"]


def make_plan(
    tiles: TileSet, settings: TrainSettings, start: Model | None, pixel_sizes: PixelSizes | None
) -> TrainingPlan:
    """Split the tiles, and check that a run can train on them.

    ``pixel_sizes`` is the smallest and largest ground size of the pixels (m); None for that of the
    tiles.

    Raises:
        TileError: if there are no training tiles, or fewer than two classes are labelled in them.
        ModelError: if the start model does not fit the tiles or the settings.
        LabelError: if a class to ignore is not in the legend.
    """
    if settings.val is not None or not any(tiles.splits):
        share = DEFAULT_VAL if settings.val is None else settings.val
        tiles = tiles.resplit("random", share, settings.seed)
    tiles = tiles.ignoring(settings.ignore)
    train, val = tiles.dataset("train"), tiles.dataset("val")
    _check_labels(tiles, train, val)
    if start is not None:
        _check_start(start, tiles)
    settings = _resolve_size(settings, start)
    if pixel_sizes is None and tiles.pixel_size is not None:
        pixel_sizes = tiles.pixel_size, tiles.pixel_size
    identity = {
        "settings": {k: v for k, v in settings.to_dict().items() if k not in _END_SETTINGS},
        "bands": list(tiles.band_names),
        "classes": [[c.value, c.name] for c in tiles.legend.classes],
        "training tiles": train.digest,
        "validation tiles": val.digest,
        "start model": start.hash if start else None,
    }
    return TrainingPlan(tiles, train, val, settings, start, pixel_size_range(pixel_sizes), identity)


def _check_labels(tiles: TileSet, train: TileDataset, val: TileDataset) -> None:
    if not len(train):
        raise TileError(f"{tiles.folder} has no training tiles, tile more scenes")
    for split, dataset in (("train", train), ("val", val)):
        if len(dataset) and not dataset.counts.sum():
            raise TileError(
                f"no pixel of the {split} tiles of {tiles.folder} has a class of the legend "
                f"({', '.join(tiles.legend.names)}), give the legend of the masks (--legend)"
            )
    labelled = [name for name, count in zip(tiles.legend.names, train.counts, strict=True) if count]
    if len(labelled) < 2:
        in_validation = (val.counts > 0).sum() > 1
        advice = (
            "split the tiles again, so that training tiles have more classes" if in_validation
            else "label at least one more class (the surroundings may be a class of their own)"
        )  # fmt: skip
        raise TileError(
            f"only class {labelled[0]!r} is labelled in the training tiles of {tiles.folder}, but "
            f"training needs at least two classes, {advice}"
        )


def _check_start(start: Model, tiles: TileSet) -> None:
    bands = len(tiles.band_names)
    if (start.spec.bands, start.dtype) != (bands, tiles.dtype):
        raise ModelError(
            f"model {start.path} reads {start.spec.bands} bands of {start.dtype}, but the tiles "
            f"have {bands} of {tiles.dtype}, choose the bands when you cut the tiles, or start "
            "from another model"
        )


def _resolve_size(settings: TrainSettings, start: Model | None) -> TrainSettings:
    """Return the settings with numbers for width and depth."""
    spec = UNetSpec() if start is None else start.spec
    for name in ("width", "depth"):
        size, start_size = getattr(settings, name), getattr(spec, name)
        if start is not None and size not in (None, start_size):
            raise ModelError(
                f"{name} is {size}, but the network of the start model {start.path} has {name} "
                f"{start_size}, leave {name} out or train without a start model"
            )
    width, depth = settings.width or spec.width, settings.depth or spec.depth
    return replace(settings, width=width, depth=depth)
