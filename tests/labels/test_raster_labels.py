"""Labels of every kind, on a scene's pixels."""

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

from geoseg.errors import LabelError, SceneError, TileError
from geoseg.labels import open_class_raster
from geoseg.legend import DUBAI, LandCoverClass, Legend
from geoseg.styles.gdal_pam import pam_sidecar
from geoseg.tiles import IGNORE_INDEX, TileSettings
from tests.support.rasters import write_raster
from tests.support.tilesets import (
    DUBAI_COLORS,
    HEIGHT,
    LEGEND,
    PLACE,
    UNREFERENCED,
    WIDTH,
    classes,
    cut,
    noise,
    painted,
    pasted,
    refused,
    write_palette,
)


@pytest.fixture
def scene(tmp_path):
    return write_raster(tmp_path / "scene.tif", noise())


@pytest.fixture
def labels(tmp_path):
    return write_raster(tmp_path / "labels.tif", classes()[None])


@pytest.mark.parametrize("ignore", [("9",), ("9", "rock")], ids=str)
def test_values_and_classes_to_ignore_are_not_labelled(tmp_path, scene, ignore):
    ground = classes()
    ground[3:6, 3:6] = 9
    ground[6:9, 3:6] = IGNORE_INDEX  # which is never a class, and need not be said
    labels = write_raster(tmp_path / "labels.tif", ground[None])
    wanted = TileSettings(size=32, val=0, min_valid=0, ignore=ignore)
    tiles = cut(scene, labels, tmp_path / "tiles", wanted)
    found, dropped = pasted(tiles), [9, 2] if "rock" in ignore else [9]
    expected = np.where(np.isin(ground, dropped), IGNORE_INDEX, ground)
    assert np.array_equal(found[:32, :32], expected[:32, :32])
    assert tiles.legend == LEGEND


@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "float32"])
def test_class_values_of_any_dtype(tmp_path, scene, dtype):
    labels = write_raster(tmp_path / "labels.tif", classes().astype(dtype)[None])
    found = pasted(cut(scene, labels, tmp_path / "tiles"))
    assert np.array_equal(found[found >= 0], classes()[found >= 0])


def test_the_nodata_value_of_labels_is_not_labelled(tmp_path, scene):
    labels = write_raster(tmp_path / "labels.tif", classes()[None], nodata=0)
    found = pasted(cut(scene, labels, tmp_path / "tiles"))
    assert np.array_equal(
        found[:32, :32], np.where(classes() == 0, IGNORE_INDEX, classes())[:32, :32]
    )


@pytest.mark.parametrize(
    ("other", "ignore"), [((0, 0, 0), ()), ((1, 2, 3), ("#010203",))], ids=["black", "declared"]
)
def test_colours_are_classes_but_for_black_and_those_to_ignore(tmp_path, scene, other, ignore):
    ground = classes()
    ground[3:6, 3:6] = IGNORE_INDEX
    mask = painted(ground, DUBAI_COLORS, other)
    labels = write_raster(tmp_path / "mask.png", mask, driver="PNG", **UNREFERENCED)
    wanted = TileSettings(size=32, val=0, min_valid=0, ignore=ignore)
    tiles = cut(scene, labels, tmp_path / "tiles", wanted, legend=None)
    assert tiles.legend == DUBAI
    assert np.array_equal(pasted(tiles)[:32, :32], ground[:32, :32])


@pytest.mark.parametrize("ignore", ["building", "0", "#3c1098", "#3C1098"])
def test_a_colour_can_be_ignored_by_its_class(tmp_path, scene, ignore):
    mask = painted(classes(), DUBAI_COLORS)
    labels = write_raster(tmp_path / "mask.png", mask, driver="PNG", **UNREFERENCED)
    wanted = TileSettings(size=32, val=0, min_valid=0, ignore=(ignore,))
    found = pasted(cut(scene, labels, tmp_path / "tiles", wanted, legend=None))
    assert np.array_equal(
        found[:32, :32], np.where(classes() == 0, IGNORE_INDEX, classes())[:32, :32]
    )


def test_transparent_parts_of_a_colour_mask_are_not_labelled(tmp_path, scene):
    alpha = np.where(classes() == 1, 0, 255).astype(np.uint8)
    mask = np.concatenate([painted(classes(), DUBAI_COLORS), alpha[None]])
    labels = write_raster(tmp_path / "mask.png", mask, driver="PNG", **UNREFERENCED)
    found = pasted(cut(scene, labels, tmp_path / "tiles", legend=None))
    assert np.array_equal(
        found[:32, :32], np.where(classes() == 1, IGNORE_INDEX, classes())[:32, :32]
    )


def test_a_palette_is_read_by_colour_and_not_by_its_order(tmp_path, scene):
    colors = [(0, 0, 0), *DUBAI_COLORS[::-1]]  # class 0 has index 6
    labels = write_palette(tmp_path / "mask.tif", 6 - classes(), colors)
    tiles = cut(scene, labels, tmp_path / "tiles", legend=None)
    assert tiles.legend == DUBAI
    assert np.array_equal(pasted(tiles)[:32, :32], classes()[:32, :32])


def test_a_palette_of_other_colours_is_a_legend_with_the_names_beside_it(tmp_path, scene):
    legend = Legend((LandCoverClass(1, "sand", "#aa0000"), LandCoverClass(2, "scrub", "#00bb00")))
    labels = write_palette(tmp_path / "map.tif", classes(), [(0, 0, 0), (170, 0, 0), (0, 187, 0)])
    labels.with_name("map.tif.aux.xml").write_text(pam_sidecar(legend, [1, 1]))
    wanted = TileSettings(size=32, val=0, min_valid=0, ignore=("#000000",))
    tiles = cut(scene, labels, tmp_path / "tiles", wanted, legend=None)
    assert tiles.legend == legend
    assert np.array_equal(
        pasted(tiles)[:32, :32], np.where(classes() == 0, IGNORE_INDEX, classes())[:32, :32]
    )


def test_classes_of_one_colour_in_a_palette_stay_apart(tmp_path, scene):
    colors = [(170, 0, 0), (170, 0, 0), (0, 187, 0)]
    labels = write_palette(tmp_path / "map.tif", classes(), colors)
    tiles = cut(scene, labels, tmp_path / "tiles", legend=None)
    assert tiles.legend.values == (0, 1, 2)
    assert np.array_equal(pasted(tiles)[:32, :32], classes()[:32, :32])


@pytest.mark.parametrize(
    ("stored", "names"),
    [
        (["a", "A", "b"], ["a (0)", "A (1)", "b"]),
        (["for\u00eat", "fore\u0302t"], ["for\u00eat (0)", "for\u00eat (1)"]),
        (["a", "A", "a (0)"], ["a (0) (0)", "A (1)", "a (0) (2)"]),
        (["class 1", ""], ["class 1 (0)", "class 1 (1)"]),
    ],
)
def test_equal_names_in_a_raster_get_their_values(tmp_path, stored, names):
    path = write_raster(tmp_path / "map.tif", np.zeros((1, 4, 4), np.uint8))
    categories = "".join(f"<Category>{name}</Category>" for name in stored)
    path.with_name("map.tif.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><CategoryNames>'
        f"{categories}</CategoryNames></PAMRasterBand></PAMDataset>"
    )
    assert list(open_class_raster(path).legend.names[: len(names)]) == names


@pytest.mark.parametrize(
    ("place", "crs"),
    [
        (PLACE @ Affine.translation(0.4, -0.3), "EPSG:32640"),
        (PLACE @ Affine.scale(0.5), "EPSG:32640"),
        (PLACE @ Affine.translation(20, 10), "EPSG:32640"),
        (PLACE @ Affine.rotation(10), "EPSG:32640"),
        (Affine(1e-4, 0, 56.99, 0, -1e-4, 25.32), "EPSG:4326"),
    ],
    ids=["shifted", "finer", "partly beside", "turned", "degrees"],
)
def test_labels_of_another_grid_are_the_nearest_pixels(tmp_path, scene, place, crs, caplog):
    fine = np.repeat(np.repeat(classes(), 2, 0), 2, 1)
    labels = write_raster(tmp_path / "labels.tif", fine[None], transform=place, crs=crs)
    with caplog.at_level("INFO", logger="geoseg"):
        found = pasted(cut(scene, labels, tmp_path / "tiles"))
    assert "labels.tif is on another grid than" in caplog.text
    x, y = PLACE @ np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    if crs != "EPSG:32640":
        x, y = Transformer.from_crs("EPSG:32640", crs, always_xy=True).transform(x, y)
    col, row = (np.floor(v).astype(int) for v in ~place @ (x, y))
    inside = (row >= 0) & (col >= 0) & (row < fine.shape[0]) & (col < fine.shape[1])
    expected = np.full((HEIGHT, WIDTH), IGNORE_INDEX)
    expected[inside] = fine[row[inside], col[inside]]
    differ = (found != expected)[found >= 0]
    assert differ.mean() < 0.01  # where a pixel's centre lies on the border of two
    assert len(np.unique(found)) >= 3


def test_warped_labels_do_not_show_the_blocks_they_are_read_in(tmp_path, monkeypatch):
    pixels = noise(height=300, width=200)
    scene = write_raster(tmp_path / "scene.tif", pixels)
    turned = PLACE @ Affine.rotation(5)
    labels = write_raster(tmp_path / "labels.tif", classes(400, 300)[None], transform=turned)
    whole = cut(scene, labels, tmp_path / "whole")
    monkeypatch.setattr("geoseg.tiles.cut.read_batches._MAX_HEIGHT", 32)
    assert cut(scene, labels, tmp_path / "tiles").checksums == whole.checksums


def test_labels_on_the_same_grid_but_for_noise_in_the_numbers(tmp_path, scene):
    nearly = PLACE @ Affine.translation(1e-4, 0)
    same = 'PROJCS["by hand",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",57],PARAMETER["scale_factor",0.9996],PARAMETER["false_easting",500000],PARAMETER["false_northing",0],UNIT["metre",1]]'  # noqa: E501
    labels = write_raster(tmp_path / "labels.tif", classes()[None], transform=nearly, crs=same)
    assert len(cut(scene, labels, tmp_path / "tiles")) == 12


# What is refused, in one sentence, and leaves nothing behind.


def test_labels_of_another_size(tmp_path, scene):
    mask = painted(classes(50, 60), DUBAI_COLORS)
    labels = write_raster(tmp_path / "mask.png", mask, driver="PNG", **UNREFERENCED)
    match = r"are 50 x 60 px, scene .* is 100 x 130, and not both have a CRS"
    refused(LabelError, match, tmp_path, scene, labels)


@pytest.mark.parametrize("crs", [None, "EPSG:32640"])
def test_labels_without_a_crs_at_other_coordinates(tmp_path, crs):
    scene = write_raster(tmp_path / "scene.tif", noise(), crs=crs)
    shifted = PLACE @ Affine.translation(32, 0)
    labels = write_raster(tmp_path / "labels.tif", classes()[None], crs=None, transform=shifted)
    match = r"labels .*labels\.tif have other coordinates than scene .*, and not both have a CRS"
    refused(LabelError, match, tmp_path, scene, labels)


@pytest.mark.parametrize(("bands", "dtype"), [(2, "uint8"), (3, "uint16"), (4, "uint8")])
def test_labels_that_are_neither_classes_nor_colours(tmp_path, scene, bands, dtype):
    pixels = np.stack([classes().astype(dtype)] * bands)
    labels = write_raster(tmp_path / "labels.tif", pixels, photometric="minisblack", alpha="no")
    match = rf"labels\.tif is not a class raster: it has {bands} bands of {dtype}"
    refused(LabelError, match, tmp_path, scene, labels)


def test_labels_elsewhere(tmp_path, scene):
    labels = write_raster(tmp_path / "labels.tif", classes()[None], crs="EPSG:32639")
    match = r"no pixel of .*scene\.tif.* is both valid and labelled, check that the labels lie"
    refused(TileError, match, tmp_path, scene, labels)


def test_labels_on_a_grid_that_is_nowhere(tmp_path, scene):
    local = 'LOCAL_CS["site",UNIT["metre",1]]'
    labels = write_raster(tmp_path / "labels.tif", classes()[None], crs=local)
    match = r"cannot warp .*labels\.tif onto another grid \(.*\), check its CRS"
    refused(SceneError, match, tmp_path, scene, labels)


def test_a_value_that_the_legend_does_not_name(tmp_path, scene):
    ground = classes().astype("int16")
    ground[3:6, 3:7], ground[50, 60] = 9, -7
    labels = write_raster(tmp_path / "labels.tif", ground[None])
    match = (
        r"labels .*labels\.tif have 12 px of 9, 1 px of -7, values that the legend does not name "
        r"\(water 0, grass 1, rock 2\), add them to the legend, or give --ignore '9'"
    )
    refused(LabelError, match, tmp_path, scene, labels)


def test_a_colour_that_the_legend_does_not_name(tmp_path, scene):
    ground = classes()
    ground[3:6, 3:6] = IGNORE_INDEX
    mask = painted(ground, DUBAI_COLORS, (1, 2, 255))
    labels = write_raster(tmp_path / "mask.png", mask, driver="PNG", **UNREFERENCED)
    match = r"mask\.png have 9 px of #0102ff, colours that .*building #3c1098.*--ignore '#0102ff'"
    refused(LabelError, match, tmp_path, scene, labels, legend=None)


def test_black_is_not_ignored_in_masks_of_another_legend(tmp_path, scene):
    legend = Legend((LandCoverClass(0, "sand", "#aa0000"), LandCoverClass(1, "scrub", "#00bb00")))
    mask = painted(classes(), [(170, 0, 0), (0, 187, 0)])
    labels = write_raster(tmp_path / "mask.png", mask, driver="PNG", **UNREFERENCED)
    refused(LabelError, "px of #000000, colours", tmp_path, scene, labels, legend=legend)


def test_a_value_without_a_class_whose_colour_is_that_of_a_class(tmp_path, scene):
    legend = Legend((LandCoverClass(0, "sand", "#000000"), LandCoverClass(1, "scrub", "#00bb00")))
    labels = write_palette(tmp_path / "map.tif", classes(), [(0, 0, 0), (0, 187, 0)])
    match = r"px of 2, values that the legend does not name \(sand 0, scrub 1\)"
    refused(LabelError, match, tmp_path, scene, labels, legend=legend)


def test_a_mask_of_classes_with_the_same_colour(tmp_path, scene):
    legend = Legend((LandCoverClass(0, "sand", "#aa0000"), LandCoverClass(1, "scrub", "#aa0000")))
    mask = painted(classes() % 2, [(170, 0, 0), (170, 0, 0)])
    labels = write_raster(tmp_path / "mask.png", mask, driver="PNG", **UNREFERENCED)
    match = "show classes by their colours, but 'sand' and 'scrub' have the same colour #aa0000"
    refused(LabelError, match, tmp_path, scene, labels, legend=legend)


def test_a_mask_saved_with_loss(tmp_path, scene):
    mask = painted(classes(), DUBAI_COLORS)
    labels = write_raster(tmp_path / "mask.jpg", mask, driver="JPEG", **UNREFERENCED)
    match = r"px of #\w+ and \d[\d,]* others, colours.*must not be compressed with loss"
    refused(LabelError, match, tmp_path, scene, labels, legend=None)


def test_a_class_raster_without_a_legend(tmp_path, scene, labels):
    refused(
        LabelError, "has neither a palette nor class names, name its classes with --legend",
        tmp_path, scene, labels, legend=None,
    )  # fmt: skip


def test_a_legend_that_is_not_there(tmp_path, scene, labels):
    refused(
        LabelError, r"legend .*gone\.csv does not exist",
        tmp_path, scene, labels, legend=tmp_path / "gone.csv",
    )  # fmt: skip
