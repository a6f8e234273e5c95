"""Map tiles show the stored pixels, at each level and at each place."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from rasterio.io import MemoryFile

from geoseg.view import ViewSettings
from geoseg.view.map_tiles import CONFIDENCE_COLORS, TILE, max_level
from tests.support.rasters import write_raster
from tests.support.views import LEGEND, PLACES, SHAPE, nearest, open_page, write_place


@pytest.fixture(scope="module", params=PLACES)
def place(request, tmp_path_factory):
    files = write_place(tmp_path_factory.mktemp("place"), request.param)
    return files, open_page(files, ViewSettings(confidence=files.confidence, compare=files.second))


def layer_at(page, layer: str, level: int, query: str = "") -> np.ndarray:
    """All tiles of a level together: (height, width, 4), a multiple of a tile a side."""
    height, width = (math.ceil(length / 2**level / TILE) for length in SHAPE)
    rows = []
    for row in range(height):
        tiles = []
        for col in range(width):
            answer = page.answer("GET", f"tiles/{layer}/{level}/{row}/{col}.png{query}")
            assert (answer.status, answer.content_type) == (200, "image/png")
            with MemoryFile(answer.body) as file, file.open() as png:
                tiles.append(np.moveaxis(png.read(), 0, 2))
        rows.append(np.concatenate(tiles, axis=1))
    return np.concatenate(rows)


def expected_map(labels: np.ndarray, off: tuple[int, ...] = ()) -> np.ndarray:
    drawn = np.zeros((*labels.shape, 4), np.uint8)
    for c in LEGEND.classes:
        if c.value not in off:
            drawn[labels == c.value] = (*c.rgb, 255)
    return drawn


def test_a_scene_of_another_place_is_warned_about(tmp_path, caplog):
    files = write_place(tmp_path, "UTM")
    open_page(files)
    assert caplog.messages == []
    away = replace(files, scene=write_raster(tmp_path / "away.tif", files.image, crs="EPSG:32641"))
    open_page(away)
    assert "check that both show the same place" in caplog.text


@pytest.mark.parametrize("level", [0, 1])
def test_a_map_is_shown_as_it_is_stored(place, level):
    files, page = place
    shown = layer_at(page, "map", level)
    expected = expected_map(nearest(files.labels, level))
    height, width = expected.shape[:2]
    np.testing.assert_array_equal(shown[:height, :width], expected)
    assert not shown[height:].any()
    assert not shown[:, width:].any()
    second = layer_at(page, "compare", level)[:height, :width]
    np.testing.assert_array_equal(
        second, expected_map(nearest(np.roll(files.labels, 60, 1), level))
    )


@pytest.mark.parametrize("level", [0, 1])
def test_the_image_lies_on_the_pixels_of_the_map(place, level):
    files, page = place
    shown = layer_at(page, "image", level)[: -(-SHAPE[0] // 2**level), : -(-SHAPE[1] // 2**level)]
    image = nearest(files.image, level)
    np.testing.assert_array_equal(shown[..., 3], np.where((image != 0).any(0), 255, 0))
    for band, (low, high) in enumerate(page.tiles.ranges):
        grey = np.clip((image[band] - low) / (high - low) * 255, 0, 255)
        difference = np.abs(shown[..., band] - grey)[shown[..., 3] > 0]
        assert difference.max() <= 1


def test_confidence_has_its_colours_and_nothing_where_there_is_none(place):
    files, page = place
    shown = layer_at(page, "confidence", 0)[: SHAPE[0], : SHAPE[1]]
    assert not shown[files.scores == 0].any()
    highest = shown[files.scores == 255]
    assert len(highest)
    assert (highest == [*bytes.fromhex(CONFIDENCE_COLORS[-1][1:]), 255]).all()


def test_classes_can_be_left_out(place):
    files, page = place
    shown = layer_at(page, "map", 0, "?off=0,7")[: SHAPE[0], : SHAPE[1]]
    np.testing.assert_array_equal(shown, expected_map(files.labels, (0, 7)))


def test_the_last_level_is_one_tile(place):
    _, page = place
    grid = page.tiles.sources.grid
    assert max_level(grid) == 1
    assert page.answer("GET", "tiles/map/1/0/0.png").status == 200
    for beyond in ("map/1/0/1", "map/2/0/0", "map/0/2/0", "map/0/9999999/9999999", "roads/0/0/0"):
        answer = page.answer("GET", f"tiles/{beyond}.png")
        assert answer.status == 404
        assert "error" in json.loads(answer.body)


def test_a_scene_on_another_grid_is_warped_onto_the_map(tmp_path):
    files = write_place(tmp_path, "UTM")
    crs, transform = PLACES["UTM"]
    coarse = np.kron(files.labels[::20, ::20] + 1, np.ones((2, 2)))[None].astype(np.uint8)
    shifted = transform @ transform.scale(10)
    write_raster(tmp_path / "scene.tif", coarse, crs=crs, transform=shifted)
    page = open_page(files, ViewSettings(bands=(1,)))
    shown = layer_at(page, "image", 0)[: SHAPE[0], : SHAPE[1]]
    low, high = page.tiles.ranges[0]
    grey = np.clip((np.kron(coarse[0], np.ones((10, 10))) - low) / (high - low) * 255, 0, 255)
    assert np.abs(shown[..., 0] - grey).max() <= 1
    assert (shown[..., 3] == 255).all()


def test_a_folder_of_bands_is_a_scene(tmp_path):
    files = write_place(tmp_path, "UTM")
    crs, transform = PLACES["UTM"]
    (tmp_path / "bands").mkdir()
    for name, band in zip(("red", "green", "blue"), files.image, strict=True):
        place = {"crs": crs, "transform": transform}
        write_raster(tmp_path / "bands" / f"{name}.tif", band[None], nodata=0, **place)
    page = open_page(files, ViewSettings())
    expected = [layer_at(page, "image", level) for level in (0, 1)]
    page = open_page(replace(files, scene=tmp_path / "bands"), ViewSettings())
    for level in (0, 1):
        np.testing.assert_array_equal(layer_at(page, "image", level), expected[level])
    pixel = json.loads(page.answer("GET", "pixel?row=100&col=200").body)
    named = {band["name"]: band["value"] for band in pixel["bands"]}
    assert [named[name] for name in ("red", "green", "blue")] == files.image[:, 100, 200].tolist()
