"""The plan of a training run: its tiles, its settings and its identity."""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from geoseg.errors import ModelError, TileError, count_of
from geoseg.labels import IgnoreSpec
from geoseg.legend import class_key
from geoseg.model import (
    EFFICIENTNET_LITE0,
    ENCODER_DEPTH,
    LAB,
    Model,
    PixelSizes,
    UNetSpec,
    find_imagenet_weights,
    pixel_size_range,
)
from geoseg.raster import have_other_names, list_bands
from geoseg.tiles import TileDataset, TileSet
from geoseg.training.batches import DEFAULT_REPLAY_SHARE, TileLayout
from geoseg.training.settings import IMAGENET, NO_WEIGHTS, TrainSettings

log = logging.getLogger("geoseg")

DEFAULT_VAL = 0.25
"""Share of validation tiles if neither the tile set nor the settings define it."""
_END_SETTINGS = ("epochs", "patience")
"""Settings that decide when a run ends. The weights of its epochs depend on them only through the
schedule "cosine" and the epoch in which pseudo-labels begin."""
_UNLABELLED_NAMES = ("unlabelled", "unlabeled")
"""Names of a class that means "not labelled"."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """The tiles, settings and start model of a run."""

    tiles: TileSet
    """With a split, and without the labels of ignored classes."""
    train: TileDataset
    """Training tiles; the replayed ones come last."""
    replayed: int
    """Number of the training tiles that are replayed, 0 for none."""
    val: TileDataset
    layout: TileLayout
    """Of the training tiles."""
    settings: TrainSettings
    """With values for encoder and its weights, width, depth, window and ignored classes."""
    start: Model | None
    """Model whose weights the run starts from."""
    encoder_weights: Path | None
    """File of the weights that the encoder starts from; None for those of the start model, or
    random ones."""
    pixel_sizes: PixelSizes | None
    """Smallest and largest ground size of the pixels (m)."""
    determinants: Mapping[str, Any]
    """All that determines the weights of an epoch, as plain data: of the tiles the digest, not the
    paths."""

    @property
    def identity(self) -> str:
        """SHA-256 of the determinants."""
        return hashlib.sha256(json.dumps(self.determinants, sort_keys=True).encode()).hexdigest()

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """List how the determinants of a checkpoint differ; empty if they do not."""
        new, old = self.determinants["settings"], other["settings"]
        changed = [key for key, value in self.determinants.items() if value != other.get(key)]
        return [
            f"{name.replace('_', ' ')} was {old.get(name)} and is {new.get(name)}"
            for name in sorted(new.keys() | old.keys())
            if new.get(name) != old.get(name)
        ] + [f"other {name}" for name in changed if name != "settings"]


def make_plan(
    tiles: TileSet,
    settings: TrainSettings,
    start: Model | None,
    pixel_sizes: PixelSizes | None,
    replay: TileSet | None = None,
) -> TrainingPlan:
    """Split the tiles, and check that a run can train on them.

    ``pixel_sizes`` is the smallest and largest ground size of the pixels (m); None for that of all
    tiles. The training tiles of ``replay`` are added to those of ``tiles``.

    Raises:
        TileError: if there are no training tiles, or fewer than two classes are labelled in them.
        ModelError: if the start model does not fit the tiles or the settings.
        LabelError: if a class to ignore is not in the legend.
    """
    if settings.val is not None or not any(tiles.splits):
        share = DEFAULT_VAL if settings.val is None else settings.val
        tiles = tiles.resplit("random", share, settings.seed)
        touching = tiles.count_touching()
        if touching:
            log.warning(
                "%s of %s touch a training tile, so validation scores are too good, split the "
                "scenes when you cut them (geoseg tile --split block) and leave val out",
                f"{touching:,}", count_of(tiles.count("val"), "validation tile"),
            )  # fmt: skip
    settings = replace(settings, ignore=_ignored(settings, tiles))
    tiles = tiles.ignoring(settings.ignore or ())
    train, val = tiles.dataset("train"), tiles.dataset("val")
    if not len(train):
        raise TileError(f"{tiles.folder} has no training tiles, tile more scenes")
    if start is not None:
        _check_start(start, tiles)
    replayed = 0
    if replay is not None:
        if not settings.pseudo_labels:
            _check_labelled(tiles, "train", train)
        joined = _with_replayed(tiles, replay, settings)
        train, replayed = joined, len(joined) - len(train)
        touching = tiles.count_touching_training_of(replay)
        if touching:
            log.warning(
                "%s of %s touch a replayed training tile, so validation scores are too good, "
                "validate on places that the start model was not trained on",
                f"{touching:,}", count_of(tiles.count("val"), "validation tile"),
            )  # fmt: skip
    settings = _resolve_replay_share(settings, replay)
    _check_labels(tiles, train, val)  # corrections alone may have a single class
    settings = _resolve_network(settings, start)
    layout = TileLayout(tiles.size, train.places)
    settings = replace(settings, window=_resolve_window(settings, layout))
    settings = replace(settings, encoder_weights=_resolve_encoder_weights(settings, start))
    encoder_weights = _find_encoder_weights(settings)
    if pixel_sizes is None:
        sets = [tiles] if replay is None else [tiles, replay]
        sizes = [size for of in sets for size in of.pixel_size_range or ()]
        pixel_sizes = (min(sizes), max(sizes)) if sizes else None
    determinants = {
        "settings": {
            name: value for name, value in settings.to_dict().items()
            if name not in (*_END_SETTINGS, "encoder_weights")
        },
        "bands": list(tiles.band_names),
        "classes": [[c.value, c.name] for c in tiles.legend.classes],
        "training tiles": train.digest,
        "validation tiles": val.digest,
        "start model": start.hash if start else None,
        "encoder weights": encoder_weights and _sha256(encoder_weights),
        **({"replayed tiles": replayed} if replayed else {}),
    }  # fmt: skip
    return TrainingPlan(
        tiles, train, replayed, val, layout, settings, start, encoder_weights,
        pixel_size_range(pixel_sizes), determinants,
    )  # fmt: skip


def _resolve_replay_share(settings: TrainSettings, replay: TileSet | None) -> TrainSettings:
    """Return settings with the share of the replayed tiles, if there are any."""
    if replay is not None:
        return replace(settings, replay_share=settings.replay_share or DEFAULT_REPLAY_SHARE)
    if settings.replay_share is not None:
        raise ModelError(
            "a replay share is given, but no tiles to replay, give them (replay, --replay) or "
            "leave the share out"
        )
    return settings


def _with_replayed(tiles: TileSet, replay: TileSet, settings: TrainSettings) -> TileDataset:
    """Return the training tiles of both sets, those of ``replay`` last.

    Raises:
        TileError: if the sets do not match, or ``replay`` has no labelled training tile.
    """
    spec = IgnoreSpec.parse(settings.ignore or ())
    elsewhere = spec.unmatched_in(replay.legend)
    replay = replay.ignoring([text for text in spec.texts if text not in elsewhere])
    split = "train" if any(replay.splits) else ""
    old = replay.dataset(split)
    if not len(old) or not old.counts.sum():
        raise TileError(
            f"{replay.folder} has no labelled training tiles to replay, give the tiles that the "
            "start model was trained on (--replay)"
        )
    return tiles.dataset_with("train", replay, split)


def _ignored(settings: TrainSettings, tiles: TileSet) -> tuple[str, ...]:
    """Return the classes to ignore."""
    if settings.ignore is not None:
        return settings.ignore
    return tuple(name for name in tiles.legend.names if class_key(name) in _UNLABELLED_NAMES)


def _check_labels(tiles: TileSet, train: TileDataset, val: TileDataset) -> None:
    _check_labelled(tiles, "train", train)
    _check_labelled(tiles, "val", val)
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


def _check_labelled(tiles: TileSet, split: str, dataset: TileDataset) -> None:
    if len(dataset) and not dataset.counts.sum():
        raise TileError(
            f"no pixel of the {split} tiles of {tiles.folder} has a class of the legend "
            f"({', '.join(tiles.legend.names)}), give the legend of the masks (--legend)"
        )


def _check_start(start: Model, tiles: TileSet) -> None:
    bands = len(tiles.band_names)
    if (start.spec.bands, start.dtype) != (bands, tiles.dtype):
        raise ModelError(
            f"model {start.path} reads {start.spec.bands} bands of {start.dtype}, but the tiles "
            f"have {bands} of {tiles.dtype}, choose the bands when you cut the tiles, or start "
            "from another model"
        )
    if have_other_names(tiles.band_names, start.band_names):
        log.warning(
            "the bands of the tiles are %s, and those of the start model %s: its weights are used "
            "in this order, cut the tiles with other bands (--bands) if this is wrong",
            list_bands(tiles.band_names), list_bands(start.band_names),
        )  # fmt: skip


def _resolve_network(settings: TrainSettings, start: Model | None) -> TrainSettings:
    """Return the settings with an encoder, and numbers for width and depth."""
    if start is not None:
        for name in ("encoder", "width", "depth"):
            value, start_value = getattr(settings, name), getattr(start.spec, name)
            if value not in (None, start_value):
                raise ModelError(
                    f"{name} is {value}, but the network of the start model {start.path} has "
                    f"{name} {start_value}, leave {name} out, take another recipe, or train "
                    "without a start model"
                )
    encoder = settings.encoder or (start.spec.encoder if start else EFFICIENTNET_LITE0)
    default = start.spec if start else UNetSpec()
    depth = settings.depth or (default.depth if start or encoder == LAB else ENCODER_DEPTH)
    return replace(settings, encoder=encoder, width=settings.width or default.width, depth=depth)


def _resolve_window(settings: TrainSettings, layout: TileLayout) -> int:
    """Return the side of a window (px): that of the settings, or less if the tiles are small."""
    if settings.window is None:
        return layout.size
    assert settings.depth is not None  # noqa: S101 - for mypy
    multiple = 2**settings.depth
    window = layout.largest_window(multiple, settings.window)
    if settings.window % multiple or not window:
        raise ModelError(
            f"windows of {settings.window} px do not fit tiles of {layout.size} px and an encoder "
            f"that needs a multiple of {multiple} px, give another window or cut larger tiles"
        )
    if window < settings.window:
        log.info(
            "windows have %d px and not %d, because adjacent tiles cover too little of larger ones",
            window, settings.window,
        )  # fmt: skip
    return window


def _resolve_encoder_weights(settings: TrainSettings, start: Model | None) -> str | None:
    """Return the weights that the encoder starts from; None for those of the start model."""
    weights = settings.encoder_weights
    if start is not None:
        if weights is not None:
            raise ModelError(
                f"encoder weights are given, but the start model {start.path} has its own, leave "
                "one of them out"
            )
        return None
    if weights is None:
        return IMAGENET if settings.encoder == EFFICIENTNET_LITE0 else NO_WEIGHTS
    if weights != NO_WEIGHTS and settings.encoder == LAB:
        raise ModelError("there are no weights for encoder lab, leave the encoder weights out")
    if weights == IMAGENET and settings.encoder != EFFICIENTNET_LITE0:
        raise ModelError(
            f"geoseg has no ImageNet weights for encoder {settings.encoder}, give a file "
            "(--encoder-weights)"
        )
    return weights


def _find_encoder_weights(settings: TrainSettings) -> Path | None:
    """Return the file of weights that the encoder starts from; None if there is none."""
    weights = settings.encoder_weights
    if weights is None or weights == NO_WEIGHTS:
        return None
    return find_imagenet_weights() if weights == IMAGENET else Path(weights)


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(
            f"encoder weights {path} cannot be read ({error.strerror}), check the path"
        ) from None
