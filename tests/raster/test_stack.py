"""Stacks: bands of several files as one scene."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from geoseg.errors import SceneError
from geoseg.grid import Window
from geoseg.raster import Stack, open_scene, read_overview, read_window, reprojected
from tests.support.rasters import random_pixels, write_raster
from tests.support.scenes import place, stack_files
from tests.support.servers import web

SIDE = 660
"""Pixels of 10 m: two by two blocks of the lattice in which resampled pixels are read."""

BUILT_BY_GDAL = """<VRTDataset rasterXSize="660" rasterYSize="660">
  <SRS dataAxisToSRSAxisMapping="1,2">EPSG:32640</SRS>
  <GeoTransform>  5.0000000000000000e+05,  1.0000000000000000e+01,  0.0000000000000000e+00,\
  2.8000000000000000e+06,  0.0000000000000000e+00, -1.0000000000000000e+01</GeoTransform>
  <VRTRasterBand dataType="UInt16" band="1">
    <NoDataValue>0</NoDataValue>
    <ComplexSource resampling="bilinear">
      <SourceFilename relativeToVRT="1">red, 10 m.tif</SourceFilename>
      <SourceBand>1</SourceBand>
      <SourceProperties RasterXSize="660" RasterYSize="660" DataType="UInt16" BlockXSize="660" BlockYSize="6" />
      <SrcRect xOff="0" yOff="0" xSize="660" ySize="660" />
      <DstRect xOff="0" yOff="0" xSize="660" ySize="660" />
      <NODATA>0</NODATA>
    </ComplexSource>
  </VRTRasterBand>
  <VRTRasterBand dataType="UInt16" band="2">
    <NoDataValue>0</NoDataValue>
    <ComplexSource resampling="bilinear">
      <SourceFilename relativeToVRT="1">near infrared, 20 m.tif</SourceFilename>
      <SourceBand>1</SourceBand>
      <SourceProperties RasterXSize="330" RasterYSize="330" DataType="UInt16" BlockXSize="330" BlockYSize="12" />
      <SrcRect xOff="0" yOff="0" xSize="330" ySize="330" />
      <DstRect xOff="0" yOff="0" xSize="660" ySize="660" />
      <NODATA>0</NODATA>
    </ComplexSource>
  </VRTRasterBand>
  <VRTRasterBand dataType="UInt16" band="3">
    <NoDataValue>0</NoDataValue>
    <ComplexSource resampling="bilinear">
      <SourceFilename relativeToVRT="1">coast (60 m).tif</SourceFilename>
      <SourceBand>1</SourceBand>
      <SourceProperties RasterXSize="110" RasterYSize="110" DataType="UInt16" BlockXSize="110" BlockYSize="37" />
      <SrcRect xOff="0" yOff="0" xSize="110" ySize="110" />
      <DstRect xOff="0" yOff="0" xSize="660" ySize="660" />
      <NODATA>0</NODATA>
    </ComplexSource>
  </VRTRasterBand>
</VRTDataset>
"""  # noqa: E501 - as GDAL writes it
"""What ``gdalbuildvrt -separate -resolution highest -r bilinear`` of GDAL 3.10 writes, but that the
CRS is a code here."""


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    return stack_files(tmp_path_factory.mktemp("stack"), SIDE)


def pixels_of(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


def test_a_stack_has_the_bytes_of_the_vrt_that_gdal_builds(files):
    vrt = files[0].with_name("gdal.vrt")
    vrt.write_text(BUILT_BY_GDAL)
    stack = open_scene(Stack(tuple(files)))
    pixels, _ = read_window(stack, stack.window)
    by_gdal, _ = read_window(open_scene(vrt), stack.window)
    with rasterio.open(vrt) as file:
        one_block = file.read(window=rasterio.windows.Window(0, 0, 512, 512))
        assert stack.affine == file.transform
        assert (stack.crs, stack.dtype) == (file.crs.to_wkt(), file.dtypes[0])
    assert np.array_equal(pixels, by_gdal)
    assert np.array_equal(pixels[:, :512, :512], one_block)
    assert len(np.unique(pixels[2])) > len(np.unique(pixels_of(files[2])))


def test_a_pixel_is_valid_where_every_file_has_data(files):
    stack = open_scene(Stack(tuple(files)))
    _, valid = read_window(stack, stack.window)
    expected = np.ones((SIDE, SIDE), bool)
    for path in files:
        has = pixels_of(path) != 0
        # A bilinear value comes from two by two pixels, and needs one of them.
        centres = (np.arange(SIDE) + 0.5) * len(has) / SIDE - 0.5
        first, second = np.floor(centres).astype(int).clip(0), np.ceil(centres).astype(int)
        second = second.clip(max=len(has) - 1)
        expected &= np.logical_or.reduce(
            [has[np.ix_(rows, cols)] for rows in (first, second) for cols in (first, second)]
        )
    assert 0 < (~expected).mean() < 0.2
    assert np.array_equal(valid, expected)


def test_a_file_of_several_bands_has_data_where_one_of_its_bands_has(tmp_path):
    two = np.ones((2, 6, 6), np.uint8)
    two[0, :2], two[1, :, :2] = 0, 0
    one = np.ones((1, 6, 6), np.uint8)
    one[0, -1] = 0
    paths = [write_raster(tmp_path / f"{len(bands)}.tif", bands, nodata=0) for bands in (two, one)]
    stack = open_scene(Stack(tuple(paths)))
    _, valid = read_window(stack, stack.window)
    assert np.array_equal(valid, two.any(axis=0) & (one[0] != 0))


@pytest.mark.parametrize("physical", [False, True], ids=["stored", "physical"])
@pytest.mark.parametrize("nodata", [0, 255, -9999, np.nan])
def test_a_gap_of_one_file_is_not_valid_in_another_crs(tmp_path, nodata, physical):
    """GDAL warps the files together, and knows only where all of them have no data."""
    dtype = {255: "uint8", 0: "uint16", -9999: "int16"}.get(nodata, "float32")
    images = random_pixels(3, 60, 60, dtype)
    images[1, 20:40, 20:40] = nodata
    paths = [
        str(write_raster(tmp_path / f"{number}.tif", image[None], nodata=nodata))
        for number, image in enumerate(images)
    ]
    stack, whole = (open_scene(Stack(tuple(files))) for files in (paths, paths[::2]))
    if physical:
        stack, whole = stack.with_physical_values(), whole.with_physical_values()
    for same, other in ((stack, whole), (reprojected(stack, "EPSG:32641"),
                                         reprojected(whole, "EPSG:32641"))):  # fmt: skip
        _, valid = read_window(same, same.window)
        _, around = read_window(other, other.window)
        assert 0.08 < (around & ~valid).mean() < 0.12  # 20 x 20 pixels of 60 x 60
        assert not (valid & ~around).any()


def test_files_keep_their_own_nodata_values_in_another_crs(tmp_path):
    """A hole of each file stays empty, and no nodata value is mixed into the values beside it."""
    image = np.full((3, 90, 90), 100, np.uint8)
    image[:, 20:40, 20:40], image[0, 60:80, 60:80] = 0, 0
    height = np.full((1, 90, 90), 1000, np.float32)
    height[:, 20:40, 60:80] = -9999
    paths = (
        write_raster(tmp_path / "image.tif", image, nodata=0),
        write_raster(tmp_path / "height.tif", height, nodata=-9999),
    )
    stack = open_scene(Stack(paths))
    assert read_window(stack, stack.window)[1].mean() == pytest.approx(1 - 2 * 400 / 8100)
    scene = reprojected(stack, "EPSG:32641")
    pixels, valid = read_window(scene, scene.window)
    inside = read_window(reprojected(open_scene(Stack(paths[:1]), nodata=-1), "EPSG:32641"),
                         scene.window)[1]  # fmt: skip
    assert (valid & inside).sum() / inside.sum() == pytest.approx(1 - 2 * 400 / 8100, abs=0.02)
    assert np.allclose(pixels[3][valid], 1000)
    assert np.allclose(pixels[1:3][:, valid], 100)
    assert pixels[0][valid].min() < 1
    small, small_valid = read_overview(scene, 50)
    assert np.allclose(small[3][small_valid], 1000)


def test_the_grid_is_that_of_the_finest_band_that_is_read(files):
    stack = open_scene(Stack((str(files[2]), str(files[1]), str(files[0]))))
    assert (stack.height, stack.affine) == (SIDE, place(10))
    coarse = open_scene(Stack(tuple(files)), bands=(3, 2))
    assert (coarse.height, coarse.affine) == (SIDE // 2, place(20))
    assert np.array_equal(read_window(coarse, coarse.window)[0][1], pixels_of(files[1]))


def test_bands_of_one_size_are_read_as_they_are(tmp_path, files):
    other = write_raster(tmp_path / "b.tif", pixels_of(files[0])[None, ::-1], transform=place(10))
    stack = open_scene(Stack((str(files[0]), str(other))))
    assert not stack.gdal_resamples
    pixels, _ = read_window(stack, stack.window)
    assert np.array_equal(pixels, [pixels_of(files[0]), pixels_of(other)])


def test_categories_keep_their_values(tmp_path, files):
    classes = np.random.default_rng(0).choice([3, 90, 200], (1, 110, 110)).astype(np.uint8)
    path = write_raster(tmp_path / "classes.tif", classes, transform=place(60))
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {3: (255, 0, 0), 90: (0, 255, 0), 200: (0, 0, 255)})
    stack = open_scene(Stack((str(files[0]), str(path))))
    pixels, _ = read_window(stack, stack.window)
    assert np.array_equal(pixels[1], np.kron(classes[0], np.ones((6, 6), int)))


def test_physical_values_are_scaled_and_what_has_none_is_invalid(tmp_path, files):
    stored = np.random.default_rng(1).integers(1, 9000, (1, SIDE, SIDE)).astype(np.uint16)
    stored[:, :40, :50] = 7
    path = write_raster(tmp_path / "scaled.tif", stored, transform=place(10), nodata=7)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (2.75e-5,), (-0.2,)
    stack = open_scene(Stack((str(path), str(files[0])))).with_physical_values()
    pixels, valid = read_window(stack, stack.window)
    expected = stored[0] * 2.75e-5 - 0.2
    red = pixels_of(files[0])
    assert pixels.dtype == np.float32
    assert np.array_equal(valid, (stored[0] != 7) & (red != 0))
    assert np.allclose(pixels[0][valid], expected[valid], rtol=1e-6, atol=1e-7)
    assert np.array_equal(pixels[1][valid], red[valid])


def test_the_nodata_value_can_be_given_for_all_files(tmp_path, files):
    red = pixels_of(files[0])
    value = int(red[0, 0])
    stack = open_scene(Stack((str(files[0]),)), nodata=value)
    assert np.array_equal(read_window(stack, stack.window)[1], red != value)


def test_a_preview_shows_every_band(files):
    stack = open_scene(Stack(tuple(files)))
    pixels, valid = read_overview(stack, 110)
    whole, _ = read_window(stack, stack.window)
    assert pixels.shape == (3, 110, 110)
    assert 0.8 < valid.mean() < 1
    for band, all_pixels in zip(pixels, whole, strict=True):
        assert abs(band[valid].mean() / all_pixels[all_pixels > 0].mean() - 1) < 0.05


@pytest.mark.parametrize(
    ("crs", "transform", "sentence"),
    [
        ("EPSG:32640", place(10, col=1), r"other\.tif has another extent than .*red, 10 m\.tif, "
         r"cut it to the same one first \(gdalwarp -te\)$"),
        ("EPSG:32641", place(10), r"other\.tif has another CRS than .*red, 10 m\.tif, warp it onto "
         r"that grid first \(gdalwarp -t_srs\)$"),
        (None, place(10), "other.tif has another CRS"),
    ],
)  # fmt: skip
def test_bands_on_other_ground_are_refused(tmp_path, files, crs, transform, sentence):
    other = np.ones((1, SIDE, SIDE), np.uint8)
    path = write_raster(tmp_path / "other.tif", other, crs=crs, transform=transform)
    with pytest.raises(SceneError, match=sentence):
        open_scene(Stack((str(files[0]), str(path))))


def test_a_band_on_other_ground_may_stay_unread(tmp_path, files):
    path = write_raster(tmp_path / "other.tif", np.ones((1, 9, 9), np.uint8), transform=place(10))
    with pytest.raises(SceneError, match="another extent"):
        open_scene(Stack((str(files[0]), str(path))))
    assert open_scene(Stack((str(files[0]), str(path))), bands=(1,)).height == SIDE


def test_extents_may_differ_by_half_of_a_coarse_pixel(tmp_path):
    """As those of 10,980 px of 10 m and of 5,490 px of 20 m beside one another."""
    fine = write_raster(tmp_path / "a.tif", np.ones((1, 61, 61), np.uint8), transform=place(10))
    coarse = write_raster(tmp_path / "b.tif", np.ones((1, 30, 30), np.uint8), transform=place(20))
    stack = open_scene(Stack((str(fine), str(coarse))))
    assert read_window(stack, stack.window)[1].all()


@pytest.mark.parametrize(
    ("paths", "sentence"),
    [((), "the stack is empty, give at least one file"), (("missing.tif",), r"missing\.tif")],
)
def test_a_stack_of_nothing_is_refused(paths, sentence):
    with pytest.raises(SceneError, match=sentence):
        open_scene(Stack(paths))


def test_a_band_that_is_not_there_is_named_with_what_there_is(files):
    with pytest.raises(SceneError, match=r"has bands 1 to 3 .*, not nir, choose others .*--bands"):
        open_scene(Stack(tuple(files)), bands=("nir",))


def test_a_file_that_was_replaced_is_read_anew(tmp_path):
    paths = stack_files(tmp_path, 60)
    stack = Stack(tuple(paths))
    before, _ = read_window(open_scene(stack), Window(0, 0, 60, 60))
    new = stack_files(tmp_path / "new", 60, seed=9)[1]
    new.replace(paths[1])
    old = open_scene(Stack((str(paths[0]), str(paths[2]))))
    after, _ = read_window(open_scene(stack), Window(0, 0, 60, 60))
    assert np.array_equal(before[[0, 2]], after[[0, 2]])
    assert not np.array_equal(before[1], after[1])
    assert np.array_equal(read_window(old, old.window)[0], after[[0, 2]])


def test_a_file_that_was_replaced_during_use_is_refused_by_name(tmp_path):
    paths = stack_files(tmp_path, 60)
    scene = open_scene(Stack(tuple(paths)))
    stack_files(tmp_path / "new", 60, seed=9)[1].replace(paths[1])
    sentence = r"near infrared, 20 m\.tif changed while it was in use, start again"
    with pytest.raises(SceneError, match=sentence):
        read_window(scene, scene.window)


def test_files_on_a_web_server_are_read_and_refused_if_replaced(
    tmp_path, tmp_path_factory, monkeypatch
):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    local = [
        path.rename(path.with_name(f"{number}.tif"))
        for number, path in enumerate(stack_files(tmp_path, 60))
    ]
    with web(tmp_path, tmp_path_factory.mktemp("control") / "control.json") as server:
        names = tuple(f"{server.address}/{path.name}" for path in local)
        scene, from_disk = open_scene(Stack(names)), open_scene(Stack(tuple(local)))
        assert [band.version for band in scene.stack] == ['"one"'] * 3
        pixels, valid = read_window(scene, scene.window)
        expected, expected_valid = read_window(from_disk, from_disk.window)
        assert np.array_equal(pixels, expected)
        assert np.array_equal(valid, expected_valid)
        later = replace(scene, path="read by another worker", bands=(1, 2), band_names=("", ""))
        server.tell(tag='"two"')
        with pytest.raises(SceneError, match=r"0\.tif changed while it was in use, start again"):
            read_window(later, Window(0, 0, 5, 5))


@pytest.mark.parametrize("resampling", ["", ' resampling="bilinear"'])
def test_bands_of_a_file_may_have_different_nodata(tmp_path, resampling):
    """A VRT of an optical band and an elevation, as ``gdalbuildvrt -separate`` makes it."""
    rng = np.random.default_rng(0)
    optical = rng.integers(1, 200, (1, 60, 80)).astype(np.int16)
    elevation = rng.integers(0, 50, (1, 60, 80)).astype(np.int16)
    optical[0, :20, :30], elevation[0, :20, :30] = 0, -9999
    optical[0, 40, 40], elevation[0, 41, 41] = 0, -9999  # one of the bands has data
    bands = ""
    for number, (name, pixels, nodata) in enumerate(
        (("optical", optical, 0), ("elevation", elevation, -9999)), 1
    ):
        write_raster(tmp_path / f"{name}.tif", pixels, nodata=nodata)
        bands += (
            f'<VRTRasterBand dataType="Int16" band="{number}"><Description>{name}</Description>'
            f"<NoDataValue>{nodata}</NoDataValue><ComplexSource{resampling}>"
            f'<SourceFilename relativeToVRT="1">{name}.tif</SourceFilename>'
            f"<NODATA>{nodata}</NODATA></ComplexSource></VRTRasterBand>"
        )
    path = tmp_path / "both.vrt"
    path.write_text(f'<VRTDataset rasterXSize="80" rasterYSize="60">{bands}</VRTDataset>')
    expected = np.ones((60, 80), bool)
    expected[:20, :30] = False
    for order in ((1, 2), (2, 1)):
        scene = open_scene(path, bands=order)
        assert scene.band_names == tuple(("optical", "elevation")[number - 1] for number in order)
        pixels, valid = read_window(scene, scene.window)
        np.testing.assert_array_equal(valid, expected)
        both = np.concatenate([optical, elevation])[np.array(order) - 1]
        np.testing.assert_array_equal(pixels[:, valid], both[:, valid])
        part = Window(10, 20, 30, 40)
        np.testing.assert_array_equal(read_window(scene, part)[0], pixels[:, 10:40, 20:60])
    assert open_scene(path, bands=(1,)).nodata == 0
    assert open_scene(path, bands=("elevation",)).nodata == -9999
    assert open_scene(path, nodata=0).nodata == 0


def test_resampled_bands_with_different_nodata_are_the_same_in_every_window(tmp_path):
    """GDAL resamples the elevation as it reads the VRT."""
    rng = np.random.default_rng(0)
    coarse = rng.random((1, SIDE // 3, SIDE // 3)).astype(np.float32)
    coarse[0, :9, :9] = -9999
    write_raster(tmp_path / "elevation.tif", coarse, nodata=-9999)
    optical = rng.random((1, SIDE, SIDE)).astype(np.float32)
    write_raster(tmp_path / "optical.tif", optical, nodata=0)
    bands = ""
    for number, (name, nodata) in enumerate((("optical", 0), ("elevation", -9999)), 1):
        side = SIDE if name == "optical" else SIDE // 3
        bands += (
            f'<VRTRasterBand dataType="Float32" band="{number}"><NoDataValue>{nodata}</NoDataValue>'
            f'<ComplexSource resampling="bilinear"><SourceFilename relativeToVRT="1">{name}.tif'
            f'</SourceFilename><SrcRect xOff="0" yOff="0" xSize="{side}" ySize="{side}" />'
            f'<DstRect xOff="0" yOff="0" xSize="{SIDE}" ySize="{SIDE}" />'
            f"<NODATA>{nodata}</NODATA></ComplexSource></VRTRasterBand>"
        )
    path = tmp_path / "both.vrt"
    path.write_text(f'<VRTDataset rasterXSize="{SIDE}" rasterYSize="{SIDE}">{bands}</VRTDataset>')
    for scene in (open_scene(path), open_scene(Stack((str(path),)))):
        whole, valid = read_window(scene, scene.window)
        for window in (Window(1, 2, 47, 53), Window(301, 250, 259, 311), Window(511, 0, 100, 640)):
            pixels, is_valid = read_window(scene, window)
            np.testing.assert_array_equal(pixels, whole[:, *window.slices])
            np.testing.assert_array_equal(is_valid, valid[window.slices])
