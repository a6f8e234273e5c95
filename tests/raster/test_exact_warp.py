"""Rasters that are warped are transformed exactly, pixel by pixel."""

import numpy as np
from affine import Affine
from pyproj import Transformer

from geoseg.raster import open_scene, read_window, reprojected, warped_to
from tests.support.rasters import write_raster

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
