"""The trainings that are there, as a table and a figure beside the published numbers."""

import csv
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

HERE = Path(__file__).parent
Row = dict[str, float]


def read_csv(path: Path) -> list[Row]:
    """Rows of numbers."""
    with path.open() as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def table(results: list[dict], names: tuple[str, ...]) -> str:
    """Markdown: accuracy, mean IoU and IoU of each class, one row a training."""
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
    """Validation accuracy over the epochs: the lab as published, and the trainings here.

    Args:
        path: of the PNG.
        histories: rows of each training, by its name.
    """
    published = read_csv(HERE / "published.csv")
    sheet = Figure(figsize=(13, 5), layout="constrained", facecolor="white")
    FigureCanvasAgg(sheet)
    lab, beyond = sheet.subplots(1, 2, sharey=True)
    epochs = [row["epoch"] for row in published]
    lab.plot(epochs, [row["val_accuracy"] for row in published], "k-", lw=2, label="as published")
    lab.plot(epochs, [row["keras_val_accuracy"] for row in published], "k:", label="Keras again")
    seeds = {name: rows for name, rows in histories.items() if name.startswith("lab-")}
    for shade, (name, rows) in zip(("#1f6fb4", "#5a9bd4", "#9cc3e6"), seeds.items(), strict=False):
        lab.plot(*_curve(rows), color=shade, label=f"geoseg, seed {name[-1]}")
    lab.set_title("The lab: 1,516 tiles, RMSprop 1e-3, 25 epochs")
    if seeds:
        middle = np.median([_curve(rows)[1] for rows in seeds.values()], axis=0)
        beyond.plot(range(1, len(middle) + 1), middle, color="#1f6fb4", label="the lab, median")
    steps = [name for name in histories if name in ("flips", "cosine", "dice", "long", "all")]
    for name, color in zip(steps, ("#dd8452", "#55a868", "#937860", "#c44e52", "#8172b3")):  # noqa: B905
        beyond.plot(*_curve(histories[name]), color=color, label=name)
    beyond.set_title("What followed, on the same 500 tiles")
    for axes in (lab, beyond):
        axes.set(xlabel="epoch", ylabel="validation accuracy", ylim=(0.4, 0.92))
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(frameon=False, fontsize=9, loc="lower right")
        axes.spines[["top", "right"]].set_visible(False)
    sheet.savefig(path, dpi=110)


def _curve(rows: list[Row]) -> tuple[list[float], list[float]]:
    return [row["epoch"] for row in rows], [row["val_accuracy"] for row in rows]
