"""The files that a training run writes beside its model: history, pictures, TensorBoard log."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from geoseg.errors import GeosegError
from geoseg.files import atomic_file, translate_write_errors
from geoseg.model import NumberRange
from geoseg.raster import rgb_bands
from geoseg.training.batches import cover
from geoseg.training.checkpoint import History, TrainState
from geoseg.training.context import TrainingContext
from geoseg.training.plots import PredictionExample, plot_examples, plot_history

_N_EXAMPLES = 8
"""Windows in a picture of predictions."""


@dataclass(frozen=True, slots=True)
class Monitor:
    """What to record during a run; the weights do not depend on it.

    Raises:
        ModelError: if ``pictures`` is not a whole number of at least 0.
    """

    pictures: int = 5
    """Epochs between two pictures, at least 0; 0 for no pictures."""
    tensorboard: str | Path | None = None
    """Folder of a TensorBoard log; None for no log."""
    report: Callable[[dict[str, float]], None] | None = None
    """Called after each epoch with its row of the history."""

    def __post_init__(self) -> None:
        NumberRange(0, whole=True).check("pictures", self.pictures)


class ArtifactWriter:
    """Writes the history, pictures and the TensorBoard log of a run.

    Raises:
        OutputError: if a file cannot be written.
        GeosegError: if a TensorBoard log is requested but the package is not installed.
    """

    def __init__(self, out: Path, context: TrainingContext, monitor: Monitor) -> None:
        self._table, self._plot, self._folder = (
            out.with_name(f"{out.stem}.{name}")
            for name in ("history.csv", "history.png", "samples")
        )
        self._title = out.name.split(".")[0]
        self._context, self._monitor = context, monitor
        self._board = _open_tensorboard(monitor.tensorboard)

    def write_epoch(self, state: TrainState) -> None:
        """Record the epoch that has just finished."""
        _write_table(self._table, state.history)
        if self._board is not None:
            for name, value in state.history[-1].items():
                self._board.add_scalar(_scalar_name(name), value, state.epoch)
        if self._monitor.pictures and state.epoch % self._monitor.pictures == 0:
            self._draw(state, f"epoch_{state.epoch:04d}.png", f"epoch {state.epoch}")
        if self._monitor.report is not None:
            self._monitor.report(state.history[-1])

    def finish(self, state: TrainState) -> None:
        """Record the finished run, when the network has the weights of the best epoch."""
        _write_table(self._table, state.history)
        if self._monitor.pictures:
            self._draw(state, "best.png", f"epoch {state.best_epoch}, the best")
        if self._board is not None:
            self._board.close()

    def _draw(self, state: TrainState, name: str, title: str) -> None:
        legend = self._context.plan.tiles.legend
        examples = _predict_examples(self._context)
        with atomic_file(self._plot) as temporary:
            plot_history(temporary, state.history, legend, state.best_epoch)
        with translate_write_errors(self._folder):
            self._folder.mkdir(exist_ok=True)
        with atomic_file(self._folder / name) as temporary:
            plot_examples(temporary, examples, legend, f"{self._title}: {title}")


@torch.inference_mode()
def _predict_examples(context: TrainingContext) -> list[PredictionExample]:
    """Predict windows of validation tiles, spread evenly; of training tiles if there are none."""
    network = context.network
    loader, draws, window = context.val, context.val_windows, context.val_window
    if not len(draws):
        loader, window = context.train, network.spec.window
        draws = cover(loader.layout, window)
    indices = np.unique(np.linspace(0, len(draws) - 1, _N_EXAMPLES).round().astype(np.int64))
    bands = [band - 1 for band in rgb_bands(context.plan.tiles.band_names)]
    network.averaged.eval()
    examples = []
    for batch in loader.load_all(draws.take(indices), _N_EXAMPLES, window):
        predicted = network.logits(network.averaged, batch.images).argmax(1)
        tensors = batch.images, batch.labels.to(torch.uint8), predicted.to(torch.uint8)
        arrays = zip(*(tensor.cpu().numpy() for tensor in tensors), strict=True)
        examples += [
            PredictionExample(network.spec.scaling.apply(x)[bands], *classes)
            for x, *classes in arrays
        ]
    return examples


def _open_tensorboard(folder: str | Path | None) -> Any:  # noqa: ANN401 - of an optional package
    if folder is None:
        return None
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise GeosegError(
            "a TensorBoard log needs the package tensorboard, pip install 'geoseg[tensorboard]'"
        ) from None
    with translate_write_errors(Path(folder)):
        return SummaryWriter(str(folder))


def _scalar_name(column: str) -> str:
    """Name of a column of the history in TensorBoard, which groups names by what is before "/"."""
    of_validation = column.removeprefix("val_")
    return column if of_validation == column else f"val/{of_validation}"


def _write_table(path: Path, history: History) -> None:
    with atomic_file(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)
