"""Rasters that are warped are transformed exactly, pixel by pixel, in longitudes of any range."""

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

from geoseg.grid import Window
from geoseg.raster import open_scene, read_overview, read_window, reprojected, warped_to
from tests.support.rasters import random_pixels, write_raster

SIDE = 600


def test_each_pixel_is_the_one_in_which_its_centre_lies(tmp_path):
    """GDAL may approximate the transformation to 1/8 pixel, which puts some centres elsewhere."""
    index = np.arange(1, SIDE * SIDE + 1, dtype=np.uint32).reshape(1, SIDE, SIDE)
    place = Affine(300, 0, 400000, 0, -300, 2800000)
    scene = open_scene(write_raster(tmp_path / "scene.tif", index, transform=place))
    grid = reprojected(scene, "EPSG:4326")
    pixels, valid = read_window(warped_to(scene, grid), grid.window)
    rows, cols = np.mgrid[: grid.height, : grid.width] + 0.5
    back = Transformer.from_crs(4326, 32640, always_xy=True)
    x, y = back.transform(*(grid.affine @ (cols.ravel(), rows.ravel())))
    col, row = ~place @ (np.asarray(x), np.asarray(y))
    inside = (row > 0) & (row < SIDE) & (col > 0) & (col < SIDE)
    near_an_edge = np.abs([row - np.rint(row), col - np.rint(col)]).min(axis=0) < 1e-4
    sure = inside & ~near_an_edge
    expected = row[sure].astype(int) * SIDE + col[sure].astype(int) + 1
    assert sure.mean() > 0.8
    assert valid.ravel()[sure].all()
    assert np.array_equal(pixels.ravel()[sure], expected)


def at_longitudes(folder, west, cols, size=0.01, crs="EPSG:4326"):
    """A raster with another number in each pixel (16 rows)."""
    index = np.arange(1, 16 * cols + 1, dtype=np.uint16).reshape(1, 16, cols)
    place = Affine(size, 0, west, 0, -size, 10)
    path = folder / f"{west}.tif"
    return open_scene(write_raster(path, index, crs=crs, transform=place)), index[0]


@pytest.mark.parametrize(
    ("west", "utm"),
    [(179.9, "EPSG:32601"), (-180.1, "EPSG:32660"), (279.0, "EPSG:32617")],
    ids=["across 180", "across -180", "up to 360"],
)
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:4272"], ids=["WGS 84", "another datum"])
def test_longitudes_of_any_range_are_found_from_metres(tmp_path, west, utm, crs):
    scene, index = at_longitudes(tmp_path, west, 32, crs=crs)
    grid = reprojected(scene, utm)
    pixels, valid = read_window(warped_to(scene, grid), grid.window)
    rows, cols = np.mgrid[: grid.height, : grid.width] + 0.5
    lon, lat = Transformer.from_crs(utm, crs, always_xy=True).transform(
        *(grid.affine @ (cols, rows))
    )
    col, row = (np.floor(v).astype(int) for v in ~scene.affine @ (west + (lon - west) % 360, lat))
    inside = (row >= 0) & (row < 16) & (col < 32)
    assert inside.mean() > 0.9
    assert (valid == inside).mean() > 0.99  # but for pixels whose centres lie on an edge
    both = valid & inside
    assert (pixels[0][both] == index[row[both], col[both]]).mean() > 0.99
    assert read_overview(warped_to(scene, grid), 400)[1].mean() == valid.mean()


@pytest.mark.parametrize(
    ("west", "cols", "grid_west", "grid_cols"),
    [
        (-180.1, 32, 179.9, 32),
        (179.9, 32, -180.1, 32),
        (-180.0, 720, 170.1, 40),
        (0.0, 720, -10.1, 40),
        (179.5, 20, -180.0, 720),
        (-180.0, 720, 0.0, 720),
        (-180.1, 720, -180.0, 720),
    ],
    ids=["west", "east", "world", "world from 0", "onto the world", "worlds", "not quite -180"],
)
def test_longitudes_are_found_on_a_grid_of_another_range(
    tmp_path, west, cols, grid_west, grid_cols
):
    size = 0.5 if max(cols, grid_cols) > 32 else 0.01
    scene, index = at_longitudes(tmp_path, west, cols, size)
    grid, _ = at_longitudes(tmp_path, grid_west, grid_cols, size, "EPSG:4258")
    pixels, valid = read_window(warped_to(scene, grid), grid.window)
    lon = grid_west + size * (np.arange(grid_cols) + 0.5)
    column = np.floor((lon - west) % 360 / size).astype(int)
    inside = column < cols
    assert np.array_equal(valid, np.broadcast_to(inside, valid.shape))
    assert np.array_equal(pixels[0][:, inside], index[:, column[inside]])


def test_metres_are_found_on_a_grid_beyond_180_degrees(tmp_path):
    values = np.full((1, 600, 600), 7, np.uint8)
    place = Affine(100, 0, 140_000, 0, -100, 1_130_000)  # 60 km around 180 degrees
    scene = open_scene(
        write_raster(tmp_path / "metres.tif", values, crs="EPSG:32601", transform=place)
    )
    grid, _ = at_longitudes(tmp_path, 179.9, 20)
    pixels, valid = read_window(warped_to(scene, grid), grid.window)
    assert valid.all()
    assert (pixels == 7).all()


def test_windows_beyond_180_degrees_have_the_pixels_of_the_whole_scene(tmp_path):
    """Law 10: where pixels come from is invisible, for any chunking."""
    path = write_raster(
        tmp_path / "s.tif", random_pixels(1, 600, 700), crs="EPSG:4326",
        transform=Affine(0.0005, 0, 179.85, 0, -0.0005, 10),
    )  # fmt: skip
    scene = reprojected(open_scene(path), "EPSG:32601")
    pixels, valid = read_window(scene, scene.window)
    assert valid.mean() > 0.97
    for window in (Window(0, 0, 100, 100), Window(37, 200, 300, 260), Window(250, 301, 200, 150)):
        part, part_valid = read_window(scene, window)
        assert np.array_equal(part, pixels[:, *window.slices])
        assert np.array_equal(part_valid, valid[window.slices])
