"""Mosaics: what lies on top, what shows through, and what has no place."""

import numpy as np
import pytest
import rasterio
from affine import Affine

from geoseg.errors import SceneError
from geoseg.grid import Window
from geoseg.raster import Mosaic, mosaic, open_scene, read_window, reprojected
from tests.support.rasters import blocks, random_pixels, write_raster
from tests.support.scenes import cut, overlapping, place


def constant(path, value, *, side=20, row=0, col=0, **profile):
    pixels = np.full((1, side, side), value, profile.pop("dtype", "uint8"))
    return write_raster(path, pixels, transform=place(10, row, col), **profile)


def opened(*paths):
    return [open_scene(path) for path in paths]


def read_all(scene):
    return read_window(scene, scene.window)


def test_scenes_cut_from_an_image_are_that_image(tmp_path):
    whole, paths = overlapping(tmp_path, 300, 300)
    scene = mosaic(opened(*paths))
    pixels, valid = read_all(scene)
    assert (scene.affine, scene.height, scene.width) == (place(10), 300, 300)
    assert valid.all()
    assert np.array_equal(pixels, whole)


def test_the_order_of_scenes_that_agree_does_not_show_in_the_pixels(tmp_path):
    whole, paths = overlapping(tmp_path, 300, 300)
    scene = mosaic(opened(*paths[::-1]))
    pixels, valid = read_all(scene)
    assert scene.affine.almost_equals(place(10))
    assert valid.all()
    assert np.array_equal(pixels, whole)


def test_the_first_scene_lies_on_top(tmp_path):
    a = constant(tmp_path / "a.tif", 1)
    b = constant(tmp_path / "b.tif", 2, row=10, col=10)
    pixels, valid = read_all(mosaic(opened(a, b)))
    assert (pixels[0, :20, :20] == 1).all()
    assert (pixels[0, 20:, 20:] == 2).all()
    assert valid.sum() == 2 * 400 - 100
    pixels, _ = read_all(mosaic(opened(b, a)))
    assert (pixels[0, 10:, 10:] == 2).all()


def test_holes_show_the_next_scene_that_has_data(tmp_path):
    image = np.full((1, 20, 20), 1, np.uint8)
    image[:, 5:15, 5:15] = 0
    a = write_raster(tmp_path / "a.tif", image, transform=place(10), nodata=0)
    image = np.full((1, 20, 20), 2, np.uint8)
    image[:, 8:12, 8:12] = 255
    b = write_raster(tmp_path / "b.tif", image, transform=place(10), nodata=255)
    pixels, valid = read_all(mosaic(opened(a, b)))
    assert (~valid).sum() == 16
    assert not valid[8:12, 8:12].any()
    assert np.bincount(pixels[0][valid]).tolist() == [0, 300, 84]
    pixels, valid = read_all(mosaic(opened(a, b, constant(tmp_path / "c.tif", 3))))
    assert valid.all()
    assert (pixels[0, 8:12, 8:12] == 3).all()


@pytest.mark.parametrize("gap", [0, 1])
def test_scenes_may_touch_or_lie_apart_on_one_grid(tmp_path, gap):
    a = constant(tmp_path / "a.tif", 1)
    b = constant(tmp_path / "b.tif", 2, col=20 + 30 * gap)
    scene = mosaic(opened(a, b))
    _, valid = read_all(scene)
    assert (scene.height, scene.width) == (20, 40 + 30 * gap)
    assert valid.sum() == 800


def test_the_dtype_holds_the_values_of_all(tmp_path):
    a = constant(tmp_path / "a.tif", 200)
    b = constant(tmp_path / "b.tif", -7, col=20, dtype="int16")
    scene = mosaic(opened(a, b))
    pixels, _ = read_all(scene)
    assert scene.dtype == pixels.dtype == "int16"
    assert np.unique(pixels).tolist() == [-7, 200]
    assert scene.with_bands((1,)) == scene


def test_the_newest_scene_lies_on_top_by_the_dates_of_the_files(tmp_path):
    dates = ("2023-05-31T10:00:00Z", "2024:02:01 09:00:00", "2024-01-31")
    tags = ("ACQUISITIONDATETIME", "TIFFTAG_DATETIME", "DATETIME")
    paths = []
    for number, (tag, date) in enumerate(zip(tags, dates, strict=True)):
        paths.append(str(constant(tmp_path / f"{number}.tif", number)))
        with rasterio.open(paths[-1], "r+") as file:
            file.update_tags(**{tag: date})
    assert Mosaic(tuple(paths), order="newest").in_order() == [paths[1], paths[2], paths[0]]
    assert Mosaic(tuple(paths)).in_order() == paths


def test_scenes_in_two_zones_lie_on_the_ground_that_they_show(tmp_path):
    whole, paths = overlapping(tmp_path, 400, 400, zones=True)
    scene = mosaic(opened(*paths))
    assert scene.crs == open_scene(paths[0]).crs
    row, col = round(-scene.layers[0].row), round(-scene.layers[0].col)
    image = Window(-row, -col, 400, 400)
    pixels, valid = read_window(scene, image)
    assert valid[5:-5, 5:-5].all()
    west = np.s_[:, :180, :180]
    assert np.array_equal(pixels[west], whole[west])
    # Pixels that were moved twice are right within blocks of 16 px, and not at their borders.
    east = np.s_[:, 5:-5, 250:-5]
    assert (pixels[east] == whole[east]).mean() > 0.75
    assert np.abs(pixels[east].astype(int) - whole[east]).mean() < 8


def test_a_scene_with_other_pixels_is_warped_onto_those_of_the_first(tmp_path):
    whole = np.maximum(blocks(120, 120), 1)
    a = cut(whole, Window(0, 0, 120, 70), tmp_path / "a.tif")
    half = whole[:, :, 60:].repeat(2, axis=1).repeat(2, axis=2)
    b = write_raster(tmp_path / "b.tif", half, transform=place(5, col=120))
    scene = mosaic(opened(a, b))
    pixels, valid = read_all(scene)
    assert (scene.affine, scene.height, scene.width) == (place(10), 120, 120)
    assert valid.all()
    assert np.array_equal(pixels[:, :, :70], whole[:, :, :70])
    # The filter reaches over the borders of blocks of 16 px.
    inside = np.s_[:, 3:13, 83:93]
    assert np.array_equal(pixels[inside], whole[inside])
    assert (pixels == whole).mean() > 0.9


def test_one_scene_is_a_mosaic_of_its_own(tmp_path):
    scene = open_scene(constant(tmp_path / "a.tif", 1))
    assert mosaic([scene]) == scene


def test_a_mosaic_is_plain_data_of_all_its_files(tmp_path):
    paths = overlapping(tmp_path, 100, 100)[1]
    scene = mosaic(opened(*paths))
    assert scene.files == tuple(map(str, paths))
    assert scene.path == f"mosaic of {paths[0]} and 3 more"
    assert [layer["path"] for layer in scene.to_dict()["layers"]] == list(map(str, paths))
    assert str(tmp_path) not in str(scene.determinants()["layers"])
    assert mosaic(opened(*paths[::-1])).determinants() != scene.determinants()


def refused(match, *paths):
    with pytest.raises(SceneError, match=match):
        mosaic(opened(*paths))


def test_a_mosaic_of_nothing_is_refused():
    for make in (lambda: Mosaic(()), lambda: mosaic([])):
        with pytest.raises(SceneError, match=r"the mosaic is empty, give at least one scene$"):
            make()


def test_an_unknown_order_is_refused():
    with pytest.raises(SceneError, match=r"unknown order 'oldest', use first or newest$"):
        Mosaic(("a.tif",), order="oldest")


def test_a_scene_without_a_date_is_named(tmp_path):
    path = constant(tmp_path / "a.tif", 1)
    with pytest.raises(
        SceneError, match=r"a\.tif has no date in its tags .* \(order, --order first"
    ):
        Mosaic((path,), order="newest").in_order()


def test_other_bands_are_refused(tmp_path):
    a = constant(tmp_path / "a.tif", 1)
    b = write_raster(tmp_path / "b.tif", random_pixels(3, 20, 20), transform=place(10))
    refused(r"b\.tif has 3 bands, and .*a\.tif has 1, choose the same bands .*--bands", a, b)


def test_a_scene_without_a_crs_beside_one_that_has_it_is_refused(tmp_path):
    a, b = constant(tmp_path / "a.tif", 1), constant(tmp_path / "b.tif", 2, crs=None)
    sentence = (
        r"b\.tif has no CRS and .*a\.tif has one, .* give it its CRS \(gdal_edit\.py -a_srs\)$"
    )
    refused(sentence, a, b)
    refused(sentence, b, a)


def test_scenes_without_a_crs_lie_by_their_coordinates_if_they_have_them(tmp_path):
    a = constant(tmp_path / "a.tif", 1, crs=None)
    b = constant(tmp_path / "b.tif", 2, crs=None, col=20)
    assert mosaic(opened(a, b)).width == 40


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_scene_without_a_place_is_refused(tmp_path):
    a = write_raster(
        tmp_path / "a.tif", random_pixels(1, 9, 9), crs=None, transform=Affine.identity()
    )
    b = write_raster(
        tmp_path / "b.tif", random_pixels(1, 9, 9), crs=None, transform=Affine.identity()
    )
    refused(r"b\.tif has no georeference, so its place .* georeference it first$", a, b)


def test_a_scene_far_away_on_another_grid_is_refused(tmp_path):
    a = constant(tmp_path / "a.tif", 1)
    b = write_raster(tmp_path / "b.tif", random_pixels(1, 20, 20), transform=place(7, col=900))
    refused(r"b\.tif has another grid than .*a\.tif and touches no other scene of the mosaic, "
            r"classify it separately$", a, b)  # fmt: skip


def test_a_crs_without_a_way_to_that_of_the_first_is_refused(tmp_path):
    a = constant(tmp_path / "a.tif", 1)
    b = constant(tmp_path / "b.tif", 1, crs='LOCAL_CS["site",UNIT["metre",1]]')
    refused(r"b\.tif cannot be placed in the CRS of .*a\.tif \(.*\), check its CRS$", a, b)


@pytest.mark.parametrize("west", [-180, 180])
def test_scenes_on_both_sides_of_180_degrees_are_neighbours(tmp_path, west):
    image = random_pixels(1, 20, 40)
    paths = [
        write_raster(
            tmp_path / f"{start}.tif", image[:, :, start : start + 20], crs="EPSG:4326",
            transform=Affine(0.001, 0, x, 0, -0.001, 10),
        )
        for start, x in ((0, 179.98), (20, west))
    ]  # fmt: skip
    for order in (paths, paths[::-1]):
        scene = mosaic(opened(*order))
        pixels, valid = read_all(scene)
        assert valid.all()
        assert np.array_equal(pixels, image)


def test_a_scene_in_metres_lies_beside_one_beyond_180_degrees(tmp_path):
    image = np.full((1, 100, 200), 7, np.uint8)
    first = write_raster(
        tmp_path / "a.tif", image[:, :, :100], crs="EPSG:4326",
        transform=Affine(0.0001, 0, 180.0, 0, -0.0001, 10),
    )  # fmt: skip
    second = open_scene(
        write_raster(
            tmp_path / "b.tif", image[:, :, 100:], crs="EPSG:4326",
            transform=Affine(0.0001, 0, -179.99, 0, -0.0001, 10),
        )
    )  # fmt: skip
    scene = mosaic([open_scene(first), reprojected(second, "EPSG:32601")])
    assert (scene.height, scene.width) == pytest.approx((100, 200), abs=3)
    pixels, valid = read_all(scene)
    assert valid.mean() > 0.97
    assert (pixels[0][valid] == 7).all()
