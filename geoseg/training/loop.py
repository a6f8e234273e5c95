"""Tiles in, a model file out: one visible loop."""

import csv
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from numpy.typing import NDArray
from torch import Tensor

from geoseg.errors import OutputError, TileError
from geoseg.metrics import Confusion
from geoseg.model import (
    Model,
    UNet,
    UNetSpec,
    choose_device,
    choose_precision,
    keep_freed_memory,
    torch_dtype,
)
from geoseg.tiles import IGNORE, TileSet, open_tiles
from geoseg.training.augment import augment
from geoseg.training.settings import TrainSettings
from geoseg.training.state import State, load_state, save_state

DEFAULT_VAL = 0.25
"""Share of tiles held for validation where neither the set nor the settings say."""

Arrays = tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.uint8]]
Report = Callable[[dict[str, float]], None]


def train(
    tiles: str | Path | TileSet,
    out: str | Path,
    *,
    settings: TrainSettings = TrainSettings(),
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    report: Report | None = None,
) -> Model:
    """Train a U-Net and write the weights of its best epoch (lowest validation loss).

    Beside the model go ``<stem>.history.csv`` and, until the run is complete, a checkpoint from
    which ``resume`` continues to the same weights, bit for bit on a CPU.

    Args:
        tiles: a set that `tile` wrote, a folder with images/ and masks/, or a `TileSet`.
        out: model file to write, .safetensors.
        settings: everything that determines the run.
        device: "auto", "cpu", "cuda" or "cuda:N".
        resume: continue from a checkpoint, if there is one.
        overwrite: replace an existing model.
        report: called after each epoch with its history row.

    Returns:
        The model as saved.

    Raises:
        TileError: if there are no tiles to train on.
        OutputError: if the model exists or cannot be written.
        RunError: if the checkpoint is of another run.
    """
    out = Path(out)
    if out.exists() and not overwrite:
        raise OutputError(f"{out} exists, use -f to replace it or another --out")
    if not out.parent.is_dir():
        raise OutputError(f"folder {out.parent} does not exist, create it first")
    tiles = _split(tiles if isinstance(tiles, TileSet) else open_tiles(tiles), settings)
    where = choose_device(device)
    keep_freed_memory()
    run = _Run(tiles, settings, where)
    checkpoint = out.with_name(f"{out.name}.checkpoint")
    state = State()
    if resume and checkpoint.exists():
        state = load_state(checkpoint, run.identity, run.network, run.optimizer)
    while state.epoch < settings.epochs and not _out_of_patience(state, settings):
        row = run.epoch(state.epoch)
        state.epoch += 1
        state.history.append(row)
        if row["val_loss"] < state.best_loss:
            state.best_loss, state.best_epoch = row["val_loss"], state.epoch
            state.best = {k: v.cpu().clone() for k, v in run.network.state_dict().items()}
        save_state(checkpoint, run.identity, state, run.network, run.optimizer)
        if report is not None:
            report(row)
    if not state.best:
        raise TileError("the loss was never finite, lower the learning rate with --lr")
    run.network.load_state_dict(state.best)
    model = run.finish(state)
    _write_history(out.with_name(f"{out.stem}.history.csv"), state.history)
    model.save(out)
    checkpoint.unlink(missing_ok=True)
    return Model.load(out)


@dataclass(frozen=True, slots=True)
class _Epoch:
    """Sums over the batches of an epoch."""

    loss: float
    """Mean over labelled pixels."""
    confusion: Confusion


class _Run:
    """The tiles in memory, the network and its optimizer."""

    def __init__(self, tiles: TileSet, settings: TrainSettings, device: torch.device) -> None:
        self.tiles, self.settings, self.device = tiles, settings, device
        self.precision = choose_precision(settings.precision, device)
        self.train, self.val = tiles.load("train"), tiles.load("val")
        if not len(self.train[0]):
            raise TileError(f"{tiles.folder} has no tiles to train on, tile more scenes")
        for split, arrays in (("train", self.train), ("val", self.val)):
            if len(arrays[0]) and (arrays[2] == IGNORE).all():
                raise TileError(
                    f"no pixel of the {split} tiles of {tiles.folder} has a class of the legend "
                    f"({', '.join(tiles.legend.names)}), tile them again with --legend"
                )
        low, high = _scaling(self.train, tiles.dtype)
        self.spec = UNetSpec(
            bands=len(tiles.band_names), classes=len(tiles.legend), width=settings.width,
            depth=settings.depth, dropout=settings.dropout, window=tiles.size, low=low, high=high,
        )  # fmt: skip
        for images, valid, _ in (self.train, self.val):
            for pixels, seen in zip(images, valid, strict=True):
                self.spec.fill(pixels, seen)
        torch.manual_seed(settings.seed)
        network = UNet(self.spec).to(device)
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = _optimizer(settings, self.network)
        self.weights = _class_weights(self.train[2], self.spec.classes, settings).to(device)
        self.spread = torch.tensor(self.spec.band_high) - torch.tensor(self.spec.band_low)
        self.steps = math.ceil(len(self.train[0]) / settings.batch_size)
        self.identity = _identity(settings, tiles, (*self.train, *self.val))

    def epoch(self, number: int) -> dict[str, float]:
        """Train once over all tiles, then validate; all chance comes from seed and number."""
        settings, start = self.settings, time.perf_counter()
        rng = torch.Generator().manual_seed(settings.seed * 100_003 + number)
        torch.manual_seed(settings.seed * 100_003 + number)
        self.network.train()
        loss_sum, pixels = 0.0, 0
        confusion = Confusion.zeros(self.spec.classes)
        order = torch.randperm(len(self.train[0]), generator=rng).numpy()
        for step, (images, labels) in enumerate(self._batches(self.train, order)):
            self._set_learning_rate(number * self.steps + step)
            spread = self.spread.to(images.device)
            images, labels = augment(settings.augment, images, labels, spread, rng)
            loss, known, predicted = self._loss(images, labels)
            self.optimizer.zero_grad(set_to_none=True)
            (loss / max(known, 1)).backward()
            self.optimizer.step()
            loss_sum, pixels = loss_sum + float(loss.detach()), pixels + known
            confusion += self._count(predicted, labels)
        done = _Epoch(loss_sum / max(pixels, 1), confusion)
        val = self.validate() if len(self.val[0]) else done
        return {
            "epoch": number + 1,
            "seconds": round(time.perf_counter() - start, 2),
            "lr": self.optimizer.param_groups[0]["lr"],
            "loss": done.loss,
            "accuracy": done.confusion.accuracy,
            "val_loss": val.loss,
            "val_accuracy": val.confusion.accuracy,
            "val_mean_iou": val.confusion.mean_iou,
        }

    @torch.inference_mode()
    def validate(self) -> _Epoch:
        """Loss and confusion over the validation tiles."""
        self.network.eval()
        loss_sum, pixels = 0.0, 0
        confusion = Confusion.zeros(self.spec.classes)
        for images, labels in self._batches(self.val, np.arange(len(self.val[0]))):
            loss, known, predicted = self._loss(images, labels)
            loss_sum, pixels = loss_sum + float(loss), pixels + known
            confusion += self._count(predicted, labels)
        return _Epoch(loss_sum / max(pixels, 1), confusion)

    def finish(self, state: State) -> Model:
        """The network as a model, with its history and scores."""
        scores = self.validate().confusion if len(self.val[0]) else None
        names = self.tiles.legend.names
        return Model(
            network=self.network,
            legend=self.tiles.legend,
            band_names=self.tiles.band_names,
            dtype=self.tiles.dtype,
            pixel_size=self.tiles.pixel_size,
            training={
                "settings": self.settings.to_dict(),
                "tiles": {"train": len(self.train[0]), "val": len(self.val[0])},
                "best_epoch": state.best_epoch,
                "epochs": state.epoch,
                "validation": scores.to_dict(names) if scores else None,
            },
        )

    def _loss(self, images: Tensor, labels: Tensor) -> tuple[Tensor, int, Tensor]:
        """Summed loss over labelled pixels, their number, and the predicted classes."""
        images = images.contiguous(memory_format=torch.channels_last)
        dtype = torch_dtype(self.precision)
        with torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
            logits = self.network(images)
        logits = logits.float()
        weights = self.weights if self.network.training else None
        loss = F.cross_entropy(logits, labels, weight=weights, ignore_index=IGNORE, reduction="sum")
        return loss, int((labels != IGNORE).sum()), logits.detach().argmax(1)

    def _count(self, predicted: Tensor, labels: Tensor) -> Confusion:
        mapped = predicted.to("cpu", torch.uint8).numpy()
        reference = labels.to("cpu", torch.uint8).numpy()
        return Confusion.of(mapped, reference, self.spec.classes, IGNORE)

    def _batches(self, arrays: Arrays, order: NDArray[np.int64]) -> Iterator[tuple[Tensor, Tensor]]:
        images, _, labels = arrays
        for first in range(0, len(order), self.settings.batch_size):
            some = order[first : first + self.settings.batch_size]
            x = torch.from_numpy(images[some].astype(np.float32)).to(self.device)
            yield x, torch.from_numpy(labels[some].astype(np.int64)).to(self.device)

    def _set_learning_rate(self, step: int) -> None:
        if self.settings.schedule == "cosine":
            done = step / (self.steps * self.settings.epochs)
            for group in self.optimizer.param_groups:
                group["lr"] = self.settings.lr * (1 + math.cos(math.pi * done)) / 2


def _split(tiles: TileSet, settings: TrainSettings) -> TileSet:
    if settings.val is not None or not any(tiles.splits):
        share = DEFAULT_VAL if settings.val is None else settings.val
        return tiles.split_again("random", share, settings.seed)
    return tiles


def _identity(settings: TrainSettings, tiles: TileSet, arrays: tuple[NDArray[Any], ...]) -> str:
    """A hash of all that determines a run: wherever the tiles are, only what is in them counts."""
    about = {"settings": settings.to_dict(), "bands": tiles.band_names, **tiles.legend.to_dict()}
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for array in arrays:
        digest.update(f"{array.shape} {array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).data if array.size else b"")
    return digest.hexdigest()


def _scaling(arrays: Arrays, dtype: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Input values that the network sees as 0 and 1: the range of bytes, else robust extremes."""
    if dtype == "uint8":
        return (0.0,), (255.0,)
    images, valid, _ = arrays
    keep = max(1, len(images) // 500)
    values = images[::keep].transpose(1, 0, 2, 3)[:, valid[::keep]].astype(np.float64)
    low, high = np.percentile(values, [0.1, 99.9], axis=1)
    high = np.maximum(high, low + np.finfo(np.float32).eps * np.maximum(1, np.abs(low)))
    return tuple(low.tolist()), tuple(high.tolist())


def _class_weights(labels: NDArray[np.uint8], classes: int, settings: TrainSettings) -> Tensor:
    """Weight of each class, (classes,): 1, or inverse to its frequency with a mean pixel of 1."""
    if settings.loss == "ce":
        return torch.ones(classes)
    counts = np.bincount(labels[labels != IGNORE], minlength=classes).astype(np.float64)
    seen = counts > 0
    weights = np.where(seen, counts.sum() / (seen.sum() * np.maximum(counts, 1)), 0)
    return torch.from_numpy(weights).float()


def _optimizer(settings: TrainSettings, network: UNet) -> torch.optim.Optimizer:
    parameters, lr = network.parameters(), settings.lr
    if settings.optimizer == "rmsprop":  # decay and epsilon are those of Keras, and so the lab's
        return torch.optim.RMSprop(parameters, lr=lr, alpha=0.9, eps=1e-7)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=lr, momentum=0.9)
    if settings.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=lr)
    return torch.optim.AdamW(parameters, lr=lr)


def _out_of_patience(state: State, settings: TrainSettings) -> bool:
    return settings.patience is not None and state.epoch - state.best_epoch >= settings.patience


def _write_history(path: Path, history: list[dict[str, float]]) -> None:
    beside = path.with_name(f".{path.name}.writing")
    try:
        with beside.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(history[0]))
            writer.writeheader()
            writer.writerows(history)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path}: {error.strerror}, check the disk") from None
