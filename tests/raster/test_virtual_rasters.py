"""VRT files that resample: GDAL's result depends on the window, that of `read_window` does not."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window as RasterWindow

from geoseg.grid import Window
from geoseg.raster import open_scene, read_window
from tests.support.rasters import write_raster

INNER, SIDE = 1500, 1003
WINDOWS = [Window(0, 0, 300, 200), Window(511, 130, 40, 600), Window(700, 690, 303, 313)]


@pytest.fixture(scope="module", params=["average", "lanczos"])
def vrt(request, tmp_path_factory):
    """A VRT with fewer pixels than its file."""
    folder = tmp_path_factory.mktemp("vrt")
    rng = np.random.default_rng(0)
    pixels = rng.random((1, INNER, INNER), np.float32)
    place = Affine(10, 0, 500000, 0, -10, 2800000)
    write_raster(folder / "file.tif", pixels, transform=place)
    size = INNER * 10 / SIDE
    path = folder / "scene.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="{SIDE}" rasterYSize="{SIDE}"><SRS>EPSG:32640</SRS>'
        f"<GeoTransform>500000, {size}, 0, 2800000, 0, {-size}</GeoTransform>"
        '<VRTRasterBand dataType="Float32" band="1">'
        f'<SimpleSource resampling="{request.param}">'
        '<SourceFilename relativeToVRT="1">file.tif</SourceFilename><SourceBand>1</SourceBand>'
        f'<SrcRect xOff="0" yOff="0" xSize="{INNER}" ySize="{INNER}"/>'
        f'<DstRect xOff="0" yOff="0" xSize="{SIDE}" ySize="{SIDE}"/>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    return path


def test_a_window_has_the_pixels_that_the_whole_has(vrt):
    scene = open_scene(vrt)
    whole, _ = read_window(scene, scene.window)
    for window in WINDOWS:
        pixels, valid = read_window(scene, window)
        assert valid.all()
        assert np.array_equal(pixels, whole[:, *window.slices])


def test_gdal_itself_gives_other_pixels_for_another_window(vrt):
    """If this fails, GDAL has changed, and reading in blocks of a lattice may be superfluous."""
    with rasterio.open(vrt) as dataset:
        whole = dataset.read()
        parts = [dataset.read(window=RasterWindow.from_slices(*w.slices)) for w in WINDOWS]
    assert not all(
        np.array_equal(part, whole[:, *window.slices])
        for part, window in zip(parts, WINDOWS, strict=True)
    )
