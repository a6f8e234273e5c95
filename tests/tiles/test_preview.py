"""The preview picture of a set of tiles, and its maps."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from PIL import Image

from geoseg.drawing import new_canvas, shorten_start
from geoseg.legend import Legend
from geoseg.raster import open_scene
from geoseg.tiles import TileSettings, open_tiles
from geoseg.tiles.preview import draw_tiles
from geoseg.tiles.preview_map import draw_map
from geoseg.tiles.store.index import tile_corners
from tests.support.rasters import write_raster
from tests.support.tilesets import LEGEND, PLACE, classes, cut, image_mask_folder, noise

RED, GREEN, BLUE = "#ff0000", "#00ff00", "#0000ff"
SIDE = 400


def pixels_of(figure):
    """(height, width, 3) of a drawn figure."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]


def has_color(drawn, color):
    """(height, width) which pixels have a colour."""
    return (drawn == [int(color[i : i + 2], 16) for i in (1, 3, 5)]).all(axis=2)


def map_of(rows, cols, colors, scenes=None, crs="EPSG:32640", place=PLACE, size=10):
    raster = write_raster_like(place, crs)
    corners = tile_corners(raster, np.array(rows), np.array(cols), size, crs)
    figure = new_canvas(SIDE, SIDE + 40)
    draw_map(figure, (0, 0, SIDE, SIDE), corners, colors, scenes or ["one"] * len(rows), crs)
    return pixels_of(figure)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write_raster_like(place, crs):
    from pathlib import Path

    kept = {"transform": place} if crs else {"transform": rasterio.Affine.identity()}
    return open_scene(write_raster(Path("grid.tif"), noise(), crs=crs, **kept))


@pytest.mark.parametrize("crs", ["EPSG:32640", None], ids=["ground", "pixels"])
def test_the_map_has_north_up_and_each_tile_in_its_place(crs):
    """Four tiles in a square: red, green / blue, red."""
    drawn = map_of([0, 0, 10, 10], [0, 10, 0, 10], [RED, GREEN, BLUE, RED], crs=crs)
    half = SIDE // 2
    quarters = [(RED, 0, 0), (GREEN, 0, half), (BLUE, half, 0), (RED, half, half)]
    for color, row, col in quarters:
        assert has_color(drawn, color)[row : row + half, col : col + half].mean() > 0.95


def test_tiles_of_a_map_are_as_large_as_their_ground():
    rows, cols = np.divmod(np.arange(60), 10)
    drawn = map_of(rows * 10, cols * 10, [RED] * 15 + [GREEN] * 45)
    share = has_color(drawn, RED).sum() / has_color(drawn, GREEN).sum()
    assert share == pytest.approx(1 / 3, rel=0.05)
    assert has_color(drawn, RED).sum() + has_color(drawn, GREEN).sum() > 0.8 * SIDE * SIDE * 0.6


def test_scenes_without_a_place_are_drawn_apart():
    drawn = map_of([0, 0], [0, 0], [RED, GREEN], scenes=["a", "b"], crs=None)
    assert has_color(drawn, RED).sum() == pytest.approx(has_color(drawn, GREEN).sum(), rel=0.05)
    assert has_color(drawn, RED).sum() > 0.1 * SIDE * SIDE


def test_scenes_far_apart_on_the_ground_are_drawn_apart():
    near = map_of([0, 0], [0, 30], [RED, GREEN], scenes=["a", "b"])
    far = map_of([0, 0], [0, 30000], [RED, GREEN], scenes=["a", "b"])
    for drawn in (near, far):
        assert has_color(drawn, RED).sum() > 0.02 * SIDE * SIDE
    assert has_color(near, RED).any(axis=1).nonzero()[0].min() < 3  # no title over it


def test_at_most_24_scenes_get_maps_of_their_own():
    names = [f"scene {i:03d}" for i in range(100)]
    drawn = map_of([0] * 100, [0] * 100, [RED] * 100, scenes=names, crs=None)
    columns = has_color(drawn, RED).any(axis=0).astype(int)
    rows = has_color(drawn, RED).any(axis=1).astype(int)
    panels = (np.diff(columns) == 1).sum() + columns[0], (np.diff(rows) == 1).sum() + rows[0]
    assert 20 <= panels[0] * panels[1] <= 25


def test_a_set_comes_with_a_preview_of_its_splits_and_classes(tmp_path):
    scene = write_raster(tmp_path / "scene.tif", noise())
    ground = np.where(classes() == 2, 0, classes())
    ground[50:54, 60:64] = 2  # rare, but drawn
    labels = write_raster(tmp_path / "labels.tif", ground[None])
    wanted = TileSettings(size=10, val=0.3)
    tiles = cut(scene, labels, tmp_path / "tiles", wanted, preview=True)
    preview = np.asarray(Image.open(tmp_path / "tiles" / "preview.png").convert("RGB"))
    for c in LEGEND.classes:
        assert has_color(preview, c.color).sum() > 300
    map_of_split = preview[-528:, : preview.shape[1] // 2]
    counts = {s: has_color(map_of_split, c).sum() for s, c in
              (("train", "#4477aa"), ("val", "#ee7733"), ("gap", "#d8d8d8"))}  # fmt: skip
    assert tiles.count("gap") > 5
    for split in ("val", "gap"):
        share = tiles.count(split) / tiles.count("train")
        assert counts[split] / counts["train"] == pytest.approx(share, rel=0.1)


def test_a_set_may_have_no_preview(tmp_path):
    scene = write_raster(tmp_path / "scene.tif", noise())
    labels = write_raster(tmp_path / "labels.tif", classes()[None])
    cut(scene, labels, tmp_path / "tiles", TileSettings(size=10, val=0.3))
    assert not (tmp_path / "tiles" / "preview.png").exists()


def test_a_folder_of_images_and_masks_is_drawn_without_a_map(tmp_path):
    tiles = open_tiles(image_mask_folder(tmp_path / "masks", count=3, size=32))
    drawn = pixels_of(draw_tiles(tiles))
    assert drawn.shape[0] < 600
    assert has_color(drawn, tiles.legend.classes[0].color).sum() > 3 * 128 * 128 // 4


def test_many_classes_and_long_names_fit(tmp_path):
    scene = write_raster(tmp_path / "scene.tif", noise())
    names = [f"class {i} of some $very$ _long_ name" for i in range(40)]
    labels = write_raster(tmp_path / "labels.tif", classes()[None])
    settings = TileSettings(size=10, val=0.3)
    legend = Legend.from_names(names)
    figure = draw_tiles(cut(scene, labels, tmp_path / "tiles", settings, legend=legend))
    figure.canvas.draw()
    boxes = [(text.get_text(), text.get_window_extent()) for text in figure.texts]
    entries = [box for text, box in boxes if text.startswith("class ")]
    assert len(entries) == len(names)
    for entry in entries:
        assert figure.bbox.count_contains(entry.get_points()) == 2
        assert sum(entry.overlaps(box) for _, box in boxes) == 1  # itself


def test_the_pixel_sizes_of_all_scenes_are_told(tmp_path):
    scene = write_raster(tmp_path / "scene.tif", noise())
    labels = write_raster(tmp_path / "labels.tif", classes()[None])
    tiles = cut(scene, labels, tmp_path / "tiles")
    for sizes, words in (((10.001, 10.002), "about 10 m,"), ((0.5, 1), "about 0.5 to 1 m,")):
        texts = draw_tiles(replace(tiles, pixel_size_range=sizes)).texts
        assert any(words in text.get_text() for text in texts)


def test_shorten_start_keeps_the_end_of_a_text():
    assert shorten_start("Tile 4/image_part_001", 12) == "…ge_part_001"
    assert shorten_start("short", 12) == "short"
