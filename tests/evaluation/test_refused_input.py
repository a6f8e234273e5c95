"""Input that `evaluate` and `sample` refuse before they speak of legends, each in one sentence."""

import geopandas
import numpy as np
import pytest
import shapely

from geoseg.errors import EvaluateError, GeosegError, LabelError, VectorError
from geoseg.evaluation import (
    CompareSettings,
    EvaluateSettings,
    SampleSettings,
    compare,
    evaluate,
    evaluate_matrix,
    sample,
)
from tests.support.assessments import BY_NAME, PLACE, write_map, write_points
from tests.support.rasters import write_raster
from tests.support.refusals import refusal


@pytest.fixture
def labels(tmp_path):
    mapped = np.zeros((20, 30), np.uint8)
    mapped[:, 15:] = 1
    return write_map(tmp_path / "map.tif", mapped)


def test_wrong_types_of_settings_are_refused(labels, tmp_path):
    with pytest.raises(GeosegError, match=r"ignore must be a list, give \['water'\]"):
        EvaluateSettings(ignore="water")
    with pytest.raises(GeosegError, match="must be of the type EvaluateSettings, not dict"):
        evaluate(labels, labels, out=tmp_path / "report", settings={"ignore": ("water",)})
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("matrix", "match"),
    [
        (
            "bare,10,2\nsparse,3,20\n",
            r"m\.csv has the numbers 10, 2 in the first row, where the names of the reference "
            "classes are expected, put a header like this above it: map,bare,sparse$",
        ),
        ("1,10,2\n2,3,20\n", "a header like this above it: map,1,2$"),
        ("bare,10,10\nsparse,3,20\n", "has the numbers 10, 10 in the first row"),
        ("bare,sparse\n10,2\n3,20\n", "numbers 10, 3 in the first column, where the names of the"),
        ('map,"a\nb",c\n"a\nb",10,2\nc,3,20\n', r"m\.csv: the name 'a\\nb' .* a line break"),
        ('map,"a\r\nb",c\n"a\r\nb",10,2\nc,3,20\n', r"the name 'a\\r\\nb' .* a line break"),
        ("map,a,A\na,10,2\nA,3,20\n", r"m\.csv: two classes of the legend share the name"),
        ("map,a,b,Total\na,9,2,11\nb,3,8,11\nTotal,12,10,22\n", "sums of the others in 'Total'"),
        ("map,a,b\na,9,2\nb,3,8\nSUM,12,10\n", r"m\.csv has the sums of the others in 'SUM'"),
        (f"map,a,b\na,{10**18},2\nb,3,20\n", r"m\.csv has 10{18} for 'a', which is more than 100,"),
        (f"map,a,b\na,1,2\nb,{10**30},20\n", r"m\.csv has 10{30} for 'b', which is more than 100,"),
    ],
)
def test_a_matrix_without_names_of_classes_is_refused(tmp_path, matrix, match):
    (tmp_path / "m.csv").write_bytes(matrix.encode())
    with pytest.raises(EvaluateError, match=match) as caught:
        evaluate_matrix(tmp_path / "m.csv", out=tmp_path / "report")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "report").exists()


def test_a_class_whose_name_is_sum_but_holds_no_sums_is_read(tmp_path):
    (tmp_path / "m.csv").write_text("map,a,Sum\na,9,2\nSum,3,8\n")
    assert evaluate_matrix(tmp_path / "m.csv", out=tmp_path / "report").counts.sum() == 22


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_codes_as_names_and_any_line_ends_are_read(tmp_path, end):
    (tmp_path / "m.csv").write_bytes(end.join(["map,1,2", '1,"10",2', "2,3,20", ""]).encode())
    report = evaluate_matrix(tmp_path / "m.csv", out=tmp_path / "report").to_dict()
    assert report["classes"] == ["1", "2"]
    assert report["matrix"] == [[10, 2], [3, 20]]


def test_areas_without_a_header_are_refused(tmp_path):
    (tmp_path / "m.csv").write_text("map,a,b\na,10,2\nb,3,20\n")
    (tmp_path / "a.csv").write_text("a,100\nb,300\n")
    with pytest.raises(EvaluateError, match="number 100 in the first row, which must be a header"):
        evaluate_matrix(tmp_path / "m.csv", areas=tmp_path / "a.csv", out=tmp_path / "report")


def test_areas_that_name_a_class_twice_are_refused(tmp_path):
    (tmp_path / "m.csv").write_text("map,a,b\na,10,2\nb,3,20\n")
    (tmp_path / "a.csv").write_text("class,area_ha\na,100\nb,300\na,5\n")
    with refusal(EvaluateError, r"a\.csv name a more than once, keep one area", tmp_path):
        evaluate_matrix(tmp_path / "m.csv", areas=tmp_path / "a.csv", out=tmp_path / "report")


NOT_CLASSES = {
    "eight.tif": (
        np.ones((8, 20, 30), np.uint16),
        "it has 8 bands of uint16, a class raster has 1",
    ),
    "two.tif": (
        np.ones((2, 20, 30), np.uint8),
        "it has 2 bands of uint8, a class raster has 1 band",
    ),
    "rgb16.tif": (np.ones((3, 20, 30), np.uint16), "3 bands of uint16, .* 3 bands of uint8"),
    "half.tif": (np.full((1, 20, 30), 0.25, np.float32), "values that are not whole .* as 0.25;"),
}


@pytest.mark.parametrize("name", NOT_CLASSES)
@pytest.mark.parametrize("use", ["map", "reference", "sample"])
def test_a_raster_without_classes_is_refused_before_its_legend(labels, tmp_path, name, use):
    pixels, match = NOT_CLASSES[name]
    path = write_raster(tmp_path / name, pixels, transform=PLACE)
    calls = {
        "map": lambda out: evaluate(path, labels, out=out),
        "reference": lambda out: evaluate(labels, path, out=out),
        "sample": lambda out: sample(path, out=out),
    }
    out = tmp_path / "out.gpkg"
    with pytest.raises(LabelError, match=rf"{name} is not a class raster: .*{match}") as caught:
        calls[use](out)
    assert "\n" not in str(caught.value)
    assert not out.exists()


def test_fractions_after_a_block_without_data_are_seen(labels, tmp_path):
    pixels = np.full((1, 1100, 30), np.nan, np.float32)
    pixels[0, 1080:] = 0.5
    path = write_raster(tmp_path / "late.tif", pixels, transform=PLACE, nodata=np.nan)
    with pytest.raises(LabelError, match=r"such as 0\.5;"):
        evaluate(labels, path, out=tmp_path / "report")


def test_classes_in_a_raster_of_floats_are_read(labels, tmp_path):
    pixels = np.zeros((1, 20, 30), np.float32)
    pixels[:, :, 15:] = 1
    pixels[0, 0] = np.nan
    path = write_raster(tmp_path / "floats.tif", pixels, transform=PLACE, nodata=np.nan)
    for pair in ((labels, path), (path, labels)):
        report = evaluate(
            *pair, out=tmp_path / "report", settings=BY_NAME, overwrite=True
        ).to_dict()
        assert report["overall_accuracy"] == 1
        assert report["compared"] == 19 * 30


def test_a_layer_of_the_reference_is_chosen_by_name(tmp_path, labels):
    path = tmp_path / "layers.gpkg"
    x, y = PLACE @ (0, 0)
    for layer, name in (("one", "water"), ("two", "rock")):
        box = shapely.box(x, y - 600, x + 900, y)
        frame = geopandas.GeoDataFrame({"kind": [name]}, geometry=[box], crs="EPSG:32640")
        frame.to_file(path, layer=layer)

    def report_of(layer):
        settings = EvaluateSettings(class_field="kind", layer=layer)
        return evaluate(
            labels, path, out=tmp_path / "report", settings=settings, overwrite=True
        ).to_dict()

    assert np.sum(report_of("one")["matrix"], axis=0).tolist() == [600, 0, 0]
    assert np.sum(report_of("two")["matrix"], axis=0).tolist() == [0, 0, 600]
    with pytest.raises(VectorError, match="has no layer 'three', use one of: one, two"):
        report_of("three")


def test_an_unknown_class_to_be_ignored_is_refused_by_sample_and_with_vectors(tmp_path, labels):
    ignore = {"ignore": ("unsure", "grss")}
    with refusal(LabelError, r"'unsure' is to be ignored, but is no class of .*map\.tif", tmp_path):
        sample(labels, out=tmp_path / "p.gpkg", settings=SampleSettings(**ignore))
    points = write_points(tmp_path / "points.gpkg", [5, 6], [5, 20], ["water", "Unsure"])
    match = r"'grss' is .* no class of the map \(water, .* nor of .*points\.gpkg \(water, unsure\)"
    with refusal(LabelError, match, tmp_path):
        evaluate(labels, points, out=tmp_path / "report", settings=EvaluateSettings(**ignore))
    other = write_map(tmp_path / "b.tif", np.ones((20, 30), np.uint8))
    settings = CompareSettings(**ignore)
    with refusal(LabelError, r"'grss' is .* no class of the maps .* nor of reference", tmp_path):
        compare(labels, other, reference=points, out=tmp_path / "report", settings=settings)
    known = EvaluateSettings(ignore=("unsure", "GRASS", "77", "#123456"))
    assert evaluate(labels, points, out=tmp_path / "report", settings=known).counts.sum() == 1
