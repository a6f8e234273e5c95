"""A sheet to judge a set of tiles by: samples of each split, classes, and where they lie."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from geoseg.drawing import (
    MARGIN,
    add_image,
    add_swatch,
    add_text,
    new_canvas,
    shorten,
    shorten_start,
    to_rgba,
)
from geoseg.raster import percentile_stretch, rgb_bands
from geoseg.tiles.cut.balance import balance_classes
from geoseg.tiles.preview_map import draw_map
from geoseg.tiles.store.dataset import IGNORE_INDEX
from geoseg.tiles.store.index import INDEX, read_footprints
from geoseg.tiles.store.tileset import TileSet

_SPLITS = {
    "gap": ("Gap", "#d8d8d8"), "train": ("Training", "#4477aa"), "val": ("Validation", "#ee7733"),
    "": ("Tiles", "#4477aa"),
}  # fmt: skip
"""Title and colour of each; told apart also by those who see red and green alike."""
_ACROSS = 10
"""Samples of a split."""
_TILE = 128
"""Side of a tile on the sheet (px)."""
_STEP = _TILE + 6
_SAMPLES = 2 * _STEP + 34
"""Height of the samples of a split with their names (px)."""
_TOP = 64
_HEAD = 32
"""Height of a heading (px)."""
_LINE = 30
_COLUMNS = 3
"""Of the classes."""
_WIDTH = 2 * MARGIN + _ACROSS * _STEP
_MAP = 480
"""Height of the maps (px)."""
_BAR = 110
"""Length of the bar of the largest class (px)."""


def draw_tiles(tiles: TileSet, title: str | None = None) -> Figure:
    """Draw some tiles of each split over their labels, the classes' shares, and two maps.

    Samples are chosen so that rare classes are among them. The maps show the split of each tile
    and its largest class, on the ground, or scene by scene where scenes have no place or lie far
    apart. A folder of images and masks has no maps, as nobody knows where its tiles lie.

    Args:
        tiles: what to draw.
        title: over the sheet; None for the name of the folder.

    Raises:
        GeosegError: if a tile is missing, damaged or of another shape.
    """
    splits = [split for split in ("train", "val", "") if tiles.count(split)]
    classes = _HEAD + _LINE * -(-len(tiles.legend) // _COLUMNS) + MARGIN
    maps = _HEAD + _MAP + 2 * MARGIN if tiles.own else 0
    figure = new_canvas(_WIDTH, _TOP + len(splits) * (_HEAD + _SAMPLES) + classes + maps)
    add_text(figure, MARGIN, 24, title or Path(tiles.folder).resolve().name, size=13, bold=True)
    add_text(figure, MARGIN, 46, _words(tiles), size=9)
    top = _TOP
    for split in splits:
        _draw_samples(figure, top, tiles, split)
        top += _HEAD + _SAMPLES
    _draw_classes(figure, top, tiles, splits)
    if tiles.own:
        _draw_maps(figure, top + classes, tiles)
    return figure


def _words(tiles: TileSet) -> str:
    scenes = len(set(tiles.scenes))
    ground = "" if tiles.pixel_size is None else f", pixels of about {tiles.pixel_size:.3g} m"
    return (
        f"{len(tiles):,} tiles of {tiles.size} x {tiles.size} px from {scenes:,} "
        f"{'scene' if scenes == 1 else 'scenes or groups of them'}{ground}, "
        f"{len(tiles.band_names)} bands of {tiles.dtype}, {len(tiles.legend)} classes"
    )


def _draw_samples(figure: Figure, top: float, tiles: TileSet, split: str) -> None:
    """A row of images over a row of their labels; what is not labelled stays white."""
    title, color = _SPLITS[split]
    add_swatch(figure, MARGIN, top, color)
    heading = f"{title}: {tiles.count(split):,} tiles"
    add_text(figure, MARGIN + 32, top + 9, heading, size=11, bold=True)
    samples = tiles.samples(split)
    shown = min(_ACROSS, len(samples))
    chosen = np.arange(shown) * len(samples) // shown
    if tiles.counts is not None:
        counts = tiles.counts[np.array(tiles.splits) == split]
        chosen = balance_classes(counts, _ACROSS, seed=0)
    images, valid, labels = samples.read(chosen)
    table = np.full((IGNORE_INDEX + 1, 3), 255, np.uint8)
    table[: len(tiles.legend)] = [c.rgb for c in tiles.legend.classes]
    bands = [band - 1 for band in rgb_bands(tiles.band_names)]
    colors = _stretched(images[:, bands], valid)
    names = samples.names
    for place, number in enumerate(chosen):
        left, upper = MARGIN + place * _STEP, top + _HEAD - 6
        size = _TILE, _TILE
        add_image(figure, to_rgba(colors[place], valid[place]), left, upper, size)
        mask = to_rgba(table[labels[place]], labels[place] != IGNORE_INDEX)
        add_image(figure, mask, left, upper + _STEP, size)
        for line, text in enumerate(_caption(names[number], own=tiles.own)):
            add_text(
                figure, left, upper + 2 * _STEP + 5 + 11 * line, shorten_start(text, 22), size=7
            )


def _caption(name: str, *, own: bool) -> tuple[str, ...]:
    """The name of a tile that `tile` cut, in two lines; any other in one."""
    if not own:
        return (name,)
    stem, row, col = name.rsplit("_", 2)
    return stem, f"row {int(row)}, col {int(col)}"


def _stretched(images: NDArray[np.generic], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Images (k, bands, s, s) to colours (k, s, s, 3), all by the same measure."""
    count, bands, side = images.shape[:3]
    strip = images.transpose(1, 0, 2, 3).reshape(bands, count * side, side)
    return percentile_stretch(strip, valid.reshape(-1, side)).reshape(count, side, side, 3)


def _draw_classes(figure: Figure, top: float, tiles: TileSet, splits: list[str]) -> None:
    """The legend, with a bar for each class's share of the labelled pixels of each split."""
    counts = [tiles.samples(split).counts for split in splits]
    pixels = sum(tiles.count(split) for split in splits) * tiles.size**2
    white = 1 - sum(int(some.sum()) for some in counts) / pixels
    add_text(figure, MARGIN, top + 9, "Classes", size=11, bold=True)
    told = f"share of the labelled pixels; white is not labelled, {white:.1%} of all"
    add_text(figure, MARGIN + 76, top + 9, told, size=9)
    shares = [100 * some / max(1, some.sum()) for some in counts]
    longest = max(share.max() for share in shares) or 1
    step = (_WIDTH - 2 * MARGIN) // _COLUMNS
    for number, c in enumerate(tiles.legend.classes):
        row, col = divmod(number, _COLUMNS)
        left, upper = MARGIN + col * step, top + _HEAD + row * _LINE
        add_swatch(figure, left, upper, c.color)
        add_text(figure, left + 32, upper + 9, shorten(c.name, 22), size=9)
        for line, (split, share) in enumerate(zip(splits, shares, strict=True)):
            length, x = _BAR * share[number] / longest, left + 200
            y = upper + (11 * line if len(splits) > 1 else 5)
            if length >= 1:
                add_swatch(figure, x, y, _SPLITS[split][1], (7, length))
            add_text(figure, x + length + 6, y + 4, percent(share[number]), size=7)


def percent(share: float) -> str:
    """A share (0..100) with two digits, or as a whole number.

    >>> percent(99.98), percent(12.3), percent(0.312)
    ('100 %', '12 %', '0.31 %')
    """
    return f"{share:.0f} %" if share >= 10 else f"{share:.2g} %"


def _draw_maps(figure: Figure, top: float, tiles: TileSet) -> None:
    """On the left the split of each tile, on the right its largest class."""
    corners, scenes = read_footprints(Path(tiles.folder) / INDEX)
    titles = [f"{group}/{Path(s).stem}" if group != Path(s).stem else group
              for group, s in zip(tiles.scenes, scenes, strict=True)]  # fmt: skip
    width = (_WIDTH - 3 * MARGIN) // 2
    left = MARGIN
    for split, (title, color) in _SPLITS.items():
        if tiles.count(split):
            add_swatch(figure, left, top, color)
            add_text(figure, left + 32, top + 9, f"{title} {tiles.count(split):,}", size=9)
            left += 170
    add_text(figure, 2 * MARGIN + width, top + 9, "Largest class of each tile", size=9)
    order = np.argsort([list(_SPLITS).index(split) for split in tiles.splits], kind="stable")
    largest = [0] * len(tiles) if tiles.counts is None else tiles.counts.argmax(axis=1).tolist()
    by_split = [_SPLITS[split][1] for split in tiles.splits]
    by_class = [tiles.legend.classes[number].color for number in largest]
    for left, colors in ((MARGIN, by_split), (2 * MARGIN + width, by_class)):
        draw_map(
            figure, (left, int(top) + _HEAD, width, _MAP), corners[order],
            [colors[i] for i in order], [titles[i] for i in order], tiles.crs,
        )  # fmt: skip
