"""Pictures, read back by GDAL."""

import numpy as np
from rasterio.io import MemoryFile

from geoseg.raster import rgb_jpeg, rgba_png


def test_a_png_has_the_pixels_that_it_was_made_of():
    pixels = np.random.default_rng(0).integers(0, 256, (37, 53, 4), dtype=np.uint8)
    with MemoryFile(rgba_png(pixels)) as file, file.open() as png:
        assert png.driver == "PNG"
        np.testing.assert_array_equal(png.read(), np.moveaxis(pixels, 2, 0))


def test_a_jpeg_is_close_to_smooth_pixels():
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    pixels = np.dstack(
        [np.tile(ramp, (48, 1)), np.tile(ramp[::-1], (48, 1)), np.full((48, 64), 90)]
    )
    with MemoryFile(rgb_jpeg(pixels.astype(np.uint8))) as file, file.open() as jpeg:
        difference = np.moveaxis(jpeg.read(), 0, 2).astype(int) - pixels
    assert np.abs(difference).mean() < 4
