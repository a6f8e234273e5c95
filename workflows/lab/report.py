"""The table and the figure of the trainings, with the published numbers."""

import csv
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

HERE = Path(__file__).parent
FURTHER = {
    "flips": "#dd8452", "cosine": "#55a868", "dice": "#937860", "long": "#c44e52",
    "standard": "#222222", "all": "#8172b3",
}  # fmt: skip
"""Colours of the further trainings."""
Row = dict[str, float]


def read_csv(path: Path) -> list[Row]:
    """Read a CSV file of numbers."""
    with path.open() as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def table(results: list[dict], names: tuple[str, ...]) -> str:
    """Return a Markdown table of accuracy, mean IoU and the IoU of each class."""
    columns = ["training", "tested on", "epochs", "best", "accuracy", "mean IoU", *names]
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for result in results:
        scores = result["scores"]
        figures = [scores["accuracy"], scores["mean_iou"]]
        figures += [scores["classes"][name]["iou"] for name in names]
        cells = [result["what"], result["tested_on"], str(result["epochs"]), str(result["best"])]
        cells += ["" if value is None else f"{value:.4f}" for value in figures[:2]]
        cells += ["" if value is None else f"{value:.3f}" for value in figures[2:]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def figure(path: Path, histories: dict[str, list[Row]]) -> None:
    """Draw the validation accuracy over the epochs: as published, and of the trainings.

    Args:
        path: of the PNG.
        histories: rows of each training, by its name.
    """
    published = read_csv(HERE / "published.csv")
    sheet = Figure(figsize=(13, 5), layout="constrained", facecolor="white")
    FigureCanvasAgg(sheet)
    reference, further = sheet.subplots(1, 2, sharey=True)
    epochs = [row["epoch"] for row in published]
    reference.plot(
        epochs, [row["val_accuracy"] for row in published], "k-", lw=2, label="as published"
    )
    reference.plot(
        epochs, [row["keras_val_accuracy"] for row in published], "k:", label="Keras again"
    )
    seeds = {name: rows for name, rows in histories.items() if name.startswith("lab-")}
    for shade, (name, rows) in zip(("#1f6fb4", "#5a9bd4", "#9cc3e6"), seeds.items(), strict=False):
        reference.plot(*_curve(rows), color=shade, label=f"geoseg, seed {name[-1]}")
    reference.set_title("The reference run: 1,516 tiles, RMSprop 1e-3, 25 epochs")
    if seeds:
        middle = np.median([_curve(rows)[1] for rows in seeds.values()], axis=0)
        further.plot(range(1, len(middle) + 1), middle, color="#1f6fb4", label="reference, median")
    for name, color in FURTHER.items():
        if name in histories:
            further.plot(*_curve(histories[name]), color=color, label=name)
    further.set_title("Further trainings, on the same 500 tiles")
    for axes in (reference, further):
        axes.set(xlabel="epoch", ylabel="validation accuracy", ylim=(0.4, 0.92))
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(frameon=False, fontsize=9, loc="lower right")
        axes.spines[["top", "right"]].set_visible(False)
    sheet.savefig(path, dpi=110)


def _curve(rows: list[Row]) -> tuple[list[float], list[float]]:
    return [row["epoch"] for row in rows], [row["val_accuracy"] for row in rows]
