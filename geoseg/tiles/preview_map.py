"""Footprints of tiles on one map, or on a map of each scene if scenes lie far apart."""

import math
from collections.abc import Sequence

import numpy as np
import shapely
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pyproj import CRS

from geoseg.drawing import add_axes, add_text, shorten_start

_MIN_COVER = 0.02
"""Scenes get maps of their own if tiles cover less than this share of their bounding box."""
_MAX_PANELS = 24
"""Maximum number of scenes that get maps of their own."""
_GAP = 8
"""Distance between maps (px)."""
_CAPTION = 16
"""Height of the caption of a map (px)."""
_MIN_EDGED_SIDE = 6
"""Tiles with a longer side than this (px) are drawn with a white edge."""


def draw_map(
    figure: Figure,
    box: tuple[int, int, int, int],
    corners: NDArray[np.float64],
    colors: Sequence[str],
    scenes: Sequence[str],
    crs: str | None,
) -> None:
    """Draw the footprints of tiles, later ones over earlier ones.

    Args:
        figure: the canvas.
        box: left, top, width and height on the canvas (px).
        corners: (n, 4, 2) x and y of each tile's corners.
        colors: #rrggbb of each tile.
        scenes: title of the scene of each tile.
        crs: CRS of the corners; None where each scene has its own coordinates.
    """
    names = sorted(set(scenes))
    if len(names) == 1 or (crs is not None and _cover(corners) > _MIN_COVER):
        _draw_panel(figure, box, corners, colors, crs)
        return
    panels = min(_MAX_PANELS, len(names))
    shown = [names[number * len(names) // panels] for number in range(panels)]
    left, top, width, height = box
    cols = _panel_columns(panels, width, height)
    panel_width = (width - (cols - 1) * _GAP) // cols
    panel_height = height // -(-panels // cols)
    for number, name in enumerate(shown):
        row, col = divmod(number, cols)
        x, y = left + col * (panel_width + _GAP), top + row * panel_height
        tiles = [i for i, scene in enumerate(scenes) if scene == name]
        panel = (x, y + _CAPTION, panel_width, panel_height - _CAPTION - _GAP)
        _draw_panel(figure, panel, corners[tiles], [colors[i] for i in tiles], crs)
        add_text(figure, x, y + _CAPTION // 2, shorten_start(name, panel_width // 6), size=7)
    if len(names) > panels:
        note = f"{panels} of {len(names):,} scenes"
        add_text(figure, left, top + height + _CAPTION // 2, note, size=7)


def _cover(corners: NDArray[np.float64]) -> float:
    """Share of the bounding box of all tiles that tiles cover; overlaps count twice."""
    tiles = shapely.polygons(corners)
    return float(shapely.area(tiles).sum() / shapely.box(*shapely.total_bounds(tiles)).area)


def _panel_columns(panels: int, width: int, height: int) -> int:
    """Number of columns that makes the panels of a box (px) the most square."""
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
    system = CRS.from_user_input(crs) if crs else None
    # A degree of longitude is shorter than one of latitude.
    ratio = math.cos(math.radians((low[1] + high[1]) / 2)) if system and system.is_geographic else 1
    extent_x, extent_y = (high[0] - low[0]) * ratio, high[1] - low[1]
    scale = min(width / extent_x, height / extent_y)  # px per unit
    size = extent_y * scale, extent_x * scale
    axes = add_axes(figure, left, top, size)
    side = math.dist(corners[0, 0], corners[0, 1]) * scale
    # With antialiasing, small tiles would have light lines between them.
    edge = 0.4 if side > _MIN_EDGED_SIDE else 0.0
    footprints = PolyCollection(
        list(corners), facecolors=colors, edgecolors="white", linewidths=edge,
        antialiaseds=edge > 0,
    )  # fmt: skip
    axes.add_collection(footprints)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    if system is not None and system.is_projected and system.axis_info[0].unit_name == "metre":
        _draw_scale_bar(figure, left, top + size[0] + 12, scale, size[1])


def _draw_scale_bar(figure: Figure, left: float, top: float, scale: float, width: float) -> None:
    """Draw a bar of a round length, at most a third as wide as the map."""
    max_length = width / 3 / scale
    power = 10.0 ** math.floor(math.log10(max_length))
    length = max(n * power for n in (1, 2, 5) if n * power <= max_length)
    axes = add_axes(figure, left, top - 2, (4, length * scale))
    axes.set(facecolor="#333333", xticks=[], yticks=[])
    axes.axis("on")
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    add_text(figure, left + length * scale + 6, top, text, size=8)
