"""Small labelled scenes for the tests, and the tiles cut from them."""

from dataclasses import replace

import geopandas
import numpy as np
import rasterio
import shapely
from affine import Affine

from geoseg.legend import DUBAI_MASKS, Legend
from geoseg.raster import read_whole
from geoseg.tiles import IGNORE_INDEX, TileSettings, tile
from tests.support.rasters import random_pixels, write_raster
from tests.support.refusals import refusal

HEIGHT, WIDTH = 100, 130
LEGEND = Legend.from_names(["water", "grass", "rock"])
PLACE = Affine(10, 0, 500000, 0, -10, 2800000)
UNREFERENCED = {"crs": None, "transform": None}
ALL = TileSettings(size=32, val=0, min_valid=0)
"""Tiles of 32 px, all of them for training."""


def noise(bands=3, height=HEIGHT, width=WIDTH, dtype="uint8"):
    return random_pixels(bands, height, width, dtype)


def classes(height=HEIGHT, width=WIDTH):
    """Class values 0, 1 and 2, in blocks of 10 px."""
    rows, cols = np.indices((height, width)) // 10
    return ((rows + 2 * cols) % 3).astype(np.uint8)


def cut(scenes, labels, out, settings=ALL, *, preview=False, **options):
    """Cut tiles, without the preview, which takes longer than all the rest."""
    scenes, labels = (p if isinstance(p, list | dict) else [p] for p in (scenes, labels))
    settings = replace(settings, preview=preview)
    return tile(scenes, labels, out=out, settings=settings, **{"legend": LEGEND, **options})


def apart(tiles):
    """Places of tiles that are each in a scene of its own."""
    return np.stack([np.arange(tiles), *np.zeros((2, tiles), np.int64)], axis=1)


def pasted(tiles, shape=(HEIGHT, WIDTH)):
    """The masks of a tile set at their places in the scene; -1 where there is no tile."""
    canvas = np.full(shape, -1)
    index = geopandas.read_parquet(f"{tiles.folder}/tiles.parquet")
    for path, row, col in zip(tiles.store.masks, index["row"], index["col"], strict=True):
        mask = read_whole(path)[0][0]
        canvas[row : row + len(mask), col : col + len(mask)] = mask
    return canvas


def painted(ground, colors, other=(0, 0, 0)):
    """A mask (3, height, width) of the colours of classes; ``other`` where there is none."""
    table = np.full((256, 3), other, np.uint8)
    table[: len(colors)] = colors
    return table[ground].transpose(2, 0, 1)


DUBAI_COLORS = [c.rgb for c in DUBAI_MASKS.classes]


def write_palette(path, indices, colors, **profile):
    write_raster(path, indices[None], **profile)
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, dict(enumerate(colors)))
    return path


def write_polygons(path, rows, crs="EPSG:4326"):
    """Vector labels; each row has rows and columns of a rectangle (px), and the class."""
    boxes = [
        None if extent is None else shapely.box(
            500000 + 10 * extent[1], 2800000 - 10 * extent[2],
            500000 + 10 * extent[3], 2800000 - 10 * extent[0],
        )
        for extent, _ in rows
    ]  # fmt: skip
    data = {"kind": [name for _, name in rows]}
    frame = geopandas.GeoDataFrame(data, geometry=boxes, crs="EPSG:32640").to_crs(crs)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_file(path)
    return path


BY_NAME = TileSettings(size=32, val=0, min_valid=0, class_field="kind")
# (first row, first column, end row, end column), class
FIELDS = [((0, 0, 20, 30), "grass"), ((10, 10, 20, 64), " Rock "), ((40, 0, 50, 10), "WATER")]


def burnt(values):
    ground = np.full((HEIGHT, WIDTH), IGNORE_INDEX)
    for (extent, _), value in zip(FIELDS, values, strict=True):
        ground[extent[0] : extent[2], extent[1] : extent[3]] = value
    return ground


def image_mask_folder(root, groups=("",), count=2, size=64, gray=True):
    """images/ and masks/ in each group; masks are class values (gray) or Dubai colours."""
    for group in groups:
        for kind in ("images", "masks"):
            (root / group / kind).mkdir(parents=True)
        for number in range(count):
            image, mask = (root / group / kind / f"part_{number}" for kind in ("images", "masks"))
            pixels, ground = noise(3, size, size), classes(size, size)
            write_raster(image.with_suffix(".jpg"), pixels, driver="JPEG", **UNREFERENCED)
            mask_pixels = ground[None] if gray else painted(ground, DUBAI_COLORS)
            write_raster(mask.with_suffix(".png"), mask_pixels, driver="PNG", **UNREFERENCED)
    return root


def refused(error_type, match, tmp_path, *arguments, **options):
    with refusal(error_type, match, tmp_path):
        cut(*arguments, tmp_path / "tiles", **options)
