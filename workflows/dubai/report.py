"""The table of the trainings, and the figure of those with few labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter


def table(rows: Sequence[dict], names: Sequence[str]) -> str:
    """Return a Markdown table of the scores.

    Args:
        rows: name, description and scores of each test.
        names: of the six classes.
    """
    columns = ["training", "what", "prediction", "accuracy", "mean IoU of 6"]
    columns += ["accuracy of 5", "mean IoU of 5", *names[:5]]
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for row in rows:
        figures = [row["accuracy"], row["mean_iou"], row["accuracy_of_five"]]
        figures += [row["mean_iou_of_five"], *row["iou"]]
        cells = [row["name"], row["what"], row["prediction"], *(f"{v:.3f}" for v in figures)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def curve(path: Path, rows: Sequence[dict]) -> None:
    """Draw the mean IoU of five classes over the share of labels, with and without pseudo-labels.

    Args:
        path: of the PNG.
        rows: name, share of labels and scores of each test.
    """
    sheet = Figure(figsize=(6.5, 4.5), layout="constrained", facecolor="white")
    FigureCanvasAgg(sheet)
    axes = sheet.subplots()
    few = [row for row in rows if row["labels"] and row["prediction"] == "single"]
    for pseudo, label, color in (
        (False, "labels only", "#1f6fb4"),
        (True, "pseudo-labels", "#c44e52"),
    ):
        chosen = [row for row in few if ("pseudo" in row["name"]) == pseudo]
        shares = sorted({row["labels"] for row in chosen})
        scores = [[r["mean_iou_of_five"] for r in chosen if r["labels"] == s] for s in shares]
        means = [float(np.mean(values)) for values in scores]
        errors = [confidence_interval(values) for values in scores]
        axes.errorbar(shares, means, errors, fmt="o-", capsize=4, label=label, color=color)
    axes.set(xscale="log", xlabel="share of the labels", ylabel="mean IoU of five classes")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xticks(sorted({row["labels"] for row in few}), minor=False)
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    sheet.savefig(path, dpi=110)


def confidence_interval(values: Sequence[float]) -> float:
    """Return half of the 95 % confidence interval of the mean of up to five values.

    It is that of Student's t distribution; 0 for a single value.
    """
    quantiles = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
    if len(values) < 2:
        return 0.0
    return quantiles[len(values)] * float(np.std(values, ddof=1)) / len(values) ** 0.5
