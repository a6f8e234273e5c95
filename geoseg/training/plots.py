"""Pictures of a training run: learning curves and predictions of example windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from geoseg.legend import Legend
from geoseg.tiles import IGNORE_INDEX

_TRAIN, _VAL, _MARK = "#8c8c8c", "#1f6fb4", "#c44e52"
_DPI = 110


@dataclass(frozen=True, slots=True, eq=False)
class PredictionExample:
    """A window, its labels and its prediction."""

    image: NDArray[np.float32]
    """(1 or 3, s, s), grey or red, green and blue, normalised: mostly 0 to 1."""
    labels: NDArray[np.uint8]
    """(s, s) class indices, 255 where not labelled."""
    predicted: NDArray[np.uint8]
    """(s, s) class indices."""


def plot_history(
    path: Path, history: Sequence[dict[str, float]], legend: Legend, best_epoch: int
) -> None:
    """Draw loss, accuracy and the IoU of each class over the epochs into a PNG.

    ``history`` has one row per epoch, as in ``history.csv``. ``best_epoch`` is marked; it counts
    from 1.
    """
    figure = _new_figure(14, 4.4)
    loss, accuracy, iou = figure.subplots(1, 3)
    for axes, name in ((loss, "loss"), (accuracy, "accuracy")):
        _plot_column(axes, history, name, "training", _TRAIN)
        _plot_column(axes, history, f"val_{name}", "validation", _VAL)
    _plot_column(accuracy, history, "val_mean_iou", "validation, mean IoU", _VAL, "--")
    for land_cover in legend.classes:
        name = f"val_iou_{land_cover.name}"
        _plot_column(iou, history, name, "", "#333333", width=2.8)
        _plot_column(iou, history, name, land_cover.name, land_cover.color)
    titles = ("Loss", "Accuracy and mean IoU", "Validation IoU of each class")
    for axes, title in zip((loss, accuracy, iou), titles, strict=True):
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        axes.axvline(best_epoch, color=_MARK, lw=1, ls=":")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8, frameon=False)
    for axes in (accuracy, iou):
        axes.set_ylim(0, 1)
    best = history[best_epoch - 1]
    figures = [
        f"{label} {best[key]:.4f}"
        for key, label in (
            ("loss", "loss"), ("accuracy", "accuracy"), ("val_loss", "validation loss"),
            ("val_accuracy", "accuracy"), ("val_mean_iou", "mean IoU"),
        )
        if key in best
    ]  # fmt: skip
    title = f"Best epoch {best_epoch} of {len(history)}: {', '.join(figures)}"
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=_DPI)


def _plot_column(
    axes: Axes, history: Sequence[dict[str, float]], key: str, label: str, color: str,
    style: str = "-", width: float = 1.8,
) -> None:  # fmt: skip
    """Draw one column of the history, if it has this column."""
    points = [(row["epoch"], row[key]) for row in history if key in row]
    if points:
        axes.plot(*zip(*points, strict=True), color=color, ls=style, lw=width,
                  label=label or "_hidden")  # fmt: skip


def plot_examples(
    path: Path, examples: Sequence[PredictionExample], legend: Legend, title: str
) -> None:
    """Draw one window or more in columns: image, labels and prediction, into a PNG."""
    colors = np.full((256, 3), 255, np.uint8)
    for index, land_cover in enumerate(legend.classes):
        colors[index] = land_cover.rgb
    figure = _new_figure(1.62 * len(examples) + 0.9, 6.1)
    grid = figure.subplots(3, len(examples), squeeze=False)
    for column, example in zip(grid.T, examples, strict=True):
        labelled = example.labels != IGNORE_INDEX
        correct = (example.labels == example.predicted)[labelled]
        caption = f"{correct.mean():.0%} right" if labelled.any() else "no labels"
        pictures = _to_rgb(example.image), colors[example.labels], colors[example.predicted]
        for axes, pixels in zip(column, pictures, strict=True):
            axes.imshow(pixels, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
        column[2].set_xlabel(caption, fontsize=9)
    for axes, name in zip(grid[:, 0], ("image", "labels", "prediction"), strict=True):
        axes.set_ylabel(name, fontsize=10)
    swatches = [Patch(facecolor=c.color, edgecolor="#666666", label=c.name) for c in legend.classes]
    swatches.append(Patch(facecolor="white", edgecolor="#666666", label="not labelled"))
    figure.legend(
        handles=swatches, loc="outside lower center", ncols=min(len(swatches), len(examples) + 1),
        fontsize=9, frameon=False,
    )  # fmt: skip
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=_DPI)


def _new_figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _to_rgb(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an image of one band or three bands as (s, s, 3)."""
    return np.clip(np.moveaxis(np.broadcast_to(image, (3, *image.shape[1:])), 0, -1), 0, 1)
