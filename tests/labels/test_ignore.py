"""What `--ignore` means, on a legend and on the pixels of rasters and features of vectors."""

from dataclasses import replace

import numpy as np
import pytest

from geoseg.errors import LabelError
from geoseg.labels import IgnoreSpec
from geoseg.legend import LandCoverClass, Legend
from geoseg.tiles import TileSettings
from tests.support.rasters import write_raster
from tests.support.tilesets import (
    BY_NAME,
    FIELDS,
    LEGEND,
    burnt,
    classes,
    cut,
    noise,
    pasted,
    write_polygons,
)

GRASS = LEGEND.classes[1]
NUMBERED = Legend((LandCoverClass(0, "1", "#aaaaaa"), LandCoverClass(1, "2", "#bbbbbb")))


@pytest.mark.parametrize("text", ["grass", " GRASS ", "1", "01", GRASS.color, GRASS.color.upper()])
def test_a_class_is_named_by_name_value_or_colour(text):
    assert IgnoreSpec.parse([text]).values_in(LEGEND) == {1}


def test_a_name_comes_before_a_value():
    assert IgnoreSpec.parse(["1"]).values_in(NUMBERED) == {0}
    assert IgnoreSpec.parse(["1"]).codes(NUMBERED, colors=False) == {0}
    assert IgnoreSpec.parse(["0"]).values_in(NUMBERED) == {0}


def test_values_and_colours_need_no_class_but_names_do():
    spec = IgnoreSpec.parse(["9", "-7", "#010203", "lava", "rock"])
    assert spec.codes(LEGEND, colors=False) == {9, -7, 2}
    rock = int(LEGEND.classes[2].color[1:], 16)
    assert spec.codes(LEGEND, colors=True) == {0x010203, rock}
    assert spec.unmatched_in(LEGEND) == ["9", "-7", "#010203", "lava"]
    assert spec.unknown_names(LEGEND) == ["lava"]
    assert spec.unknown_names(LEGEND, Legend.from_names(["Lava"])) == []


@pytest.mark.parametrize("text", ["#12345", "#12345g", "#1234567", "#"])
def test_a_malformed_colour_is_refused(text):
    with pytest.raises(LabelError, match="to ignore must have the form #rrggbb"):
        IgnoreSpec.parse([text])
    with pytest.raises(LabelError, match="to ignore must have the form #rrggbb"):
        TileSettings(ignore=(text,))


@pytest.mark.parametrize("text", ["grass", "1", GRASS.color])
def test_all_kinds_of_labels_and_tiles_ignore_the_same_class(tmp_path, text):
    scene = write_raster(tmp_path / "scene.tif", noise())
    raster = write_raster(tmp_path / "labels.tif", classes()[None])
    vector = write_polygons(tmp_path / "fields.gpkg", FIELDS)
    settings = TileSettings(size=32, val=0, min_valid=0, ignore=(text,))
    labels = pasted(cut(scene, raster, tmp_path / "raster", settings))
    expected = np.where(classes() == 1, 255, classes())
    assert np.array_equal(labels[labels >= 0], expected[labels >= 0])
    settings = replace(BY_NAME, ignore=(text,))
    labels = pasted(cut(scene, vector, tmp_path / "vector", settings))
    assert np.array_equal(labels[labels >= 0], burnt([255, 2, 0])[labels >= 0])
    assert cut(scene, raster, tmp_path / "plain").ignoring([text]).legend.values == (0, 2)


def test_a_class_of_the_field_comes_before_the_legend(tmp_path):
    scene = write_raster(tmp_path / "scene.tif", noise())
    rows = [
        (extent, name) for (extent, _), name in zip(FIELDS, ["1", "rock", "grass"], strict=True)
    ]
    vector = write_polygons(tmp_path / "fields.gpkg", rows)
    settings = replace(BY_NAME, ignore=("1",))
    labels = pasted(cut(scene, vector, tmp_path / "tiles", settings))
    assert np.array_equal(labels[labels >= 0], burnt([255, 2, 1])[labels >= 0])


def test_a_name_that_is_no_class_of_a_raster_is_refused(tmp_path):
    scene = write_raster(tmp_path / "scene.tif", noise())
    raster = write_raster(tmp_path / "labels.tif", classes()[None])
    settings = TileSettings(size=32, ignore=("lava",))
    match = (
        r"'lava' is to be ignored, but is no class of labels .*labels\.tif \(water, grass, rock\)"
    )
    with pytest.raises(LabelError, match=match):
        cut(scene, raster, tmp_path / "tiles", settings)
