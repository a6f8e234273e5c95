"""The scores of suggested and random patches as a table and as curves."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

Scores = Mapping[str, Sequence[Sequence[float]]]
"""Mean IoU by arm ("suggested", "random"), then by seed, then before and after each round."""
COLORS = {"suggested": "#1f6fb4", "random": "#c44e52"}


def table(scores: Scores, patches: int) -> str:
    """Return a Markdown table of the mean over the seeds, with the lowest and the highest."""
    rounds = len(next(iter(scores.values()))[0])
    header = ["labelled patches", *(str(patches * number) for number in range(rounds))]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for arm, runs in scores.items():
        values = np.array(runs)
        cells = [
            f"{mean:.3f} ({low:.3f} to {high:.3f})"
            for mean, low, high in zip(values.mean(0), values.min(0), values.max(0), strict=True)
        ]
        lines.append("| " + " | ".join([arm, *cells]) + " |")
    return "\n".join(lines) + "\n"


def replay_table(scores: Mapping[str, tuple[float, float]]) -> str:
    """Return a Markdown table of the mean IoU of new and of old images, by way of training."""
    lines = ["| trained with all patches | new images | old images |", "|---|---|---|"]
    lines += [f"| {way} | {new:.3f} | {old:.3f} |" for way, (new, old) in scores.items()]
    return "\n".join(lines) + "\n"


def draw_curve(path: Path, scores: Scores, patches: int) -> None:
    """Draw the mean IoU over the number of labelled patches: each seed, and the mean of an arm."""
    sheet = Figure(figsize=(6.5, 4.5), layout="constrained", facecolor="white")
    FigureCanvasAgg(sheet)
    axes = sheet.subplots()
    for arm, runs in scores.items():
        values = np.array(runs)
        labelled = patches * np.arange(values.shape[1])
        axes.plot(labelled, values.T, color=COLORS[arm], alpha=0.3, linewidth=1)
        axes.plot(labelled, values.mean(0), "o-", color=COLORS[arm], label=f"{arm} patches")
    axes.set(xlabel="labelled patches", ylabel="mean IoU of the test images")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    sheet.savefig(path, dpi=110)
