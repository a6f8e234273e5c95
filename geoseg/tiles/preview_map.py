"""Footprints of tiles on a map: of the ground, or of each scene where that shows more."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pyproj import CRS

from geoseg.drawing import add_axes, add_text, shorten_start

_SPARSE = 0.02
"""Share of the ground covered below which scenes are shown apart."""
_PANELS = 24
"""Most scenes that are shown apart."""
_GAP = 8
_CAPTION = 16
_EDGE = 6
"""Tiles with a longer side than this (px) are drawn with a white edge."""


def draw_map(
    figure: Figure,
    box: tuple[int, int, int, int],
    corners: NDArray[np.float64],
    colors: Sequence[str],
    scenes: Sequence[str],
    crs: str | None,
) -> None:
    """Draw where tiles lie, each in its colour, later ones over earlier ones.

    Args:
        figure: the sheet.
        box: left, top, width and height on the sheet (px).
        corners: (n, 4, 2) x and y of each tile's corners.
        colors: #rrggbb of each tile.
        scenes: title of the scene of each tile.
        crs: of the corners; None where each scene has its own.
    """
    names = sorted(set(scenes))
    if len(names) == 1 or (crs is not None and _bounding_box(corners) > _SPARSE):
        _draw_panel(figure, box, corners, colors, crs)
        return
    panels = min(_PANELS, len(names))
    shown = [names[number * len(names) // panels] for number in range(panels)]
    left, top, width, height = box
    cols = _panel_columns(panels, width, height)
    wide = (width - (cols - 1) * _GAP) // cols
    high = height // -(-panels // cols)
    of_scene = np.array([shown.index(s) if s in shown else -1 for s in scenes])
    for number, name in enumerate(shown):
        row, col = divmod(number, cols)
        x, y = left + col * (wide + _GAP), top + row * high
        here = np.flatnonzero(of_scene == number).tolist()
        panel = (x, y + _CAPTION, wide, high - _CAPTION - _GAP)
        _draw_panel(figure, panel, corners[here], [colors[i] for i in here], crs)
        add_text(figure, x, y + _CAPTION // 2, shorten_start(name, wide // 6), size=7)
    if len(names) > panels:
        some = f"{panels} of {len(names):,} scenes"
        add_text(figure, left, top + height + _CAPTION // 2, some, size=7)


def _bounding_box(corners: NDArray[np.float64]) -> float:
    """Share of the rectangle around all tiles that tiles cover, overlaps counted twice."""
    sides = np.diff(corners[:, :3], axis=1)
    tiles = np.abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]).sum()
    width, height = np.ptp(corners.reshape(-1, 2), axis=0)
    return float(tiles / (width * height))


def _panel_columns(panels: int, width: int, height: int) -> int:
    """Columns that make panels as square as the box allows."""
    return min(range(1, panels + 1), key=lambda c: abs(width / c - height / math.ceil(panels / c)))


def _draw_panel(
    figure: Figure,
    box: tuple[int, int, int, int],
    corners: NDArray[np.float64],
    colors: Sequence[str],
    crs: str | None,
) -> None:
    left, top, width, height = box
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    known = CRS.from_user_input(crs) if crs else None
    squeeze = math.cos(math.radians((low[1] + high[1]) / 2)) if known and known.is_geographic else 1
    across, up = (high[0] - low[0]) * squeeze, high[1] - low[1]
    scale = min(width / across, height / up)  # px per unit
    size = up * scale, across * scale
    axes = add_axes(figure, left, top, size)
    side = math.dist(corners[0, 0], corners[0, 1]) * scale
    edge = 0.4 if side > _EDGE else 0.0  # smoothing would show seams between tiles of a few px
    drawn = PolyCollection(
        list(corners), facecolors=colors, edgecolors="white", linewidths=edge,
        antialiaseds=edge > 0,
    )  # fmt: skip
    axes.add_collection(drawn)
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    if known is not None and known.is_projected and known.axis_info[0].unit_name == "metre":
        _draw_scale(figure, left, top + size[0] + 12, scale, size[1])


def _draw_scale(figure: Figure, left: float, top: float, scale: float, width: float) -> None:
    """A bar of a round length, at most a third as wide as the map."""
    most = width / 3 / scale
    power = 10.0 ** math.floor(math.log10(most))
    length = max(n * power for n in (1, 2, 5) if n * power <= most)
    axes = add_axes(figure, left, top - 2, (4, length * scale))
    axes.set_facecolor("#333333")
    axes.patch.set_visible(True)
    axes.axis("on")
    axes.set_xticks([])
    axes.set_yticks([])
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    add_text(figure, left + length * scale + 6, top, text, size=8)
