"""Input that `compare` refuses, each in one sentence, and points that are no random sample."""

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine

from geoseg import CompareSettings, EvaluateSettings, compare, evaluate
from geoseg.errors import EvaluateError, GeosegError, LabelError, OutputError, VectorError
from geoseg.legend import LandCoverClass, Legend
from tests.support.assessments import PLACE, write_map, write_points
from tests.support.rasters import write_raster
from tests.support.refusals import refusal

VALUES = np.repeat(np.arange(3, dtype=np.uint8), 100).reshape(10, 30)


@pytest.fixture
def maps(tmp_path):
    """Two maps that differ in the last row."""
    other = VALUES.copy()
    other[-1] = 0
    write_map(tmp_path / "a.tif", VALUES), write_map(tmp_path / "b.tif", other)
    return tmp_path / "a.tif", tmp_path / "b.tif"


def refuse(maps, folder, match, reference=None, error=EvaluateError, **settings):
    """Compare, and expect one sentence and no output."""
    with refusal(error, match, folder):
        compare(
            *maps, out=folder / "out", reference=reference, settings=CompareSettings(**settings)
        )


def test_settings_of_another_type_or_with_wrong_fields(maps, tmp_path):
    with pytest.raises(GeosegError, match=r"ignore must be a list, give \['water'\]"):
        CompareSettings(ignore="water")
    with pytest.raises(GeosegError, match=r"reference_fields must be a list"):
        CompareSettings(reference_fields="reference")
    for fields in (("x", "x"), ("x", "y", "z")):
        with pytest.raises(EvaluateError, match="not one or two different fields"):
            CompareSettings(reference_fields=fields)
    with refusal(
        GeosegError, "must be of the type CompareSettings, not EvaluateSettings", tmp_path
    ):
        compare(*maps, out=tmp_path / "out", settings=EvaluateSettings())


def test_a_folder_in_which_gdal_would_write_another_file(maps, tmp_path):
    with refusal(OutputError, "GDAL would write another file", tmp_path):
        compare(*maps, out=tmp_path / "a!b", settings=CompareSettings(polygons=True))


def test_a_folder_with_polygons_that_another_program_changes(maps, tmp_path):
    compare(*maps, out=tmp_path / "out", settings=CompareSettings(polygons=True))
    (tmp_path / "out" / "change.gpkg-wal").write_text("changes")
    with refusal(OutputError, "change.gpkg is open in another program", tmp_path):
        compare(*maps, out=tmp_path / "out", overwrite=True)


def test_maps_that_cannot_be_compared(maps, tmp_path):
    far = write_map(tmp_path / "far.tif", VALUES, transform=PLACE @ Affine.translation(1000, 0))
    refuse((maps[0], far), tmp_path, r"a\.tif and .*far\.tif have no pixel with a class in both")
    high = Legend((LandCoverClass(7, "x", "#112233"), LandCoverClass(8, "y", "#445566")))
    other = write_map(tmp_path / "other.tif", np.full((10, 30), 7, np.uint8), high)
    match = r"a\.tif \(water, grass, rock\) and .*\(x, y\) have no class in common.*--legend-a"
    refuse((maps[0], other), tmp_path, match)
    bare = write_raster(tmp_path / "bare.tif", VALUES[None], transform=PLACE)
    match = "neither a palette nor class names, .* --legend-a"
    refuse((bare, maps[0]), tmp_path, match, error=LabelError)
    image = np.random.default_rng(0).random((1, 10, 30)).astype(np.float32)
    scores = write_raster(tmp_path / "scores.tif", image, transform=PLACE)
    refuse((maps[0], scores), tmp_path, "not a class raster", error=LabelError)
    nowhere = write_map(tmp_path / "nowhere.tif", VALUES[:5], crs=None, transform=Affine.identity())
    refuse((maps[0], nowhere), tmp_path, "not both have a CRS", error=LabelError)
    unknown, match = ("snow",), "'snow' is to be ignored, but is no class of map"
    refuse(maps, tmp_path, match, error=LabelError, ignore=unknown)
    refuse(
        maps, tmp_path, "all classes are ignored", error=LabelError,
        ignore=("water", "grass", "rock"),
    )  # fmt: skip
    refuse((maps[0], maps[0]), tmp_path, "do not differ, so change.tif would", changed_only=True)


def test_255_classes_are_the_maximum(tmp_path):
    legends = (Legend.from_names(["common", *(f"{kind}{n}" for n in range(150))]) for kind in "ab")
    paths = [
        write_map(tmp_path / f"{name}.tif", VALUES, legend)
        for name, legend in zip("ab", legends, strict=True)
    ]
    refuse(paths, tmp_path, "have 301 classes together, but 255 is the maximum")


def test_a_folder_that_is_no_report_is_not_replaced(maps, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with refusal(OutputError, "is not a comparison", tmp_path):
        compare(*maps, out=tmp_path / "out", overwrite=True)


def test_points_without_what_is_needed(maps, tmp_path):
    def points(name, classes, **columns):
        rows, cols = np.full(len(classes), 9), np.arange(len(classes))
        return write_points(tmp_path / name, rows, cols, classes, **columns)

    good = points("good.gpkg", ["water", "rock"])
    refuse(maps, tmp_path, "is not a vector file", reference=maps[0])
    refuse(maps, tmp_path, "has no field 'y'", reference=good, reference_fields=("reference", "y"))
    frame = geopandas.read_file(good)
    frame.rename(columns={"reference": "class"}).to_file(tmp_path / "class.gpkg")
    match = "neither the field reference nor reference_a and reference_b.*from: class"
    refuse(maps, tmp_path, match, reference=tmp_path / "class.gpkg")
    refuse(maps, tmp_path, "no point of .* has a reference", reference=points("e.gpkg", [None, ""]))
    mixed = points("mixed.gpkg", ["water", "water to rock"])
    match = "has water, and its values are neither all classes .* nor all changes"
    refuse(maps, tmp_path, match, reference=mixed)
    snow = points("snow.gpkg", ["water", "snow"], reference_b=["rock", "rock"])
    fields = ("reference", "reference_b")
    match = "have snow, which no map has as a class"
    refuse(maps, tmp_path, match, reference=snow, reference_fields=fields)
    frame.geometry = shapely.buffer(frame.geometry.to_numpy(), 0.001)
    frame.to_file(tmp_path / "polygons.gpkg")
    refuse(maps, tmp_path, "holds polygons or lines", reference=tmp_path / "polygons.gpkg")
    refuse(maps, tmp_path, "has no layer 'x'", error=VectorError, reference=good, layer="x")
    frame = geopandas.GeoDataFrame(
        {"reference": ["water"]}, geometry=[shapely.Point(0, 0)], crs="EPSG:4326"
    )
    frame.to_file(tmp_path / "away.gpkg")
    match = "no point of .* lies where both maps have a class"
    refuse(maps, tmp_path, match, reference=tmp_path / "away.gpkg")


def test_points_that_were_drawn_from_something_else(maps, tmp_path):
    names = ["rock to water", "rock to water"]
    other = write_points(tmp_path / "p.gpkg", [9, 0], [0, 0], ["water"] * 2, stratum=names)
    match = r"1 of 2 points .* do not lie in the class of change\.tif that their field stratum"
    refuse(maps, tmp_path, match, reference=other)
    same = write_points(tmp_path / "q.gpkg", [0, 1], [0, 0], ["water"] * 2)
    refuse(maps, tmp_path, "no point lies where the maps differ", reference=same)
    some = write_points(tmp_path / "r.gpkg", [9], [0], ["rock to grass"])
    match = "no point lies in 'water unchanged'.* from a change.tif without --changed-only"
    refuse(maps, tmp_path, match, reference=some)


@pytest.mark.parametrize("marks", [[True, False], [1, 1], ["true", "true"]])
def test_suggested_places_are_no_random_sample(maps, tmp_path, marks):
    points = write_points(tmp_path / "p.gpkg", [9, 9], [0, 1], ["water"] * 2, suggested=marks)
    match = r"p\.gpkg was written by `geoseg suggest`, which chooses .* draw points with"
    refuse(maps, tmp_path, match, reference=points)
    with refusal(EvaluateError, match, tmp_path):
        evaluate(maps[0], points, out=tmp_path / "out")
    frame = geopandas.read_file(points)
    frame.geometry = frame.to_crs("EPSG:32640").buffer(40).to_crs("EPSG:4326")
    frame.to_file(tmp_path / "areas.gpkg")
    with refusal(EvaluateError, r"areas\.gpkg was written by `geoseg suggest`", tmp_path):
        evaluate(
            maps[0], tmp_path / "areas.gpkg", out=tmp_path / "out",
            settings=EvaluateSettings(sampled=True),
        )  # fmt: skip
    # Their pixels may be compared with the map as they are.
    report = evaluate(maps[0], tmp_path / "areas.gpkg", out=tmp_path / "out")
    assert report.estimate is None


def test_points_that_are_not_marked_are_a_sample(maps, tmp_path):
    points = write_points(tmp_path / "p.gpkg", [9, 9], [0, 1], ["water"] * 2, suggested=[False] * 2)
    assert compare(*maps, out=tmp_path / "out", reference=points).better.points == 2
