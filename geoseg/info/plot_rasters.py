"""Pictures of label maps and scenes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from geoseg.drawing import (
    MARGIN,
    Classes,
    add_image,
    add_text,
    draw_legend,
    legend_height,
    new_canvas,
    shorten,
    to_rgba,
)
from geoseg.info.georeference import crs_of
from geoseg.raster import Scene, percentile_stretch, read_overview, rgb_bands

_MAX_SIDE = 1500
"""Most pixels of a side that are read and drawn."""
_MIN_SIDE = 480
"""Least length of a picture's longer side (px): small rasters are drawn magnified."""
_TITLE = 56
_GREYS = 256


def plot_labels(scene: Scene, palette: Mapping[int, str], names: Mapping[int, str]) -> Figure:
    """A label map in its colours with a legend; pixels without data stay white.

    Args:
        scene: a map of one uint8 band.
        palette: colour of each value; empty for greys.
        names: names of values; the legend shows these and what occurs.

    Raises:
        SceneError: if it cannot be read.
    """
    pixels, valid = read_overview(scene, _MAX_SIDE)
    greys = {value: f"#{value:02x}{value:02x}{value:02x}" for value in range(_GREYS)}
    colors = {**greys, **palette}
    table = np.array([_rgb(colors[value]) for value in range(_GREYS)], np.uint8)
    seen = {int(v) for v in np.unique(pixels[0][valid])}
    classes = [(names.get(v, str(v)), colors[v]) for v in sorted(seen | set(names))]
    return _compose(to_rgba(table[pixels[0]], valid), scene, classes)


def plot_scene(scene: Scene) -> Figure:
    """A scene in red, green and blue, or in grey; pixels without data stay white.

    Bands are those of these names, else the first three, or the first where there are fewer.

    Raises:
        SceneError: if it cannot be read.
    """
    chosen = scene.with_bands(_colour_bands(scene))
    pixels, valid = read_overview(chosen, _MAX_SIDE)
    return _compose(to_rgba(percentile_stretch(pixels, valid), valid), scene, [])


def _colour_bands(scene: Scene) -> tuple[int, ...]:
    return tuple(scene.bands[place - 1] for place in rgb_bands(scene.band_names))


def _compose(picture: NDArray[np.uint8], scene: Scene, classes: Classes) -> Figure:
    """A picture (height, width, 4) under its title, over its legend."""
    rows, cols = picture.shape[:2]
    zoom = max(1, _MIN_SIDE // max(rows, cols))
    size = rows * zoom, cols * zoom
    width = max(size[1], _MIN_SIDE) + 2 * MARGIN
    key = legend_height(classes, width)
    height = _TITLE + size[0] + MARGIN + key
    figure = new_canvas(width, height)
    room = width // 9
    add_text(figure, MARGIN, 20, shorten(Path(scene.path).name, room), bold=True)
    add_text(figure, MARGIN, 40, shorten(_scene_words(scene), room + 20), size=8)
    add_image(figure, picture, MARGIN, _TITLE, size)
    draw_legend(figure, classes, height - key, width)
    return figure


def _scene_words(scene: Scene) -> str:
    crs = crs_of(scene.crs)
    ground = "" if scene.pixel_size is None else f" of about {scene.pixel_size:.3g} m"
    return f"{scene.height:,} x {scene.width:,} px{ground}{', ' + crs['name'] if crs else ''}"


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
