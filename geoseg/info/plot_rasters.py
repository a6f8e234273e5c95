"""Draw class maps and scenes."""

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
from geoseg.errors import redact
from geoseg.info.georeference import crs_of
from geoseg.raster import Scene, percentile_stretch, read_overview, rgb_bands

_MAX_SIDE = 1500
"""Longest side of a drawn raster (px). A larger raster is read at reduced resolution."""
_MIN_SIDE = 480
"""Shortest length of the longer side of a drawn raster (px). A smaller raster is magnified."""
_TITLE = 56
"""Height of the title (px)."""
_GREYS = 256


def plot_labels(scene: Scene, palette: Mapping[int, str], names: Mapping[int, str]) -> Figure:
    """Draw a class map of one uint8 band, with a legend. Nodata pixels are white.

    Values without a colour in the palette are grey. The legend shows the values that have a name or
    occur.

    Raises:
        SceneError: if it cannot be read.
    """
    pixels, valid = read_overview(scene, _MAX_SIDE)
    greys = {value: f"#{value:02x}{value:02x}{value:02x}" for value in range(_GREYS)}
    colors = {**greys, **palette}
    table = np.array([list(bytes.fromhex(colors[v][1:7])) for v in range(_GREYS)], np.uint8)
    present = {int(v) for v in np.unique(pixels[0][valid])}
    classes = [(names.get(v, str(v)), colors[v]) for v in sorted(present | set(names))]
    return _compose(to_rgba(table[pixels[0]], valid), scene, classes)


def plot_scene(scene: Scene) -> Figure:
    """Draw a scene in red, green and blue, or in grey. Nodata pixels are white.

    The bands are those named red, green and blue, or the first three, or the first one.

    Raises:
        SceneError: if it cannot be read.
    """
    rgb = scene.with_bands(tuple(scene.bands[index - 1] for index in rgb_bands(scene.band_names)))
    pixels, valid = read_overview(rgb, _MAX_SIDE)
    return _compose(to_rgba(percentile_stretch(pixels, valid), valid), scene, [])


def _compose(picture: NDArray[np.uint8], scene: Scene, classes: Classes) -> Figure:
    """Draw a picture (height, width, 4) between its title and its legend."""
    rows, cols = picture.shape[:2]
    zoom = max(1, _MIN_SIDE // max(rows, cols))
    size = rows * zoom, cols * zoom
    width = max(size[1], _MIN_SIDE) + 2 * MARGIN
    key_height = legend_height(classes, width)
    height = _TITLE + size[0] + MARGIN + key_height
    figure = new_canvas(width, height)
    max_characters = width // 9
    add_text(figure, MARGIN, 20, shorten(Path(redact(scene.path)).name, max_characters), bold=True)
    add_text(figure, MARGIN, 40, shorten(_scene_facts(scene), max_characters + 20), size=8)
    add_image(figure, picture, MARGIN, _TITLE, size)
    draw_legend(figure, classes, height - key_height, width)
    return figure


def _scene_facts(scene: Scene) -> str:
    crs = crs_of(scene.crs)
    ground = "" if scene.pixel_size is None else f" of about {scene.pixel_size:.3g} m"
    return f"{scene.height:,} x {scene.width:,} px{ground}{', ' + crs['name'] if crs else ''}"
