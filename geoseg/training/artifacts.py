"""What a run leaves beside its model: figures, pictures, a TensorBoard log."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from geoseg.errors import GeosegError
from geoseg.execute import Progress
from geoseg.files import atomic_file
from geoseg.model import NumberRange
from geoseg.training.checkpoint import History, TrainState
from geoseg.training.context import TrainingContext
from geoseg.training.plots import PredictionExample, plot_examples, plot_history

_N_EXAMPLES = 8
"""Tiles in a picture."""


@dataclass(frozen=True, slots=True)
class Monitor:
    """How to follow a run; the weights do not depend on it.

    Raises:
        ModelError: if ``pictures`` is not a whole number of at least 0.
    """

    pictures: int = 5
    """Epochs between two pictures; 0 for none."""
    tensorboard: str | Path | None = None
    """Folder for a TensorBoard log."""
    report: Callable[[dict[str, float]], None] | None = None
    """Called after each epoch with its row of the history."""
    progress: Progress | None = None
    """Called after each step, see `geoseg.execute.Progress`."""

    def __post_init__(self) -> None:
        NumberRange(0, whole=True).check("pictures", self.pictures)


class ArtifactWriter:
    """Writes what can be watched while a run is under way.

    Raises:
        OutputError: if something cannot be written.
        GeosegError: if a TensorBoard log is wanted and the package is not there.
    """

    def __init__(self, out: Path, run: TrainingContext, watch: Monitor) -> None:
        self._table, self._plot, self._folder = (
            out.with_name(f"{out.stem}.{kind}")
            for kind in ("history.csv", "history.png", "samples")
        )
        self._run, self._watch = run, watch
        self._board = _open_tensorboard(watch.tensorboard)

    def epoch(self, state: TrainState) -> None:
        """Record the epoch just done."""
        _write_table(self._table, state.history)
        if self._board is not None:
            for name, value in state.history[-1].items():
                self._board.add_scalar(name.replace("val_", "val/"), value, state.epoch)
        if self._watch.pictures and state.epoch % self._watch.pictures == 0:
            self._draw(state, f"epoch_{state.epoch:04d}.png", f"epoch {state.epoch}")
        if self._watch.report is not None:
            self._watch.report(state.history[-1])

    def finish(self, state: TrainState) -> None:
        """Record the run; the network has the weights of the best epoch."""
        _write_table(self._table, state.history)
        if self._watch.pictures:
            self._draw(state, "best.png", f"epoch {state.best_epoch}, the best")
        if self._board is not None:
            self._board.close()

    def _draw(self, state: TrainState, name: str, title: str) -> None:
        legend = self._run.tiles.legend
        samples = _predict(self._run)
        with atomic_file(self._plot) as temporary:
            plot_history(temporary, state.history, legend, state.best_epoch)
        self._folder.mkdir(exist_ok=True)
        with atomic_file(self._folder / name) as temporary:
            plot_examples(temporary, samples, legend, f"{self._table.name.split('.')[0]}: {title}")


@torch.inference_mode()
def _predict(run: TrainingContext) -> list[PredictionExample]:
    """Some tiles, evenly spread over those held for validation, and what the network says."""
    feed = run.val if len(run.val) else run.train
    chosen = np.unique(np.linspace(0, len(feed) - 1, _N_EXAMPLES).round().astype(np.int64))
    run.network.eval()
    samples = []
    for images, labels in feed.batches(run.batches(chosen)):
        found = run.logits(run.network, images).argmax(1)
        arrays = zip(*(t.cpu().numpy() for t in (images, labels, found)), strict=True)
        samples += [
            PredictionExample(
                run.spec.scaled(image), label.astype(np.uint8), mapped.astype(np.uint8)
            )
            for image, label, mapped in arrays
        ]
    return samples


def _open_tensorboard(folder: str | Path | None) -> Any:  # noqa: ANN401 - of an optional package
    if folder is None:
        return None
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise GeosegError(
            "a TensorBoard log needs the package tensorboard, pip install 'geoseg[tensorboard]'"
        ) from None
    return SummaryWriter(str(folder))


def _write_table(path: Path, history: History) -> None:
    with atomic_file(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)
