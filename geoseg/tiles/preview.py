"""A picture for checking a set of tiles: examples of each split, class shares, and maps."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from geoseg.drawing import (
    MARGIN,
    add_entry,
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
"""Title and colour of each split; the colours also differ for the colour-blind."""
_EXAMPLES = 10
"""Number of example tiles of a split."""
_TILE = 128
"""Side of a tile on the canvas (px)."""
_STEP = _TILE + 6
"""Distance between the left edges of two tiles (px)."""
_EXAMPLES_HEIGHT = 2 * _STEP + 34
"""Height of the examples of a split with their names (px)."""
_TITLE_HEIGHT = 64
_HEADING_HEIGHT = 32
_LINE_HEIGHT = 30
"""Height of a line of the list of classes (px)."""
_CLASS_COLUMNS = 3
_WIDTH = 2 * MARGIN + _EXAMPLES * _STEP
_MAP_HEIGHT = 480
_MAX_BAR = 110
"""Length of the bar of the largest class (px)."""


def draw_tiles(tiles: TileSet, title: str | None = None) -> Figure:
    """Draw example tiles of each split with their labels, the shares of the classes, and two maps.

    Examples are chosen with `balance_classes`, so that rare classes are among them. The maps show
    the split of each tile and its largest class, see `draw_map`. A folder of images and masks has
    no maps, because it has no index of footprints.

    Args:
        tiles: set of tiles to draw.
        title: heading of the picture; None for the name of the folder.

    Raises:
        GeosegError: if a tile is missing, damaged or of another shape.
    """
    splits = [split for split in ("train", "val", "") if tiles.count(split)]
    class_lines = -(-len(tiles.legend) // _CLASS_COLUMNS)
    classes_height = _HEADING_HEIGHT + _LINE_HEIGHT * class_lines + MARGIN
    maps_height = _HEADING_HEIGHT + _MAP_HEIGHT + 2 * MARGIN if tiles.written_by_tile else 0
    split_height = _HEADING_HEIGHT + _EXAMPLES_HEIGHT
    height = _TITLE_HEIGHT + len(splits) * split_height + classes_height + maps_height
    figure = new_canvas(_WIDTH, height)
    add_text(figure, MARGIN, 24, title or Path(tiles.folder).resolve().name, size=13, bold=True)
    add_text(figure, MARGIN, 46, _summary(tiles), size=9)
    top = _TITLE_HEIGHT
    for split in splits:
        _draw_examples(figure, top, tiles, split)
        top += split_height
    _draw_classes(figure, top, tiles, splits)
    if tiles.written_by_tile:
        _draw_maps(figure, top + classes_height, tiles)
    return figure


def _summary(tiles: TileSet) -> str:
    scenes = len(set(tiles.groups))
    sizes = dict.fromkeys(f"{size:.3g}" for size in tiles.pixel_size_range or ())
    pixels = f", pixels of about {' to '.join(sizes)} m" if sizes else ""
    return (
        f"{len(tiles):,} tiles of {tiles.size} x {tiles.size} px from {scenes:,} "
        f"{'scene' if scenes == 1 else 'scenes or groups of them'}{pixels}, "
        f"{len(tiles.band_names)} bands of {tiles.dtype}, {len(tiles.legend)} classes"
    )


def _draw_examples(figure: Figure, top: float, tiles: TileSet, split: str) -> None:
    """Draw a row of images over a row of their labels, white where not labelled."""
    title, color = _SPLITS[split]
    heading = f"{title}: {tiles.count(split):,} tiles"
    add_entry(figure, MARGIN, top, color, heading, size=11, bold=True)
    dataset = tiles.dataset(split)
    shown = min(_EXAMPLES, len(dataset))
    chosen = np.arange(shown) * len(dataset) // shown
    if tiles.counts is not None:
        counts = tiles.counts[np.array(tiles.splits) == split]
        chosen = balance_classes(counts, _EXAMPLES, seed=0)
    images, valid, labels = dataset.read(chosen)
    table = np.full((IGNORE_INDEX + 1, 3), 255, np.uint8)
    table[: len(tiles.legend)] = [c.rgb for c in tiles.legend.classes]
    bands = [band - 1 for band in rgb_bands(tiles.band_names)]
    colors = _stretch_together(images[:, bands], valid)
    upper, size = top + _HEADING_HEIGHT - 6, (_TILE, _TILE)
    for position, index in enumerate(chosen):
        left = MARGIN + position * _STEP
        add_image(figure, to_rgba(colors[position], valid[position]), left, upper, size)
        mask = to_rgba(table[labels[position]], labels[position] != IGNORE_INDEX)
        add_image(figure, mask, left, upper + _STEP, size)
        lines = [dataset.names[index]]
        if tiles.written_by_tile:  # `select_tiles` made the name
            stem, row, col = lines[0].rsplit("_", 2)
            lines = [stem, f"row {int(row)}, col {int(col)}"]
        for line, text in enumerate(lines):
            y = upper + 2 * _STEP + 5 + 11 * line
            add_text(figure, left, y, shorten_start(text, 22), size=7)


def _stretch_together(images: NDArray[np.generic], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Stretch images (k, bands, s, s) with the same limits to colours (k, s, s, 3)."""
    count, bands, side = images.shape[:3]
    strip = images.transpose(1, 0, 2, 3).reshape(bands, count * side, side)
    return percentile_stretch(strip, valid.reshape(-1, side)).reshape(count, side, side, 3)


def _draw_classes(figure: Figure, top: float, tiles: TileSet, splits: list[str]) -> None:
    """Draw the legend, with a bar for the share of each class in the pixels of each split."""
    counts = [tiles.dataset(split).counts for split in splits]
    pixels = sum(tiles.count(split) for split in splits) * tiles.size**2
    unlabelled = 1 - sum(int(of_split.sum()) for of_split in counts) / pixels
    add_text(figure, MARGIN, top + 9, "Classes", size=11, bold=True)
    note = f"share of the labelled pixels; white is not labelled, {unlabelled:.1%} of all"
    add_text(figure, MARGIN + 76, top + 9, note, size=9)
    shares = [100 * of_split / max(1, of_split.sum()) for of_split in counts]
    largest = max(share.max() for share in shares) or 1
    step = (_WIDTH - 2 * MARGIN) // _CLASS_COLUMNS
    for number, c in enumerate(tiles.legend.classes):
        row, col = divmod(number, _CLASS_COLUMNS)
        left, upper = MARGIN + col * step, top + _HEADING_HEIGHT + row * _LINE_HEIGHT
        add_entry(figure, left, upper, c.color, shorten(c.name, 22), size=9)
        for line, (split, share) in enumerate(zip(splits, shares, strict=True)):
            length, x = _MAX_BAR * share[number] / largest, left + 200
            y = upper + (11 * line if len(splits) > 1 else 5)
            if length >= 1:
                add_swatch(figure, x, y, _SPLITS[split][1], (7, length))
            add_text(figure, x + length + 6, y + 4, percent(share[number]), size=7)


def percent(share: float) -> str:
    """Write a share (0 to 100) with two significant digits, or as a whole number from 10.

    >>> percent(99.98), percent(12.3), percent(0.312)
    ('100 %', '12 %', '0.31 %')
    """
    return f"{share:.0f} %" if share >= 10 else f"{share:.2g} %"


def _stem(scene: str) -> str:
    """Return the stem of the file of a scene, or of the first file of a stack."""
    return Path(scene.removeprefix("stack of ")).stem


def _draw_maps(figure: Figure, top: float, tiles: TileSet) -> None:
    """Draw the split of each tile on the left, and its largest class on the right."""
    corners, paths = read_footprints(Path(tiles.folder) / INDEX)
    titles = [
        group if f"_{group}".endswith(f"_{stem}") else f"{group}/{stem}"
        for group, stem in zip(tiles.groups, map(_stem, paths), strict=True)
    ]
    width = (_WIDTH - 3 * MARGIN) // 2
    left = MARGIN
    for split, (title, color) in _SPLITS.items():
        if tiles.count(split):
            add_entry(figure, left, top, color, f"{title} {tiles.count(split):,}", size=9)
            left += 170
    add_text(figure, 2 * MARGIN + width, top + 9, "Largest class of each tile", size=9)
    order = np.argsort([list(_SPLITS).index(split) for split in tiles.splits], kind="stable")
    largest = [0] * len(tiles) if tiles.counts is None else tiles.counts.argmax(axis=1).tolist()
    by_split = [_SPLITS[split][1] for split in tiles.splits]
    by_class = [tiles.legend.classes[number].color for number in largest]
    for left, colors in ((MARGIN, by_split), (2 * MARGIN + width, by_class)):
        draw_map(
            figure, (left, int(top) + _HEADING_HEIGHT, width, _MAP_HEIGHT), corners[order],
            [colors[i] for i in order], [titles[i] for i in order], tiles.crs,
        )  # fmt: skip
