"""The plot of `overlap.py` from its table: accuracy and mean IoU against cost.

python benchmarks/overlap_plot.py overlap.csv overlap.png
"""

import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from geoseg.classification import ClassifySettings

COLORS = {"none": "#7a7a7a", "crop": "#e69f00", "linear": "#0072b2", "hann": "#cc3f7c"}
MARKERS = {"128": "o", "256": "s", "512": "D", "1024": "^"}
TICKS = (1, 1.25, 1.5, 2, 3, 4)
DASHES = (0, (4, 3))
DEFAULT = ("256", ClassifySettings().overlap, ClassifySettings().blend)
"""Window of the model `default`, and overlap and taper of `geoseg classify`, which are marked."""


def draw(table: Path, out: Path) -> None:
    """Draw the CSV that `overlap.py` writes: a colour for each taper, a marker for each window."""
    rows = pd.read_csv(table, dtype={"window": str})
    figure, axes = plt.subplots(1, 2, figsize=(12, 5.8), layout="constrained")
    for axis, name in zip(axes, ("accuracy", "mean IoU"), strict=True):
        _draw_one(axis, rows, name)
    handles = [
        *(Line2D([], [], ls="", marker="o", color=c, label=kind) for kind, c in COLORS.items()),
        *(Line2D([], [], ls="", marker=m, color="#999999", label=f"{size} px")
          for size, m in MARKERS.items()),
        Line2D([], [], ls=DASHES, lw=1, color="#222222", label="whole image at once"),
        Line2D([], [], ls="", marker="o", ms=12, mfc="none", mec="black", mew=1.5,
               label="default: {} px, overlap {}, {}".format(*DEFAULT)),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False)
    figure.suptitle(
        "What windows, overlap and taper give for their cost (numbers: overlap of 256 px windows)"
    )
    figure.savefig(out, dpi=150)


def _draw_one(axis: Axes, rows: pd.DataFrame, name: str) -> None:
    axis.axhline(rows.loc[rows.window == "whole", name].item(), color="#222222", lw=1, ls=DASHES)
    for size, marker in MARKERS.items():
        for kind, color in COLORS.items():
            here = (rows.window == size) & ((rows.taper == kind) | (rows.overlap == 0))
            axis.plot("cost", name, data=rows[here], color=color, lw=1, alpha=0.35)
            dots = rows[here & (rows.taper == kind)]
            axis.plot(
                "cost", name, data=dots, ls="", marker=marker, ms=6.5, color=color, mec="white",
                mew=0.6,
            )  # fmt: skip
    for overlap, at in rows[rows.window == DEFAULT[0]].groupby("overlap"):
        place = at["cost"].iloc[0], at[name].max()
        axis.annotate(
            f"{overlap}", place, (0, 10), textcoords="offset points", ha="center", color="#444444"
        )
    size, overlap, kind = DEFAULT
    chosen = (rows.window == size) & (rows.overlap == overlap) & (rows.taper == kind)
    axis.plot(
        "cost", name, data=rows[chosen], ls="", marker="o", ms=15, mfc="none", mec="black", mew=1.5
    )
    axis.set(xscale="log", title=name)
    axis.set_xlabel("pixels computed per pixel of a large scene")
    axis.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axis.minorticks_off()
    axis.grid(color="#e8e8e8", lw=0.7)
    axis.set_axisbelow(True)
    axis.margins(0.06, 0.1)
    axis.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
