"""Map tiles: squares of 256 px of a level, as PNG."""

import logging
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.grid import Window
from geoseg.labels import ClassRaster
from geoseg.raster import (
    Scene,
    level_shape,
    percentile_ranges,
    read_level,
    read_window,
    rgba_png,
    stretch_to_bytes,
)
from geoseg.view.sources import Sources

log = logging.getLogger(__name__)

TILE = 256
"""Side of a tile (px)."""
_CACHED = 256
"""Number of tiles that are kept in memory; a tile of the scene takes up to 0.25 MB."""
_SAMPLE_BLOCKS, _SAMPLE_SIDE = 6, 128
"""Number of blocks along each axis, and their side (px), of the sample that sets the colours of the
scene."""

CONFIDENCE_COLORS = ("#440154", "#31688e", "#35b779", "#fde725")
"""Colours of confidence 0, 1/3, 2/3 and 1: from matplotlib's viridis, which people
with colour blindness can read too."""


def first_level(scene: Scene, longest: int) -> int:
    """Return the first level whose sides have at most ``longest`` pixels."""
    level = 0
    while max(level_shape(scene, level)) > longest:
        level += 1
    return level


def max_level(scene: Scene) -> int:
    """Return the first level at which the scene is one tile."""
    return first_level(scene, TILE)


@dataclass(frozen=True, slots=True)
class MapTiles:
    """Draws the map tiles of all layers of a page, and keeps the latest ones in memory."""

    sources: Sources
    ranges: tuple[tuple[float, float], ...]
    """Of each drawn band of the scene: the values that are drawn as 0 and as 255."""
    _cached: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_cached", lru_cache(_CACHED)(self._draw))

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers: image, map, compare, confidence."""
        names = "image", *self.sources.maps_by_layer
        return names if self.sources.confidence is None else (*names, "confidence")

    def png(self, layer: str, level: int, row: int, col: int, off: frozenset[int]) -> bytes:
        """Return a tile of 256 x 256 px, transparent outside of the raster and where it is nodata.

        Args:
            layer: one of `layers`.
            level: as in `read_level`.
            row: row of the tile, from 0.
            col: column of the tile, from 0.
            off: class values that are not drawn; for maps only.

        Raises:
            SceneError: if the pixels cannot be read.
            KeyError: if there is no such tile.
        """
        png: bytes = self._cached(layer, level, row, col, off)
        return png

    def _draw(self, layer: str, level: int, row: int, col: int, off: frozenset[int]) -> bytes:
        scene, grid = self._scene(layer), self.sources.grid
        if not (0 <= level <= max_level(grid) and row >= 0 and col >= 0):
            raise KeyError(layer)
        height, width = level_shape(grid, level)
        square = Window(row * TILE, col * TILE, TILE, TILE)
        window = square.intersection(Window(0, 0, height, width))
        if window is None:
            raise KeyError(layer)
        pixels, valid = read_level(scene, level, window)
        if layer == "image":
            drawn = draw_image(pixels, valid, self.ranges)
        elif layer == "confidence":
            drawn = draw_values(pixels[0], valid, _confidence_colors())
        else:
            raster = self.sources.maps_by_layer[layer]
            drawn = draw_values(pixels[0], valid, class_colors(raster, off))
        tile = np.zeros((TILE, TILE, 4), np.uint8)
        tile[: window.height, : window.width] = drawn
        return rgba_png(tile)

    def _scene(self, layer: str) -> Scene:
        if layer not in self.layers:
            raise KeyError(layer)
        if layer == "image":
            return self.sources.shown
        if layer == "confidence":
            assert self.sources.confidence is not None  # noqa: S101 - it is a layer
            return self.sources.confidence
        return self.sources.maps_by_layer[layer].scene


def open_map_tiles(sources: Sources) -> MapTiles:
    """Return the tiles of a page; a sample of the scene sets the range of its colours.

    Warns if the sample has no data, as that of a scene of another place has none.

    Raises:
        SceneError: if the scene cannot be read.
    """
    pixels, valid = _sample(sources.shown)
    if not valid.any():
        log.warning(
            "no pixel with data of %s was found on %s, check that both show the same place",
            sources.shown.path, sources.grid.path,
        )  # fmt: skip
    return MapTiles(sources, percentile_ranges(pixels, valid))


def _sample(scene: Scene) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read blocks that are spread evenly: pixels (bands, n, 128) and valid (n, 128) at most."""
    rows, cols = (
        sorted({int(s) for s in np.linspace(0, max(0, length - _SAMPLE_SIDE), _SAMPLE_BLOCKS)})
        for length in (scene.height, scene.width)
    )
    height, width = min(_SAMPLE_SIDE, scene.height), min(_SAMPLE_SIDE, scene.width)
    parts = [read_window(scene, Window(row, col, height, width)) for row in rows for col in cols]
    pixels, valid = zip(*parts, strict=True)
    return np.concatenate(pixels, axis=1), np.concatenate(valid, axis=0)


def draw_image(
    pixels: NDArray[Any], valid: NDArray[np.bool_], ranges: tuple[tuple[float, float], ...]
) -> NDArray[np.uint8]:
    """Return red, green, blue and opacity (height, width, 4) of the bands of an image."""
    opacity = np.where(valid, np.uint8(255), np.uint8(0))
    return np.dstack([stretch_to_bytes(pixels, valid, ranges), opacity])


def draw_values(
    values: NDArray[Any], valid: NDArray[np.bool_], colors: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return red, green, blue and opacity (height, width, 4) of values.

    Args:
        values: (height, width).
        valid: (height, width), False where nothing is drawn; nor are values outside of 0..255.
        colors: (256, 4) red, green, blue and opacity of each value.
    """
    known = valid & (values >= 0) & (values <= 255)
    drawn: NDArray[np.uint8] = colors[np.where(known, values, 0).astype(np.uint8)]
    drawn[~known] = 0
    return drawn


def class_colors(raster: ClassRaster, off: frozenset[int]) -> NDArray[np.uint8]:
    """Return red, green, blue and opacity (256, 4) of each value of a map."""
    colors = np.zeros((256, 4), np.uint8)
    for c in raster.legend.classes:
        if c.value not in off:
            colors[c.value] = (*c.rgb, 255)
    return colors


def _confidence_colors() -> NDArray[np.uint8]:
    rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in CONFIDENCE_COLORS])
    at = np.linspace(0, 255, len(rgb))
    bands = [np.interp(np.arange(256), at, band) for band in rgb.T]
    colors: NDArray[np.uint8] = np.dstack([*bands, np.full(256, 255)])[0].round().astype(np.uint8)
    colors[0] = 0
    return colors
