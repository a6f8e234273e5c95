"""The table of the trainings."""

from collections.abc import Sequence


def table(rows: Sequence[dict], names: Sequence[str]) -> str:
    """Return a Markdown table of the scores.

    Args:
        rows: name, kind of prediction and scores of each test.
        names: of the six classes.
    """
    columns = ["training", "prediction", "accuracy", "mean IoU (6)", "accuracy (5)", "mean IoU (5)"]
    columns += names[:5]
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for row in rows:
        figures = [row["accuracy"], row["mean_iou"], row["accuracy_of_five"]]
        figures += [row["mean_iou_of_five"], *row["iou"]]
        cells = [row["name"], row["what"], *(f"{value:.3f}" for value in figures)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
