"""Pictures of label maps, scenes and tiles."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from geoseg.inspection.ground import crs_of
from geoseg.inspection.sheet import (
    MARGIN,
    Classes,
    blank,
    draw_legend,
    legend_height,
    rgba,
    shortened,
    show,
    write,
)
from geoseg.legend import Legend
from geoseg.raster import Scene, read_reduced
from geoseg.tiles import IGNORE, TileSet

_LONGEST = 1500
"""Most pixels of a side that are read and drawn."""
_SMALLEST = 480
"""Least length of a picture's longer side (px): small rasters are drawn magnified."""
_TITLE = 56
_TILES = 8
_PAIRS_A_ROW = 4
_TILE = 190
"""Side of a tile in the picture (px)."""
_CAPTION = 38
"""Height of the name under a tile (px)."""
_GREYS = 256


def draw_labels(scene: Scene, palette: Mapping[int, str], names: Mapping[int, str]) -> Figure:
    """A label map in its colours with a legend; pixels without data stay white.

    Args:
        scene: a map of one uint8 band.
        palette: colour of each value; empty for greys.
        names: names of values; the legend shows these and what occurs.

    Raises:
        SceneError: if it cannot be read.
    """
    pixels, valid = read_reduced(scene, _LONGEST)
    greys = {value: f"#{value:02x}{value:02x}{value:02x}" for value in range(_GREYS)}
    colors = {**greys, **palette}
    table = np.array([_rgb(colors[value]) for value in range(_GREYS)], np.uint8)
    seen = {int(v) for v in np.unique(pixels[0][valid])}
    classes = [(names.get(v, str(v)), colors[v]) for v in sorted(seen | set(names))]
    return _sheet(rgba(table[pixels[0]], valid), scene, classes)


def draw_scene(scene: Scene) -> Figure:
    """A scene in red, green and blue, or in grey; pixels without data stay white.

    Bands are those of these names, else the first three, or the first where there are fewer.

    Raises:
        SceneError: if it cannot be read.
    """
    chosen = scene.with_bands(_colour_bands(scene))
    pixels, valid = read_reduced(chosen, _LONGEST)
    return _sheet(rgba(stretch(pixels, valid), valid), scene, [])


def draw_tiles(tiles: TileSet) -> Figure:
    """Up to eight tiles, evenly drawn from the set, each with its labels to the right.

    Raises:
        TileError: if a tile is missing or of another shape.
    """
    shown = min(_TILES, len(tiles))
    numbers = [i * len(tiles) // shown for i in range(shown)]
    images, valid, labels = tiles.take(numbers).read(np.arange(shown))
    table = np.full((IGNORE + 1, 3), 255, np.uint8)
    table[: len(tiles.legend)] = [c.rgb for c in tiles.legend.classes]
    lines = -(-shown // _PAIRS_A_ROW)
    width = 2 * MARGIN + _PAIRS_A_ROW * (2 * _TILE + MARGIN) - MARGIN
    key = legend_height(_classes(tiles.legend), width)
    height = _TITLE + lines * (_TILE + _CAPTION) + key
    figure = blank(width, height)
    write(
        figure,
        MARGIN,
        MARGIN,
        f"{Path(tiles.folder).resolve().name}: {_tile_words(tiles)}",
        bold=True,
    )
    bands = [b - 1 for b in _choose(tiles.band_names)]
    for place, number in enumerate(numbers):
        row, col = divmod(place, _PAIRS_A_ROW)
        left, top = MARGIN + col * (2 * _TILE + MARGIN), _TITLE + row * (_TILE + _CAPTION)
        picture = rgba(stretch(images[place][bands], valid[place]), valid[place])
        show(figure, picture, left, top, (_TILE, _TILE))
        mask = rgba(table[labels[place]], labels[place] != IGNORE)
        show(figure, mask, left + _TILE, top, (_TILE, _TILE))
        write(figure, left, top + _TILE + 14, shortened(tiles.names[number], 52), size=8)
    draw_legend(figure, _classes(tiles.legend), height - key, width)
    return figure


def stretch(pixels: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Bands to greys 0..255, each from 2 to 98 % of its valid pixels.

    Pixels that are 0 in all bands are drawn but not counted: often a frame without data, of which
    the file says nothing.

    Args:
        pixels: (bands, height, width); one band gives greys.
        valid: (height, width), True where a pixel has data.

    Returns:
        (height, width, 3).
    """
    greys = []
    counted = valid & (pixels != 0).any(axis=0)
    for band in pixels:
        known = band[counted]
        low, high = np.percentile(known, (2, 98)) if known.size else (0.0, 1.0)
        span = high - low if high > low else 1.0
        filled = np.where(valid, band, low).astype(np.float64)
        greys.append(np.clip((filled - low) / span * 255, 0, 255).astype(np.uint8))
    return np.stack(greys if len(greys) == 3 else greys[:1] * 3, axis=-1)


def _colour_bands(scene: Scene) -> tuple[int, ...]:
    return tuple(scene.bands[place - 1] for place in _choose(scene.band_names))


def _choose(names: Sequence[str]) -> tuple[int, ...]:
    """Places from 1 of red, green and blue, else of the first three bands, or of the first."""
    if {"red", "green", "blue"} <= set(names):
        return tuple(names.index(color) + 1 for color in ("red", "green", "blue"))
    return (1, 2, 3) if len(names) >= 3 else (1,)


def _sheet(picture: NDArray[np.uint8], scene: Scene, classes: Classes) -> Figure:
    """A picture (height, width, 4) under its title, over its legend."""
    rows, cols = picture.shape[:2]
    zoom = max(1, _SMALLEST // max(rows, cols))
    size = rows * zoom, cols * zoom
    width = max(size[1], _SMALLEST) + 2 * MARGIN
    key = legend_height(classes, width)
    height = _TITLE + size[0] + MARGIN + key
    figure = blank(width, height)
    room = width // 9
    write(figure, MARGIN, 20, shortened(Path(scene.path).name, room), bold=True)
    write(figure, MARGIN, 40, shortened(_scene_words(scene), room + 20), size=8)
    show(figure, picture, MARGIN, _TITLE, size)
    draw_legend(figure, classes, height - key, width)
    return figure


def _scene_words(scene: Scene) -> str:
    crs = crs_of(scene.crs)
    ground = "" if scene.pixel_size is None else f" of about {scene.pixel_size:.3g} m"
    return f"{scene.height:,} x {scene.width:,} px{ground}{', ' + crs['name'] if crs else ''}"


def _tile_words(tiles: TileSet) -> str:
    return f"{len(tiles):,} tiles of {tiles.size} x {tiles.size} px, {len(tiles.legend)} classes"


def _classes(legend: Legend) -> Classes:
    return [(c.name, c.color) for c in legend.classes]


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
